"""Ranks the classes of a source tree by how well the names that they make fit those of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pthway.architecture.source.interpreter import Interpreter
from pthway.architecture.source.layers import torch_layer
from pthway.architecture.source.library import Library, brings_tensors, layer_name
from pthway.architecture.source.matching import BARE, Fit, Matcher
from pthway.architecture.source.names import Node, beginnings, module_tree
from pthway.architecture.source.signature import signature
from pthway.architecture.source.values import CONTAINERS, Call, Class, Module, Value, each

if TYPE_CHECKING:
    from pthway.architecture.difference import Shaped

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""

FITS: Final = 0.5
"""Score from which on a class counts as found."""
_EQUAL: Final = 1e-9
_RANGE: Final = 0.25
"""Classes that cannot come as near to the best are not looked at."""
_LOOKED_AT: Final = 30
"""Classes whose factories are followed."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What is known of the network that a class is sought for."""

    tensors: Mapping[str, Shaped]
    modules: tuple[str, ...] = ()
    """Paths of all its modules, where the file lists them."""
    class_name: str | None = None
    """The class that the file names, if it is a pickled module."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A class beside the checkpoint."""

    cls: Class
    pattern: Module
    prefix: str
    """What stands before every name of the checkpoint, and not in the class."""
    node: Node
    fit: Fit
    score: float
    """From 0 to 1: how well the names of the class and of the checkpoint cover each other, shapes included."""
    named: bool
    """Whether the file names this class."""

    @property
    def potential(self) -> float:
        """The score if everything that the source leaves open were right."""
        return self.fit._replace(named=self.fit.named + self.fit.guessed, guessed=0).score(self.node)

    def order(self) -> tuple[float, bool, int, int, str, int]:
        """Return by what candidates are sorted; of equal ones those come first that explain more of the prefix and leave less unused."""
        unused = len(self.pattern.optional)
        return -round(self.score, 9), not self.named, len(self.prefix), unused, str(self.cls.home.path), self.cls.outline.line

    def holds(self, other: Candidate) -> bool:
        """Whether the class of *other* is a part of this one, at the place where it fits: they do not rival, they are one network."""
        if not other.prefix.startswith(self.prefix) or other.prefix == self.prefix:
            return False
        parts: list[Value] = [self.pattern]
        for name in other.prefix.removeprefix(self.prefix).rstrip(".").split("."):
            found = [part.parts[name] for part in parts if isinstance(part, Module) and name in part.parts]
            parts = [option for part in found for option in each(part)]
        return any(isinstance(part, Module) and part.home is other.cls for part in parts)


@dataclass(frozen=True, slots=True)
class Group:
    """Classes that make the same names, as far as the source tells: copies and subclasses of one another."""

    members: tuple[Candidate, ...]

    @property
    def first(self) -> Candidate:
        """The one that stands for all."""
        return self.members[0]


def rank(interpreter: Interpreter, sought: Sought, top: int, progress: Progress) -> list[Group]:
    """Return the best *top* groups of classes of the interpreter's library, the best first, with all that fit as well as the first.

    Only classes whose score is at least `FITS` are among them.
    """
    root = module_tree(sought.tensors, sought.modules)
    starts = beginnings(root)
    bounded = [
        (bound, cls, prefix, node) for cls, names in _attributes(interpreter.library) for bound, prefix, node in _bounds(names, starts)
    ]
    bounded = sorted((entry for entry in bounded if entry[0] >= FITS), key=lambda entry: -entry[0])
    matcher = Matcher(listed=bool(sought.modules))
    found: list[Candidate] = []
    best = 0.0
    for done, (bound, cls, prefix, node) in enumerate(bounded):
        progress("comparing classes", done, len(bounded))
        if bound < max(FITS, best - _RANGE):
            break  # no class from here on can come near the best
        pattern = interpreter.pattern(cls)
        fit = matcher.fit(pattern, node)
        candidate = Candidate(cls, pattern, prefix, node, fit, fit.score(node), _is_named(cls, sought.class_name))
        best = max(best, candidate.score)
        found.append(candidate)
    found = _with_factories(found, interpreter, matcher, progress)
    fitting = [
        candidate for candidate in _once(found)
        if candidate.score >= FITS and candidate.fit.told  # what may hold anything says nothing
    ]  # fmt: skip
    return _grouped(sorted(fitting, key=Candidate.order), top)


