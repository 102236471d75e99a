"""The short form of a checkpoint that a notebook shows: no script, and no colours but the notebook's own."""

from typing import Final

from pthway.checkpoint.checkpoint import Checkpoint
from pthway.checkpoint.page.markup import Markup, element
from pthway.checkpoint.page.modules import module_table
from pthway.checkpoint.state_dicts import StateDict
from pthway.checkpoint.summary import facts, listed

_TEXT: Final = {"style": "text-align: left; overflow-wrap: anywhere"}
_NUMBER: Final = {"style": "text-align: right"}


def notebook(checkpoint: Checkpoint) -> Markup:
    """What is known of the file, and the modules of its weights, as HTML. Reads none of the weights' bytes."""
    rows = [element("tr", element("th", label, **_TEXT), element("td", value, **_TEXT)) for label, value in facts(checkpoint)]
    alone = len(checkpoint.state_dicts) == 1
    tables = [_modules(state, opened=alone) for state in checkpoint.state_dicts]
    return element("div", element("table", element("tbody", *rows)), *tables)


def _modules(state: StateDict, *, opened: bool) -> Markup:
    rows, rest = listed(state)
    title = element("summary", f"modules of {state.path}" if state.path else "modules")
    more = [element("p", rest)] if rest else []
    return element("details", title, module_table(rows, _TEXT, _NUMBER), *more, open="" if opened else None)
