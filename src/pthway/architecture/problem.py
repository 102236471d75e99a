"""One constructor beside one checkpoint: what is left out, where to begin, what may be tried instead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Final

from pthway.architecture.constructor import REQUIRED, Constructor, read_constructor, refuse_unknown
from pthway.architecture.difference import Shaped
from pthway.architecture.domain import Domain, domains
from pthway.architecture.match import Architecture
from pthway.architecture.probe import Point, Prober, base_points
from pthway.architecture.slots import Slot, inside, is_record, numbers, replaced, root, same, walk, within
from pthway.architecture.stored import Stored, stored_values
from pthway.architecture.trace import features

MAX_FRAMES: Final = 60
"""Combinations of first values that are tried until one builds."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One constructor beside one checkpoint."""

    constructor: Constructor
    prober: Prober
    domains: Mapping[Slot, Domain]
    """Of the arguments that were left out, and of the fields of configurations among them."""
    stored: Mapping[Slot, Stored]
    """What the file itself says of them."""

    def required(self, slot: Slot) -> bool:
        """Whether *slot* has no usual value: neither the author nor the file gives one to what it lies in."""
        holders = [outer for outer in self.domains if within(slot, outer)]
        return bool(holders) and self.domains[max(holders, key=len)].required and not any(within(slot, each) for each in self.stored)

    def usual(self) -> dict[Slot, object]:
        """Return the usual value of every slot that has one: what the file stores, or else the author's default."""
        return {slot: value for slot, value in walk(self.prober.frame) if not self.required(slot) and not inside(value, slot)}

    def choices(self, slot: Slot, value: object) -> list[object]:
        """Return the values to try instead of *value* at *slot*."""
        domain = self.domains.get(slot)
        offered = [*domain.choices, *(() if is_record(value) else domain.starts)] if domain else []
        if domain is None and type(value) is bool:  # an element of a list
            offered.append(not value)
        unique: list[object] = []
        for each in offered:
            if not same(each, value) and not any(same(each, other) for other in unique) and not _only_numbers(each, value):
                unique.append(each)
        return unique

    def beginnings(self) -> Iterator[tuple[Prober, Point]]:
        """Yield points to set out from, plainest first."""
        frames = list(_frames(self.prober.frame, self.domains))
        if self.stored:
            frames += _frames(unstored(self.domains), self.domains)
        points = [self._points(frame) for frame in frames]
        for total in range(len(frames) + max(map(len, points))):
            for at, frame in enumerate(frames[: total + 1]):
                if total - at < len(points[at]):
                    yield self.prober.within(frame, alike(frame)), points[at][total - at]

    def _points(self, frame: Mapping[str, object]) -> list[Point]:
        start = numbers(frame)
        wholes = [slot for slot, value in start.items() if type(value) is int and self.required(slot) and not slot.startswith("len(")]
        listed = [slot for slot in wholes if slot.endswith("]") and not slot.endswith("']")]
        required = [slot for slot in wholes if slot not in listed]
        if not required:
            return [start, *({**start, **dict.fromkeys(listed, value)} for value in (8, 1) if listed)]
        given = {name: value for name, value in self.prober.given.items() if type(value) is int}
        return [{**start, **base} for base in base_points(required, {**self.prober.defaults, **given}, self.prober.found)]


def pose(
    architecture: Architecture, tensors: Mapping[str, Shaped], given: Mapping[str, object], extras: Mapping[str, object] | None = None
) -> Problem:
    """Return the problem; raises `UsageError` for names that the constructor does not take."""
    constructor = read_constructor(architecture.factory)
    refuse_unknown(architecture, constructor, given)
    left_out = {name: each for name, each in constructor.parameters.items() if name not in given}
    author = {name: each.default for name, each in left_out.items() if each.default is not REQUIRED}
    known = domains(architecture.factory, left_out)
    plainest = unstored(known)
    stored = stored_values(extras or {}, plainest)
    frame = replaced(plainest, {slot: each.value for slot, each in stored.items()})
    prober = Prober(architecture, given, author, tensors, features(tensors), frame, {})
    problem = Problem(constructor, prober, known, stored)
    prober.defaults = {slot: value for slot, value in numbers(frame).items() if not problem.required(slot)}
    return problem


def unstored(domains: Mapping[Slot, Domain]) -> dict[str, object]:
    """Return the first value of each argument, whatever the file says of it."""
    return {slot: domain.starts[0] for slot, domain in domains.items() if root(slot) == slot and domain.starts}


def alike(frame: Mapping[str, object]) -> tuple[Slot, ...]:
    """Return the lists of *frame* that are equally long, if there are several: most likely one length is meant."""
    lengths = {slot: len(value) for slot, value in walk(frame) if type(value) in (list, tuple)}  # type: ignore[arg-type]
    groups: dict[int, list[Slot]] = {}
    for slot, length in lengths.items():
        groups.setdefault(length, []).append(slot)
    largest: Sequence[Slot] = max(groups.values(), key=len, default=[])
    return tuple(largest) if len(largest) > 1 else ()


def _only_numbers(one: object, other: object) -> bool:
    """Whether two values differ in numbers or in a length alone, which are solved and not tried."""
    both = (type(one), type(other))
    return all(kind in (int, float) for kind in both) or all(kind in (list, tuple) for kind in both)


def _frames(frame: Mapping[str, object], domains: Mapping[Slot, Domain]) -> Iterator[dict[str, object]]:
    """Yield *frame*, then those in which what is required begins otherwise, fewest changes first."""
    open_ = [slot for slot, domain in domains.items() if len(domain.starts) > 1]
    ranks = [range(min(len(domains[slot].starts), 8)) for slot in open_]
    # Few slots are required and no whole number; the product of their beginnings stays small, and is cut where it does not.
    combinations = sorted(islice(product(*ranks), 5000), key=sum)
    for ranking in combinations[:MAX_FRAMES]:
        changes = {slot: domains[slot].starts[rank] for slot, rank in zip(open_, ranking, strict=True) if rank}
        yield replaced(frame, changes)