def _with_factories(found: list[Candidate], interpreter: Interpreter, matcher: Matcher, progress: Progress) -> list[Candidate]:
    """Return the candidates again; where a class gets its parts from outside, as the functions of its file build it."""
    open_ended = sorted((opened for opened in found if opened.fit.guessed), key=lambda opened: -opened.potential)[:_LOOKED_AT]
    better = list(found)
    for done, opened in enumerate(open_ended):
        progress("following factories", done, len(open_ended))
        if opened.potential < max(candidate.score for candidate in better) - _EQUAL:
            break
        for pattern in interpreter.factory_patterns(opened.cls):
            fit = matcher.fit(pattern, opened.node)
            if fit.score(opened.node) > opened.score:
                better.append(replace(opened, pattern=pattern, fit=fit, score=fit.score(opened.node)))
    return better


def tied(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that fit as well as the first one; one group alone is no tie."""
    if not groups:
        return []
    first = groups[0].first
    equal = [group for group in groups if first.score - group.first.score < _EQUAL and group.first.named == first.named]
    return [group for group in equal if not all(map(first.holds, group.members))]


def _attributes(library: Library) -> list[tuple[Class, frozenset[str] | None]]:
    """Return the network classes, each with the names that it may give itself; None where it may give itself any."""
    return [(cls, _names(library, cls)) for cls in library.classes() if library.is_module(cls)]


def _names(library: Library, cls: Class) -> frozenset[str] | None:
    names: frozenset[str] = frozenset()
    for base in library.line(cls):
        if isinstance(base, Class):
            if base.outline.dynamic:
                return None
            indirect = [library.text(cls, name) for name in base.outline.indirect]
            if None in indirect:
                return None
            names |= base.outline.attributes | frozenset(filter(None, indirect))
        elif (layer := layer_name(base)) in CONTAINERS or (layer is None and brings_tensors(base)):
            return None
        elif layer is not None:
            names |= torch_layer(layer, Call(open=True)).parts.keys()
    return names


def _bounds(names: frozenset[str] | None, starts: Sequence[tuple[str, Node]]) -> list[tuple[float, str, Node]]:
    """Return for each beginning the share of the checkpoint that a class with *names* can explain at most."""
    if names is None:
        return [(1.0, prefix, node) for prefix, node in starts]
    found = []
    for prefix, node in starts:
        whole = node.tensors + BARE * node.bare
        known = sum(child.tensors + BARE * child.bare for name, child in node.children.items() if name in names)
        found.append((known / whole if whole else 0.0, prefix, node))
    return found


def _is_named(cls: Class, name: str | None) -> bool:
    return name is not None and name.rpartition(".")[2] == cls.name


def _once(found: Sequence[Candidate]) -> list[Candidate]:
    """Return each class once, with the prefix under which it fits best."""
    best: dict[int, Candidate] = {}
    for candidate in found:
        key = id(candidate.cls)
        if key not in best or best[key].score < candidate.score:
            best[key] = candidate
    return list(best.values())


def _grouped(found: Sequence[Candidate], top: int) -> list[Group]:
    groups: dict[tuple[float, str, bool, str], list[Candidate]] = {}
    for candidate in found:
        key = round(candidate.score, 9), candidate.prefix, candidate.named, signature(candidate.pattern)
        groups.setdefault(key, []).append(candidate)
    listed = [Group(tuple(members)) for members in groups.values()]
    equal = tied(listed)
    listed.sort(key=lambda group: group not in equal)
    return listed[: max(top, len(equal))]
