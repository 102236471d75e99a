"""The module tree of a state dict, from the most that the file tells of it: pickled modules, ``_metadata``, or the names alone."""

from collections import Counter
from typing import Final, NamedTuple

from pthway.checkpoint.plain import Plain
from pthway.checkpoint.state_dicts import StateDict
from pthway.formats.tensors import AnyTensor

_LEVELS: Final = 64
"""Levels that are told apart; module trees are under 50 deep."""


class Row(NamedTuple):
    """One module: what it is, and what all tensors at and below it come to."""

    path: str
    """Empty for the root."""
    kind: str
    """Its class; empty where the file does not say."""
    attributes: dict[str, object]
    """What its class set on it, where the file holds it: stride, eps, number of heads."""
    tensors: int
    elements: int
    nbytes: int
    dtypes: tuple[str, ...]
    """The most frequent first."""
    own: tuple[tuple[str, AnyTensor], ...]
    """Its own tensors by the last part of their names."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2] or "(root)"

    @property
    def depth(self) -> int:
        """How many modules it is inside of."""
        return self.path.count(".") + 1 if self.path else 0

    @property
    def shapes(self) -> str:
        """The shapes of its own tensors, the first ones if they are many."""
        shown = [str(list(spec.shape)) for _, spec in self.own[:3]]
        return ", ".join([*shown, "…"] if len(self.own) > len(shown) else shown)

    @property
    def settings(self) -> str:
        """The attributes in one line."""
        return ", ".join(f"{name}={_short(value)}" for name, value in self.attributes.items())


def rows(state: StateDict) -> list[Row]:
    """Every module in the order of the file, those without tensors too where the file names them; the root comes first."""
    own: dict[str, list[tuple[str, AnyTensor]]] = {path: [] for path in ("", *(state.modules or state.metadata or {}))}
    below: dict[str, list[AnyTensor]] = {path: [] for path in own}
    for name, spec in state.tensors.items():
        path, _, last = name.rpartition(".")
        own.setdefault(path, []).append((last, spec))
        for above in _above(path):
            below.setdefault(above, []).append(spec)
    shown = Plain()
    return [_row(state, path, own.get(path, []), below[path], shown) for path in _ordered(list(below))]


def to_depth(found: list[Row], limit: int) -> list[Row]:
    """The rows down to the deepest level with which there are at most *limit*; the first level in any case."""
    deepest = max((row.depth for row in found), default=0)
    kept = next((kept for depth in range(deepest, 0, -1) if len(kept := [row for row in found if row.depth <= depth]) <= limit), None)
    return [row for row in found if row.depth <= 1] if kept is None else kept


def _row(state: StateDict, path: str, own: list[tuple[str, AnyTensor]], below: list[AnyTensor], shown: Plain) -> Row:
    held = state.modules.get(path) if state.modules else None
    return Row(
        path=path,
        kind=held.kind if held else "",
        attributes=held.attributes(shown) if held else {},
        tensors=len(below),
        elements=sum(spec.elements for spec in below),
        nbytes=sum(spec.nbytes for spec in below),
        dtypes=tuple(name for name, _ in Counter(spec.dtype for spec in below).most_common()),
        own=tuple(own),
    )


def _above(path: str) -> list[str]:
    """The path itself and those it is inside of, from the root on."""
    parts = path.split(".", _LEVELS)[:_LEVELS] if path else []
    return [".".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _ordered(paths: list[str]) -> list[str]:
    """Every path after the one it is inside of, and otherwise in the order in which they were met."""
    children: dict[str, list[str]] = {}
    for path in paths:
        if path:
            children.setdefault(path.rpartition(".")[0], []).append(path)
    ordered, waiting = [], [""]
    while waiting:
        path = waiting.pop()
        ordered.append(path)
        waiting += reversed(children.pop(path, []))
    reached = set(ordered)
    return ordered + [path for path in paths if path not in reached]


def _short(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004  # characters of one value
