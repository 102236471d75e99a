"""Says of each argument where its value comes from, and whether the weights prove it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pthway.architecture.evidence import evidence
from pthway.architecture.match import Argument, Match, Origin
from pthway.architecture.probe import Variation
from pthway.architecture.problem import Problem
from pthway.architecture.readings import entangled
from pthway.architecture.search import Outcome
from pthway.architecture.slots import Number, Slot, inside, length_of, replaced, same, walk
from pthway.architecture.stored import Stored
from pthway.architecture.unsolved import written

NOTHING_ELSE_BUILDS: Final = "the constructor refuses every other value that was tried"
SHOWN: Final = 3
"""Pieces of evidence in one sentence."""


@dataclass(frozen=True)
class Verdict:
    """What is to be said of each argument at the point that was reached."""

    problem: Problem
    outcome: Outcome
    variations: Mapping[Slot, Variation]
    others: Sequence[Mapping[str, object]]
    """Other arguments that fit exactly and are less usual."""

    def match(self) -> Match:
        """Return the match with everything that is to be said."""
        prober = self.problem.prober
        names = dict.fromkeys((*self.problem.constructor.parameters, *prober.given, *self.arguments))
        arguments = {name: self._given(name) if name in prober.given else self._argument(name, self.arguments[name]) for name in names}
        return Match(prober.architecture, arguments, prober.budget.builds, self.outcome.trace.difference, tuple(self.others))

    @cached_property
    def arguments(self) -> dict[str, object]:
        """What was left out."""
        return self.outcome.arguments

    @cached_property
    def together(self) -> Set[Slot]:
        """The slots of which the weights show only a combination."""
        return entangled(self.variations)

    @cached_property
    def differing(self) -> Mapping[Slot, list[Mapping[str, object]]]:
        """The slots in which other readings differ, each with those."""
        here = dict(walk(self.arguments))
        found: dict[Slot, list[Mapping[str, object]]] = {}
        for other in self.others:
            there = dict(walk(other))
            for slot, value in here.items():
                if not inside(value, slot) and not (slot in there and same(there[slot], value)):
                    found.setdefault(slot, []).append(other)
        return found

    def _given(self, name: str) -> Argument:
        value = self.problem.prober.given[name]
        return Argument(name, value, Origin.GIVEN, None, "passed by the caller, and everything fits with it")

    def _argument(self, slot: Slot, value: object) -> Argument:
        parts = {inner: self._argument(inner, held) for inner, held in inside(value, slot)}
        if parts:
            return self._whole(slot, value, parts)
        determined, because = self._proof(slot, value)
        origin = self._origin(slot, value)
        if slot in self.problem.stored:
            because += f"; {self._in_the_file(self.problem.stored[slot], origin, determined)}"
        if slot in self.differing:
            there = self._difference(self.differing[slot][0])
            determined, because = False, f"{because}; they fit as well with {there}"
        return Argument(slot, value, origin, determined, because)

    def _in_the_file(self, stored: Stored, origin: Origin, determined: bool) -> str:  # noqa: FBT001
        if origin is Origin.STORED:
            return f"{stored.where} in the file says so{' too' if determined else ''}"
        return f"{stored.where} in the file says {written(stored.value)}, with which they do not fit"

    def _difference(self, other: Mapping[str, object]) -> str:
        here = dict(walk(self.arguments))
        return ", ".join(
            f"{slot}={written(value)}"
            for slot, value in walk(other)
            if not inside(value, slot) and not (slot in here and same(here[slot], value))
        )

    def _whole(self, slot: Slot, value: object, parts: dict[Slot, Argument]) -> Argument:
        origins = {part.origin for part in parts.values()}
        origin = origins.pop() if len(origins) == 1 else Origin.SOLVED
        if self._is_default(slot, value):
            origin = Origin.DEFAULT
        open_ = [name for name, part in parts.items() if not part.determined]
        shown = [part.because for part in parts.values() if part.determined]
        texts = list(dict.fromkeys(shown))[:SHOWN] + (["…"] if len(set(shown)) > SHOWN else [])
        if type(value) in (list, tuple) and self.variations.get(length_of(slot)) and self.variations[length_of(slot)].slopes:
            texts.insert(0, evidence(length_of(slot), len(value), self.variations, self.problem.prober.found))  # type: ignore[arg-type]
        if open_:
            texts.append(f"the weights do not settle {', '.join(open_)}")
        return Argument(slot, value, origin, not open_, "; ".join(texts), parts)

    def _origin(self, slot: Slot, value: object) -> Origin:
        stored = self.problem.stored.get(slot)
        if stored is not None and same(stored.value, value):
            return Origin.STORED
        usual = self.problem.usual()
        return Origin.DEFAULT if slot in usual and same(usual[slot], value) else Origin.SOLVED

    def _is_default(self, slot: Slot, value: object) -> bool:
        author = self.problem.prober.author
        return slot in author and same(author[slot], value)

    def _proof(self, slot: Slot, value: object) -> tuple[bool, str]:
        if slot in self.variations:
            return self._number(slot, self.outcome.point[slot], self.variations[slot])
        choices = self.problem.choices(slot, value)
        if not choices:
            return False, "no other value of it was tried against the weights"
        here, traces = self.outcome.trace, {}
        for choice in choices:
            traces[written(choice)] = self.outcome.prober.within(replaced(self.arguments, {slot: choice})).at({})
        built = {text: trace for text, trace in traces.items() if trace is not None}
        if not built:
            return False, NOTHING_ELSE_BUILDS
        alike = [text for text, trace in built.items() if trace.features == here.features]
        if alike:
            return False, f"the weights do not change with it (built with {', '.join(alike[:SHOWN])} as well)"
        return True, f"with {' or '.join(list(built)[:SHOWN])} the names or shapes would differ"

    def _number(self, name: Slot, value: Number, variation: Variation) -> tuple[bool, str]:
        if not variation.slopes:
            tried = ", ".join(map(str, variation.silent))
            return False, f"the weights do not change with it (built with {tried} as well)" if tried else NOTHING_ELSE_BUILDS
        because = evidence(name, value, self.variations, self.problem.prober.found)
        together = self.together
        if name in together:
            return False, f"{because}; the weights show it only together with {' and '.join(sorted(together - {name}))}"
        if variation.silent:
            return False, f"{because}; the weights fit with {', '.join(map(str, variation.silent))} as well"
        return True, because
