"""Whether inference inverts construction: build with drawn arguments, save, solve, compare. Used by test and benchmark."""

import time
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random

import torch

from pthway.architecture.build import build, shapes
from pthway.architecture.match import Architecture, Match
from pthway.architecture.resolve import resolve
from pthway.architecture.slots import ABSENT, inside, replaced, same, walk
from pthway.architecture.solve import solve
from pthway.checkpoint import Checkpoint, open_checkpoint
from pthway.errors import ConstructorFailed, PthwayError, UnsolvedArguments
from tests.architecture.families import Family
from tests.thirdparty.stand_ins import standing_in


class Result(StrEnum):
    """What came of one case."""

    EXACT = "exact"
    """Every argument that the weights determine is the one that was built with."""
    AMBIGUOUS = "ambiguous"
    """Another value, or none, and it is said that the weights do not settle it."""
    FAILED = "failed"
    """No arguments were found, and that is said."""
    WRONG = "wrong"
    """Another value than the one that was built with, and nothing says so."""


@dataclass(frozen=True)
class Case:
    """One draw of one family."""

    family: str
    arguments: str
    result: Result
    note: str
    seconds: float
    cpu: float
    """Seconds of computing, which other programs on the machine stretch less."""
    builds: int
    parameters: int


def invert(family: Family, seed: int, folder: Path) -> Case:
    """Return what came of building *family* with arguments drawn with *seed*, saving it in *folder* and solving."""
    with standing_in() if family.third_party else nullcontext():
        return _inverted(family, seed, folder)


def _inverted(family: Family, seed: int, folder: Path) -> Case:
    drawn, architecture = family.draw(Random(f"{family.name} {seed}")), resolve(family.architecture)
    torch.manual_seed(seed)
    module, path = architecture.factory(**drawn), folder / "case.pth"
    stored = family.stored(drawn) if family.stored else {}
    torch.save({"state_dict": module.state_dict(), **stored} if stored else module.state_dict(), path)
    checkpoint, given = open_checkpoint(path), {name: drawn[name] for name in family.given}
    start, cpu = time.perf_counter(), time.process_time()
    outcome = _solved(architecture, checkpoint, given)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    builds = 0
    if isinstance(outcome, Match):
        builds, (result, note) = outcome.builds, judge(outcome, drawn)
    else:
        result = Result.AMBIGUOUS if isinstance(outcome, UnsolvedArguments) else Result.FAILED
        note = f"{outcome.what} {outcome.why}".replace("\n", " ")
    path.unlink()
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Case(family.name, _written(drawn), result, note, seconds, cpu, builds, parameters)


def _solved(architecture: Architecture, checkpoint: Checkpoint, given: dict[str, object]) -> Match | PthwayError:
    try:
        return solve(architecture, checkpoint.choose().tensors, given, checkpoint.extras)
    except PthwayError as error:
        return error


def judge(match: Match, drawn: dict[str, object]) -> tuple[Result, str]:
    """Return how the arguments of *match* compare with those that were *drawn*, slot by slot.

    A slot with another value is wrong if it is said to be proven. It is open if it is not, and torch builds other names or shapes
    with the value that was found; if torch builds the same, no weight determines it. What one side lacks counts as wrong,
    unless it is a key of a configuration without which torch builds the same.
    """
    solved = {name: match.arguments[name].value for name in drawn}
    found, true = _bottom(solved), _bottom(drawn)
    names = shapes(build(match.architecture, drawn).module)

    def builds_the_same(changes: dict[str, object]) -> bool:
        try:
            return shapes(build(match.architecture, replaced(drawn, changes)).module) == names
        except ConstructorFailed:
            return False

    unlike = [slot for slot, value in true.items() if slot in found and not same(found[slot], value)]
    wrong = [slot for slot in unlike if match.leaves[slot].determined]
    wrong += [slot for slot in true if slot not in found and not (slot.endswith("']") and builds_the_same({slot: ABSENT}))]
    wrong += [slot for slot in found if slot not in true and match.leaves[slot].determined]
    if wrong:
        return Result.WRONG, ", ".join(f"{slot}={found.get(slot)!r}" for slot in wrong)
    shown = [slot for slot in unlike if not builds_the_same({slot: found[slot]})]
    return (Result.AMBIGUOUS, f"said to be open: {', '.join(shown)}") if shown else (Result.EXACT, "")


def _bottom(arguments: dict[str, object]) -> dict[str, object]:
    return {slot: value for slot, value in walk(arguments) if not inside(value, slot)}


def _written(drawn: dict[str, object]) -> str:
    return ", ".join(f"{name}={value.__name__ if isinstance(value, type) else repr(value)}" for name, value in drawn.items())
