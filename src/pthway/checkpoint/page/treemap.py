"""The map of the modules: areas are bytes. It is drawn here, so that it needs no script; the script only moves it."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pthway.checkpoint.page.areas import Node, areas
from pthway.checkpoint.page.markup import Markup, element, joined
from pthway.checkpoint.page.squarified import Box, squarified
from pthway.checkpoint.state_dicts import StateDict
from pthway.checkpoint.tree import Row
from pthway.formats.tensors import AnyTensor, CompositeSpec

_WIDTH, _HEIGHT = 1200.0, 540.0
"""The shape that the rectangles are chosen for, in pixels."""

_LETTER, _LINE = 6.6, 44.0
"""Pixels that a letter of a label needs, and the height from which on there is room for one below the module's."""

_TYPES: Final = (
    ("float64", ("float64",)),
    ("float32", ("float32",)),
    ("16-bit float", ("float16", "bfloat16")),
    ("8-bit float and less", ("float8_", "float4_")),
    ("integer", ("int", "uint", "bits")),
    ("bool", ("bool",)),
    ("complex", ("complex",)),
    ("quantised", ("qint", "quint")),
)
_RANKS: Final = ("scalar", "vector", "matrix", "kernel, 3 dimensions or more")


class _Placed(NamedTuple):
    """A node with its rectangle."""

    node: Node
    box: Box
    depth: int
    within: int
    """Number of the module that holds it; the whole is 0."""
    number: int
    """Its own number, if it is a module."""


def treemap(state: StateDict, rows: Mapping[str, Row], number: int) -> Markup:
    """The map with its legends; *rows* are the modules by path, *number* tells the maps of a page apart."""
    whole = areas(state.tensors)
    if not whole.nbytes:
        return element("p", "No tensor has bytes: there is nothing to draw.", class_="aside")
    placed = list(_placed(whole))
    leaves = [_cell(one, _described(one.node, whole, rows)) for one in placed if not one.node.children]
    outlines = sorted((one for one in placed if one.node.children), key=lambda one: -one.depth)
    modules = [_module(one, _described(one.node, whole, rows)) for one in outlines]  # an outline is drawn over those inside it
    drawing = element("svg", *leaves, *modules, class_="map", role="group", aria_label="Map of the modules by size", data_path=whole.path)
    crumbs = element(
        "nav", element("button", whole.path or "all modules", type="button", disabled=""), class_="crumbs", aria_label="Place in the map"
    )
    pointed = element("p", "The area of a tensor is its share of the bytes.", class_="pointed")
    return element("div", _choice(number), crumbs, drawing, pointed, *_legends(state), *_left_out(state, placed), class_="treemap")


def _placed(whole: Node) -> Iterator[_Placed]:
    """Every node below *whole*: modules before what they hold, the largest first, which is the order of the Tab key."""
    number = 0
    waiting = [_Placed(whole, Box(0.0, 0.0, _WIDTH, _HEIGHT), 0, -1, 0)]
    while waiting:
        one = waiting.pop()
        if one.node is not whole:
            yield one
        if one.node.children:
            boxes = squarified([child.nbytes for child in one.node.children], one.box)
            inside = []
            for child, box in zip(one.node.children, boxes, strict=True):
                number += bool(child.children)
                inside.append(_Placed(child, box, one.depth + 1, one.number, number if child.children else -1))
            waiting += reversed(inside)


def _cell(one: _Placed, described: str) -> Markup:
    node, box = one.node, one.box
    fits = box.height >= _LINE and len(node.label) * _LETTER + 8 <= box.width
    return element(
        "svg",
        element("title", described),
        element("rect", width="100%", height="100%"),
        element("text", node.label, x="50%", y="50%", class_=None if fits else "tight"),
        class_=f"cell tensor {_kind(node.spec)}" if node.spec else "cell merged",
        data_in=one.within,
        data_path=node.path,
        **_geometry(box),
    )


