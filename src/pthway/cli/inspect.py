"""``pthway inspect``: what a file is, without torch and without running it."""

from argparse import Namespace

from pthway.checkpoint import Checkpoint, StateDict, open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.summary import facts, modules, report, shown
from pthway.cli import REFUSED, screen


def run(options: Namespace) -> int:
    """Say what a weights file is: format, origin, safety, state dicts, tensors. Nothing in it is run.

    The exit code is 3 if loading it with Python's own pickle would run code.
    """
    checkpoint = open_checkpoint(options.file)
    if options.json:
        screen.write_json(report(checkpoint))
    else:
        screen.facts(facts(checkpoint))
        for state in checkpoint.state_dicts:
            _print_tensors(checkpoint, state) if options.tensors else _print_modules(checkpoint, state)
    return REFUSED if checkpoint.safety.verdict is Verdict.RUNS_CODE else 0


def _print_modules(checkpoint: Checkpoint, state: StateDict) -> None:
    rows = [(shown(name), str(count), f"{elements:,}", shapes) for name, (count, elements, shapes) in modules(state).items()]
    screen.table((_heading(checkpoint, state, "module"), "tensors", "numbers", "shapes"), rows)


def _print_tensors(checkpoint: Checkpoint, state: StateDict) -> None:
    rows = [(shown(name), spec.dtype, str(list(spec.shape)), f"{spec.elements:,}") for name, spec in state.tensors.items()]
    screen.table((_heading(checkpoint, state, "tensor"), "dtype", "shape", "numbers"), rows)


def _heading(checkpoint: Checkpoint, state: StateDict, word: str) -> str:
    return f"{word} of {shown(state.path)}" if len(checkpoint.state_dicts) > 1 else word
