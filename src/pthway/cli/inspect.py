"""``pthway inspect``: what a file is, without torch and without running it."""

from argparse import Namespace
from typing import Any, Final

from pthway import _lazy
from pthway.checkpoint import Checkpoint, StateDict, open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.summary import facts, listed, report, shown
from pthway.cli import REFUSED, contents, screen

_COLUMNS: Final = ("smallest", "largest", "mean", "std", "nan", "infinite", "zeros")
"""The statistics that are printed."""


def run(options: Namespace) -> int:
    """Say what a weights file is: format, origin, safety, state dicts, tensors. Nothing in it is run.

    With ``--html``, which reads every number, a page is written as well; what is printed stays the same but for a line that says so.
    The exit code is 3 if loading it with Python's own pickle would run code.
    """
    if contents.is_bundle(options.file):
        return _run_bundle(options)
    checkpoint = open_checkpoint(options.file)
    page = _lazy.load("pthway.checkpoint.page.document") if options.html else None
    place = page.destination(checkpoint, options.html) if page else None
    measured = _measured(checkpoint, histograms=page is not None) if options.stats or page else [{} for _ in checkpoint.state_dicts]
    written = [("page", shown(f"{options.html}, {page.write(checkpoint, place, measured):,} bytes"))] if page else []
    found = [{name: _columns(of) for name, of in state.items()} for state in measured]
    if options.json:
        screen.write_json(_with_statistics(report(checkpoint), found) if options.stats else report(checkpoint))
    else:
        screen.facts(facts(checkpoint) + written)
        for state, of in zip(checkpoint.state_dicts, found, strict=True):
            if options.stats:
                _print_statistics(checkpoint, state, of)
            else:
                _print_tensors(checkpoint, state) if options.tensors else _print_modules(checkpoint, state, every=options.modules)
    return REFUSED if checkpoint.safety.verdict is Verdict.RUNS_CODE else 0


def _run_bundle(options: Namespace) -> int:
    """Say what a bundle holds, after every file of it was compared with its checksum."""
    bundle = _lazy.load("pthway.bundle:open_bundle")(options.file)
    if options.json:
        screen.write_json(_lazy.load("msgspec:to_builtins")(bundle.manifest))
    else:
        contents.print_bundle(bundle)
    return 0


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


def _measured(checkpoint: Checkpoint, *, histograms: bool) -> list[dict[str, Any]]:
    """The statistics of each state dict, from one pass over its bytes, with a bar if a person waits."""
    statistics = _lazy.load("pthway.checkpoint.statistics:statistics")
    with screen.progress(f"reading {shown(checkpoint.path.name)}") as progress:
        return [
            statistics(checkpoint.container, state.tensors, histograms=histograms, progress=progress) for state in checkpoint.state_dicts
        ]


def _columns(of: Any) -> dict[str, object]:
    return {column: getattr(of, column) for column in _COLUMNS}


def _with_statistics(told: dict[str, Any], found: list[dict[str, dict[str, object]]]) -> dict[str, Any]:
    for state, of in zip(told["weights"], found, strict=True):
        state["tensors"] = [tensor | {"stats": of.get(tensor["name"])} for tensor in state["tensors"]]
    return told


def _print_statistics(checkpoint: Checkpoint, state: StateDict, found: dict[str, dict[str, object]]) -> None:
    rows = []
    for name, spec in state.tensors.items():
        of = found.get(name, {})
        rows.append((shown(name), spec.dtype, str(list(spec.shape)), *(_number(of.get(column)) for column in _COLUMNS)))
    screen.table((_heading(checkpoint, state, "tensor"), "dtype", "shape", *_COLUMNS), rows)


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _heading(checkpoint: Checkpoint, state: StateDict, word: str) -> str:
    return f"{word} of {shown(state.path)}" if len(checkpoint.state_dicts) > 1 else word
