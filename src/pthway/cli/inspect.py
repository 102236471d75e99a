"""``pthway inspect``: what a file is, without torch and without running it."""

from argparse import Namespace
from typing import Any

from pthway import _lazy
from pthway.checkpoint import Checkpoint, StateDict, open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.summary import facts, listed, report, shown
from pthway.cli import REFUSED, screen


def run(options: Namespace) -> int:
    """Say what a weights file is: format, origin, safety, state dicts, tensors. Nothing in it is run.

    The exit code is 3 if loading it with Python's own pickle would run code.
    """
    checkpoint = open_checkpoint(options.file)
    found = [_statistics(checkpoint, state) if options.stats else {} for state in checkpoint.state_dicts]
    if options.json:
        screen.write_json(_with_statistics(report(checkpoint), found) if options.stats else report(checkpoint))
    else:
        screen.facts(facts(checkpoint))
        for state, of in zip(checkpoint.state_dicts, found, strict=True):
            if options.stats:
                _print_statistics(checkpoint, state, of)
            else:
                _print_tensors(checkpoint, state) if options.tensors else _print_modules(checkpoint, state, every=options.modules)
    return REFUSED if checkpoint.safety.verdict is Verdict.RUNS_CODE else 0


def _print_modules(checkpoint: Checkpoint, state: StateDict, *, every: bool) -> None:
    rows, rest = listed(state, None) if every else listed(state)
    if state.modules:
        headers = ("class", "tensors", "numbers", "settings")
        cells = [
            (
                shown(row.kind.rpartition(".")[2] if screen.in_terminal() else row.kind),
                str(row.tensors),
                f"{row.elements:,}",
                shown(row.settings),
            )
            for row in rows
        ]
    else:
        headers = ("tensors", "numbers", "type", "shapes")
        cells = [(str(row.tensors), f"{row.elements:,}", ", ".join(row.dtypes), row.shapes) for row in rows]
    names = ["  " * (row.depth - 1) + shown(row.name) if screen.in_terminal() else shown(row.path or row.name) for row in rows]
    screen.table((_heading(checkpoint, state, "module"), *headers), [(name, *cell) for name, cell in zip(names, cells, strict=True)])
    if rest:
        screen.write(rest)


def _print_tensors(checkpoint: Checkpoint, state: StateDict) -> None:
    rows = [(shown(name), spec.dtype, str(list(spec.shape)), f"{spec.elements:,}") for name, spec in state.tensors.items()]
    screen.table((_heading(checkpoint, state, "tensor"), "dtype", "shape", "numbers"), rows)


def _statistics(checkpoint: Checkpoint, state: StateDict) -> dict[str, dict[str, object]]:
    found = _lazy.load("pthway.checkpoint.statistics:statistics")(checkpoint.container, state.tensors)
    return {name: of._asdict() for name, of in found.items()}


def _with_statistics(told: dict[str, Any], found: list[dict[str, dict[str, object]]]) -> dict[str, Any]:
    for state, of in zip(told["weights"], found, strict=True):
        state["tensors"] = [tensor | {"stats": of.get(tensor["name"])} for tensor in state["tensors"]]
    return told


def _print_statistics(checkpoint: Checkpoint, state: StateDict, found: dict[str, dict[str, object]]) -> None:
    columns = ("smallest", "largest", "mean", "std", "nan", "infinite", "zeros")
    rows = []
    for name, spec in state.tensors.items():
        of = found.get(name, {})
        rows.append((shown(name), spec.dtype, str(list(spec.shape)), *(_number(of.get(column)) for column in columns)))
    screen.table((_heading(checkpoint, state, "tensor"), "dtype", "shape", *columns), rows)


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _heading(checkpoint: Checkpoint, state: StateDict, word: str) -> str:
    return f"{word} of {shown(state.path)}" if len(checkpoint.state_dicts) > 1 else word