def _module(one: _Placed, described: str) -> Markup:
    node, box = one.node, one.box
    fits = box.height >= _LINE / 2 and len(node.label) * _LETTER + 8 <= box.width
    return element(
        "svg",
        element("title", described),
        element("rect", width="100%", height="100%"),
        element("text", node.label, x="6", y="16", class_=None if fits else "tight"),
        class_="module",
        role="button",
        tabindex=0,
        aria_label=described,
        data_in=one.within,
        data_path=node.path,
        data_module=one.number,
        hidden="" if one.within else None,
        **_geometry(box),
    )


def _geometry(box: Box) -> dict[str, str]:
    x, y, width, height = box.x / _WIDTH, box.y / _HEIGHT, box.width / _WIDTH, box.height / _HEIGHT
    return {"x": f"{x:.6%}", "y": f"{y:.6%}", "width": f"{width:.6%}", "height": f"{height:.6%}"}


def _described(node: Node, whole: Node, rows: Mapping[str, Row]) -> str:
    """What is known of an area, in one line: the class and the settings are those of the module that it is or that has it."""
    row = rows.get(node.path.rpartition(".")[0] if node.spec else node.path)
    kind = f" · {row.kind.rpartition('.')[2]}({row.settings})" if row and row.kind else ""
    size = f"{node.elements:,} numbers · {node.nbytes:,} bytes · {node.nbytes / whole.nbytes:.2%}"
    return f"{node.path} · {f'{node.spec.dtype} {list(node.spec.shape)}' if node.spec else f'{node.tensors:,} tensors'}{kind} · {size}"


def _kind(spec: AnyTensor) -> str:
    return f"type-{_type_number(spec)} rank-{_rank_number(spec)}"


def _type_number(spec: AnyTensor) -> int:
    if isinstance(spec, CompositeSpec) and spec.kind == "quantized":
        return len(_TYPES) - 1
    return next((number for number, (_, beginnings) in enumerate(_TYPES) if spec.dtype.startswith(beginnings)), len(_TYPES))


def _rank_number(spec: AnyTensor) -> int:
    return min(len(spec.shape), len(_RANKS) - 1)


def _choice(number: int) -> Markup:
    """Which colours are shown: two radio buttons that the style sheet asks, so that no script is needed."""
    name = f"colours-{number}"
    kind = element("label", element("input", type="radio", name=name, class_="by-rank", checked=""), "dimensions")
    dtype = element("label", element("input", type="radio", name=name, class_="by-type"), "dtype")
    return element("fieldset", element("legend", "Colours"), kind, dtype, class_="colours")


def _legends(state: StateDict) -> tuple[Markup, Markup]:
    """What the colours mean: dimensions, and types."""
    types = [*(name for name, _ in _TYPES), "other"]
    by_type = _shares(state, [_type_number(spec) for spec in state.tensors.values()], types, "type")
    by_rank = _shares(state, [_rank_number(spec) for spec in state.tensors.values()], list(_RANKS), "rank")
    return by_rank, by_type


def _shares(state: StateDict, numbers: list[int], names: list[str], kind: str) -> Markup:
    """The colours that occur, each with its share of the bytes."""
    sums = [0] * len(names)
    for number, spec in zip(numbers, state.tensors.values(), strict=True):
        sums[number] += spec.nbytes
    entries = [
        element("li", element("span", class_=f"swatch {kind}-{number}"), f"{names[number]} {total / state.nbytes:.1%}")
        for number, total in enumerate(sums)
        if total
    ]
    return element("ul", joined(*entries), class_=f"legend {kind}s")


def _left_out(state: StateDict, placed: list[_Placed]) -> Iterator[Markup]:
    merged = sum(one.node.tensors for one in placed if not one.node.children and one.node.spec is None)
    empty = sum(not spec.nbytes for spec in state.tensors.values())
    if merged:
        yield element(
            "p", f"The {merged:,} smallest of {len(state.tensors):,} tensors are drawn together, module by module.", class_="aside"
        )
    if empty:
        yield element("p", f"{empty:,} tensors have no bytes and no area.", class_="aside")
