"""The page: one file that shows a checkpoint in any browser and asks nothing of the network."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from pthway.checkpoint.checkpoint import Checkpoint
from pthway.checkpoint.page.extras import extras
from pthway.checkpoint.page.markup import Markup, element, joined
from pthway.checkpoint.page.modules import module_table
from pthway.checkpoint.page.table import table, unsound
from pthway.checkpoint.page.treemap import treemap
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.state_dicts import StateDict
from pthway.checkpoint.statistics import Statistics
from pthway.checkpoint.summary import facts
from pthway.checkpoint.tree import Row, rows
from pthway.checkpoint.writing import new_file
from pthway.errors import UsageError

ENDINGS: Final = (".html", ".htm")

_CALLS: Final = 100
"""Calls, and names of classes, that are listed."""

_MODULES: Final = 2_000
"""Modules of a table."""


def destination(checkpoint: Checkpoint, path: Path) -> Path:
    """Where the page will be written. Raises `UsageError` if that is not a name for a page, or a file that is read."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path} does not end in {' or '.join(ENDINGS)}.", "A page never takes the place of another kind of file.", f"{path}.html"
        )
    return new_file.destination(path, checkpoint.container)


def write(checkpoint: Checkpoint, place: Path, found: Sequence[Mapping[str, Statistics]]) -> int:
    """Write the page of `document` to a `destination`, whole or not at all, and return its bytes. Raises `NotWritten`."""
    content = document(checkpoint, found).encode()
    with new_file.new_file(place, len(content)) as descriptor:
        new_file.write(descriptor, content, 0)
    return len(content)


def document(checkpoint: Checkpoint, found: Sequence[Mapping[str, Statistics]]) -> str:
    """The page as text; *found* are the statistics of each state dict, with histograms.

    The same file gives the same page. Its policy allows one script and one style sheet by their checksums, and no other
    source of anything.
    """
    style, script = _resource("page.css"), _resource("page.js")
    policy = f"default-src 'none'; style-src '{_checksum(style)}'; script-src '{_checksum(script)}'; base-uri 'none'; form-action 'none'"
    states = [_weights(checkpoint, number, state, of) for number, (state, of) in enumerate(zip(checkpoint.state_dicts, found, strict=True))]
    return Template(_resource("page.html")).substitute(
        title=joined(checkpoint.path.name),
        policy=policy,
        style=style,
        script=script,
        safety=_safety(checkpoint),
        facts=_facts(checkpoint),
        weights=joined(*states),
        extras=extras(checkpoint.extras),
    )


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _checksum(text: str) -> str:
    """*text* as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _safety(checkpoint: Checkpoint) -> Markup:
    safety = checkpoint.safety
    kinds = {Verdict.PLAIN: "plain", Verdict.DESCRIPTIVE: "descriptive", Verdict.RUNS_CODE: "runs"}
    verdict, _, why = str(safety).partition(": ")
    calls = [
        joined(element("code", f"{call.target}({call.arguments})"), f" at byte {call.position:,} of its pickle") for call in safety.calls
    ]
    return element(
        "section",
        element("h2", verdict),
        element("p", "Python's own pickle would make these calls when it loads the file. pthway made none." if calls else why),
        _listed("calls", calls, opened=True),
        _listed("classes", [element("code", name) for name in safety.classes], opened=False),
        class_=f"safety {kinds[safety.verdict]}",
    )


def _listed(what: str, entries: Sequence[Markup], *, opened: bool) -> Markup:
    if not entries:
        return joined()
    items = [element("li", entry) for entry in entries[:_CALLS]]
    if len(entries) > _CALLS:
        items.append(element("li", f"{len(entries) - _CALLS:,} more"))
    summary = element("summary", f"{what} ({len(entries):,})")
    return element("details", summary, element("ul", *items), open="" if opened else None)


def _facts(checkpoint: Checkpoint) -> Markup:
    """The lines of the summary that have no place of their own on the page."""
    elsewhere = ("safety", "also holds")
    pairs = [joined(element("dt", label), element("dd", value)) for label, value in facts(checkpoint) if label not in elsewhere]
    return element("dl", *pairs, class_="facts")


def _weights(checkpoint: Checkpoint, number: int, state: StateDict, found: Mapping[str, Statistics]) -> Markup:
    tags = [element("span", "averaged", class_="tag")] if state.averaged else []
    modules = rows(state)
    totals = f"{len(state.tensors):,} tensors · {state.elements:,} numbers · {state.nbytes:,} bytes"
    name = state.path or "Weights"
    return element(
        "section",
        element("h2", name, " ", *tags),
        element("p", totals, class_="totals"),
        unsound(found),
        treemap(state, {row.path: row for row in modules}, number),
        _modules(modules),
        table(state, found),
        class_="weights",
    )


def _modules(modules: Sequence[Row]) -> Markup:
    """The table of the modules, closed: the map shows them first."""
    listed = [row for row in modules if row.path or row.kind]
    if not listed:
        return joined()
    summary = element("summary", f"Modules ({len(listed):,})")
    left_out = len(listed) - _MODULES
    note = [element("p", f"{left_out:,} more; pthway inspect --modules lists all.", class_="aside")] if left_out > 0 else []
    drawn = element("div", module_table(listed[:_MODULES], {"class_": "text"}, {"class_": "number"}), class_="scroll")
    return element("details", summary, drawn, *note, class_="modules")
