"""``pthway inspect``: what a file is, without torch and without running it."""

from pathlib import Path
from typing import Annotated

import typer

from pthway.checkpoint import Checkpoint, StateDict, open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.summary import facts, modules, report, shown
from pthway.cli import screen

REFUSED = 3


def inspect(
    file: Annotated[Path, typer.Argument(help="The weights file.")],
    *,
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what a weights file is: format, origin, safety, state dicts, tensors. Nothing in it is run.

    Exits with 3 if loading it with Python's own pickle would run code.
    """
    checkpoint = open_checkpoint(file)
    if as_json:
        screen.write_json(report(checkpoint))
    else:
        screen.facts(facts(checkpoint))
        for state in checkpoint.state_dicts:
            _print_tensors(checkpoint, state) if tensors else _print_modules(checkpoint, state)
    if checkpoint.safety.verdict is Verdict.RUNS_CODE:
        raise typer.Exit(REFUSED)


def _print_modules(checkpoint: Checkpoint, state: StateDict) -> None:
    rows = [(shown(name), str(count), f"{elements:,}", shapes) for name, (count, elements, shapes) in modules(state).items()]
    screen.table((_heading(checkpoint, state, "module"), "tensors", "numbers", "shapes"), rows)


def _print_tensors(checkpoint: Checkpoint, state: StateDict) -> None:
    rows = [(shown(name), spec.dtype, str(list(spec.shape)), f"{spec.elements:,}") for name, spec in state.tensors.items()]
    screen.table((_heading(checkpoint, state, "tensor"), "dtype", "shape", "numbers"), rows)


def _heading(checkpoint: Checkpoint, state: StateDict, word: str) -> str:
    return f"{word} of {shown(state.path)}" if len(checkpoint.state_dicts) > 1 else word
