"""The short form of a checkpoint that a notebook shows: no script, and no colours but the notebook's own."""

from pthway.checkpoint.checkpoint import Checkpoint
from pthway.checkpoint.page.markup import Markup, element
from pthway.checkpoint.state_dicts import StateDict
from pthway.checkpoint.summary import facts, modules

MODULES = 100
"""Rows of a table; the others are counted."""


def notebook(checkpoint: Checkpoint) -> Markup:
    """What is known of the file, and the modules of its weights, as HTML. Reads none of the weights' bytes."""
    rows = [element("tr", element("th", label, style=_LEFT), element("td", value, style=_LEFT)) for label, value in facts(checkpoint)]
    alone = len(checkpoint.state_dicts) == 1
    tables = [_modules(state, opened=alone) for state in checkpoint.state_dicts]
    return element("div", element("table", element("tbody", *rows)), *tables)


_LEFT = "text-align: left; overflow-wrap: anywhere"
_RIGHT = "text-align: right"


def _modules(state: StateDict, *, opened: bool) -> Markup:
    found = modules(state)
    heads = [element("th", name, style=style) for name, style in zip(("module", "tensors", "numbers", "shapes"), _STYLES, strict=True)]
    rows = []
    for name, (count, elements, shapes) in list(found.items())[:MODULES]:
        texts = (name, f"{count:,}", f"{elements:,}", shapes)
        rows.append(element("tr", *(element("td", text, style=style) for text, style in zip(texts, _STYLES, strict=True))))
    if len(found) > MODULES:
        rows.append(element("tr", element("td", f"{len(found) - MODULES:,} more", colspan=4, style=_LEFT)))
    title = f"modules of {state.path}" if state.path else "modules"
    drawn = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
    return element("details", element("summary", title), drawn, open="" if opened else None)


_STYLES = (_LEFT, _RIGHT, _RIGHT, _LEFT)
