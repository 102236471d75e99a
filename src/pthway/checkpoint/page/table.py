"""The table of the tensors, with what their numbers are like."""

from collections.abc import Mapping
from typing import Final

from pthway.checkpoint.histogram import Histogram
from pthway.checkpoint.page.markup import Markup, element, joined
from pthway.checkpoint.state_dicts import StateDict
from pthway.checkpoint.statistics import Statistics
from pthway.formats.tensors import AnyTensor

LISTED: Final = 10_000
"""Tensors of a table, the largest; a row has about 800 bytes."""

AT_ONCE: Final = 200
"""Rows that a browser lays out at a time; the others wait in a template, and the script brings them in."""

_HEIGHT: Final = 24

_COLUMNS: Final = (
    ("tensor", "name"), ("dtype", "dtype"), ("shape", "shape"), ("numbers", "number"), ("bytes", "number"), ("distribution", ""),
    ("smallest", "number"), ("largest", "number"), ("mean", "number"), ("std", "number"), ("NaN", "number"), ("infinite", "number"),
    ("zeros", "number"),
)  # fmt: skip
"""Header, and how the column is set; the one without is not sorted by."""


def table(state: StateDict, found: Mapping[str, Statistics]) -> Markup:
    """A table of the largest tensors in file order, with their statistics where there are any."""
    largest = sorted(state.tensors, key=lambda name: -state.tensors[name].nbytes)[:LISTED]
    kept = frozenset(largest)
    rows = [_row(name, spec, found.get(name)) for name, spec in state.tensors.items() if name in kept]
    search = element("input", type="search", class_="filter", placeholder="Filter by name, dtype or shape", aria_label="Filter the tensors")
    count = element("span", _counted(len(rows)), class_="count", role="status")
    heads = [
        element("th", element("button", name, type="button") if kind else name, scope="col", class_=kind or None) for name, kind in _COLUMNS
    ]
    head = element("thead", element("tr", *heads))
    drawn = element("table", head, element("tbody", *rows[:AT_ONCE]), class_="tensors")
    more = element("button", "Show more", type="button", class_="more", hidden="")
    left_out = len(state.tensors) - len(rows)
    note = element("p", f"The {left_out:,} smallest tensors are not in this table; pthway inspect --stats lists all.", class_="aside")
    return element(
        "div",
        element("div", search, count, class_="controls"),
        element("div", drawn, class_="scroll", tabindex=0, role="region", aria_label="Table of the tensors"),
        element("template", *rows[AT_ONCE:]),
        more,
        *([note] if left_out else []),
        class_="listing",
        data_at_once=AT_ONCE,
    )


def _counted(rows: int) -> str:
    return f"{min(rows, AT_ONCE):,} of {rows:,} tensors"


def _row(name: str, spec: AnyTensor, of: Statistics | None) -> Markup:
    cells = [
        element("th", name, scope="row", class_="name"),
        element("td", spec.dtype, class_="dtype"),
        element("td", str(list(spec.shape)), class_="shape"),
        _number(spec.elements),
        _number(spec.nbytes),
        element("td", _bars(of.histogram) if of and of.histogram else "", class_="distribution"),
    ]
    if of is None:
        return element("tr", *cells, *(_number(None) for _ in range(len(_COLUMNS) - len(cells))))
    measured = [_number(value) for value in (of.smallest, of.largest, of.mean, of.std)]
    counts = [_number(of.nan, alarming=True), _number(of.infinite, alarming=True), _number(of.zeros)]
    return element("tr", *cells, *measured, *counts)


def _number(value: complex | None, *, alarming: bool = False) -> Markup:
    """A cell that is sorted by its number; there is none for complex numbers and where nothing was measured."""
    if value is None:
        return element("td", "–", class_="number")
    shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    exact = None if isinstance(value, complex) else repr(float(value))
    return element("td", shown, class_="number alarm" if alarming and value else "number", data_value=exact)


def _bars(histogram: Histogram) -> Markup:
    """The counts as bars, the tallest over the whole height; a bin that holds anything is at least a unit high."""
    counts, edges = histogram.counts, histogram.edges
    top = max(counts)
    heights = [max(1, round(count / top * _HEIGHT)) if count else 0 for count in counts]
    bars = "".join(f"V{_HEIGHT - height}H{at + 1}" for at, height in enumerate(heights))
    most = counts.index(top)
    what = f"{len(counts)} bins from {edges[0]:.4g} to {edges[-1]:.4g}; most, {top:,}, from {edges[most]:.4g} to {edges[most + 1]:.4g}"
    zero = -histogram.first
    inside = 0 < zero < len(counts)
    return element(
        "svg",
        element("title", what),
        element("path", d=f"M0 {_HEIGHT}{bars}V{_HEIGHT}Z", class_="bars"),
        *([element("path", d=f"M{zero} 0V{_HEIGHT}", class_="zero")] if inside else []),
        class_="histogram",
        viewBox=f"0 0 {len(counts)} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
    )


def unsound(found: Mapping[str, Statistics]) -> Markup:
    """A warning if tensors hold NaN or infinity; nothing otherwise."""
    names = [name for name, of in found.items() if of.nan or of.infinite]
    if not names:
        return joined()
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")  # noqa: PLR2004  # names of a line
    return element("p", f"{len(names):,} of these tensors hold NaN or infinity: {shown}", class_="alarm")
