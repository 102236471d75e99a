"""How well the pattern of a class and the names of a checkpoint agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pthway.architecture.source.limits import MAX_DEPTH
from pthway.architecture.source.names import Node
from pthway.architecture.source.values import ANY, NUMBER, UNKNOWN, Choice, Module, Value, Weight, each

SHAPELESS: Final = 0.98
"""What a tensor counts whose name the source tells and whose shape it leaves open; one whose shape agrees too counts 1."""
GUESSED: Final = 0.6
"""What a tensor counts that stands below a module of which the source tells nothing."""
CONTRADICTED: Final = 0.4
"""What a tensor counts whose name agrees and whose shape does not."""
BARE: Final = 0.25
"""What a module without tensors counts, which the file lists."""


class Fit(NamedTuple):
    """What a pattern says of the tensors of a checkpoint, counted."""

    shaped: int = 0
    """Tensors with a name and a shape of the pattern."""
    named: int = 0
    """Tensors with a name of the pattern, whose shape it does not tell."""
    guessed: int = 0
    """Tensors below a module that may hold anything."""
    contradicted: int = 0
    """Tensors with a name of the pattern and another shape."""
    absent: int = 0
    """Tensors that the class surely makes, and the checkpoint lacks."""
    bare: int = 0
    """Modules without tensors that both have."""
    bare_absent: int = 0
    """Modules without tensors that the class surely makes, and the checkpoint does not list."""

    def plus(self, other: Fit) -> Fit:
        """Return the counts of both."""
        return Fit(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def weight(self) -> float:
        """What it counts in all, less what is absent: by this the best of several alternatives is chosen."""
        return self.explained - self.absent - BARE * self.bare_absent

    @property
    def explained(self) -> float:
        """What the tensors and modules count that it explains."""
        return self.shaped + SHAPELESS * self.named + GUESSED * self.guessed + CONTRADICTED * self.contradicted + BARE * self.bare

    @property
    def told(self) -> int:
        """Tensors whose names the source tells."""
        return self.shaped + self.named + self.contradicted

    def score(self, node: Node) -> float:
        """Return from 0 to 1 how well the names below *node* and the pattern cover each other."""
        covered = self.explained / (node.tensors + BARE * node.bare)
        made = self.told + BARE * self.bare
        whole = made + self.absent + BARE * self.bare_absent
        return covered * (made / whole if whole else 1.0)


class Matcher:
    """Compares patterns with one checkpoint; the comparison of one part with one module is done once."""

    def __init__(self, *, listed: bool) -> None:
        self.listed = listed
        """Whether the file lists its modules, those without tensors too."""
        self._fits: dict[tuple[int, int], tuple[Module, Fit]] = {}
        self._least: dict[int, tuple[Module, tuple[int, int]]] = {}

    def fit(self, value: Value, node: Node, depth: int = 0) -> Fit:
        """Return what *value*, a part of a pattern, says of the tensors at and below *node*."""
        if isinstance(value, Choice):
            return max((self.fit(option, node, depth) for option in value.options), key=lambda fit: fit.weight)
        if value is UNKNOWN or depth > MAX_DEPTH:
            return Fit(guessed=node.tensors)
        if isinstance(value, Weight):
            return _fit_tensor(value, node) if node.shape is not None else Fit(absent=1)
        if not isinstance(value, Module) or node.shape is not None:
            return Fit()
        key = (id(value), id(node))
        if key not in self._fits:
            self._fits[key] = value, self._fit_module(value, node, depth)
        return self._fits[key][1]

    def _fit_module(self, module: Module, node: Node, depth: int) -> Fit:
        fit = Fit(bare=int(node.tensors == 0))
        left = dict(node.children)
        for name, part in module.parts.items():
            if ANY in name or name == NUMBER or not _is_part(part):
                continue
            child = left.pop(name, None)
            if child is not None:
                fit = fit.plus(self.fit(part, child, depth + 1))
            elif name not in module.optional:
                absent, bare = self.least(part)
                fit = fit.plus(Fit(absent=absent, bare_absent=bare if self.listed else 0))
        for name, child in left.items():
            options = [part for pattern, part in module.parts.items() if _agrees(pattern, name) and _is_part(part)]
            if options:
                best = max((self.fit(part, child, depth + 1) for part in options), key=lambda found: found.weight)
                fit = fit.plus(best)
            elif module.open:
                fit = fit.plus(Fit(guessed=child.tensors))
        return fit

    def least(self, value: Value, depth: int = 0) -> tuple[int, int]:
        """Return how many tensors, and modules without any, *value* surely makes."""
        if isinstance(value, Weight):
            return 1, 0
        if isinstance(value, Choice):
            return min(self.least(option, depth) for option in value.options)
        if not isinstance(value, Module) or depth > MAX_DEPTH:
            return 0, 0
        if id(value) not in self._least:
            below = [self.least(part, depth + 1) for name, part in value.parts.items() if name not in value.optional and _is_part(part)]
            tensors, bare = sum(count for count, _ in below), sum(count for _, count in below)
            self._least[id(value)] = value, (tensors, bare + (tensors == 0))
        return self._least[id(value)][1]


def _fit_tensor(weight: Weight, node: Node) -> Fit:
    if weight.shape is None or node.shape is None:
        return Fit(named=1)
    known = [(ours, theirs) for ours, theirs in zip(weight.shape, node.shape, strict=False) if ours is not None]
    if len(weight.shape) != len(node.shape) or any(ours != theirs for ours, theirs in known):
        return Fit(named=1) if weight.shape == () and node.shape == (1,) else Fit(contradicted=1)
    return Fit(shaped=1) if known or weight.shape == () else Fit(named=1)


def _agrees(pattern: str, name: str) -> bool:
    if pattern == NUMBER:
        return name.isdigit()
    if ANY not in pattern:
        return False
    first, *middle, last = pattern.split(ANY)
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    rest = name[len(first) : len(name) - len(last)]
    for text in middle:
        _, found, rest = rest.partition(text) if text else ("", ANY, rest)
        if not found:
            return False
    return True


def _is_part(value: Value) -> bool:
    """Whether an attribute may be a module or a tensor of the state dict."""
    return any(option is UNKNOWN or isinstance(option, Module | Weight) for option in each(value))


def missing(module: Module, node: Node, prefix: str = "") -> Iterator[str]:
    """Yield the names that the module surely makes and that are not below *node*, as far as its own parts tell."""
    for name, part in module.parts.items():
        if ANY in name or name == NUMBER or name in module.optional or not _is_part(part):
            continue
        child = node.children.get(name)
        if child is None:
            if isinstance(part, Weight) or (isinstance(part, Module) and Matcher(listed=False).least(part)[0]):
                yield prefix + name
        elif isinstance(part, Module):
            yield from missing(part, child, f"{prefix}{name}.")


def unexplained(module: Module, node: Node, prefix: str = "") -> Iterator[str]:
    """Yield the names below *node* that no part of the module has."""
    if module.open:
        return
    for name, child in node.children.items():
        options = [part for pattern, part in module.parts.items() if pattern == name or _agrees(pattern, name)]
        if not any(map(_is_part, options)):
            if child.tensors:
                yield prefix + name
        elif len(options) == 1 and isinstance(options[0], Module) and child.shape is None:
            yield from unexplained(options[0], child, f"{prefix}{name}.")
