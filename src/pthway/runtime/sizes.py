"""Sizes that a program fixes although the network leaves them free."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from pthway.bundle.manifest import Program
from pthway.errors import InputRefused
from pthway.signature import BATCH, Input

Array = npt.NDArray[Any]


class Misfit(NamedTuple):
    """A size that a program does not run with."""

    input: str
    side: str
    size: int
    fixed: int


def misfit(program: Program, inputs: Sequence[Input], arrays: Sequence[Array]) -> Misfit | None:
    """The first size of *arrays*, those of the inputs in their order, that *program* does not run with; None if it runs with all."""
    for each, array in zip(inputs, arrays, strict=True):
        for side, size in zip(each.shape or (), array.shape, strict=False):  # other ranks are the runtime's to refuse
            fixed = program.fixed.get(side) if isinstance(side, str) else None
            if fixed is not None and size != fixed:
                return Misfit(each.name, str(side), size, fixed)
    return None


def require_sizes(program: Program, inputs: Sequence[Input], arrays: Sequence[Array]) -> None:
    """Raise `InputRefused` for arrays of sizes that *program* does not run with."""
    found = misfit(program, inputs, arrays)
    if found is None:
        return
    side = "number of samples" if found.side == BATCH else found.side
    raise InputRefused(
        f"The {side} of {found.input} is {found.size}.",
        f"The program for {program.runtime} runs with {found.fixed} only: its graph holds this size as a number, the network does not.",
        "Open the session with a runtime whose sizes are free: open_session(…, runtime=…)",
    )
