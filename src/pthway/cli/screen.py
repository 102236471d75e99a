"""How answers look: rich in a terminal, plain text in a pipe. rich is imported only where it draws."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pthway import _lazy
from pthway.errors import PthwayError


def in_terminal() -> bool:
    """Whether a person reads the output."""
    return sys.stdout.isatty()


def person_watches() -> bool:
    """Whether a person sees what happens meanwhile, which goes to stderr."""
    return sys.stderr.isatty()


def write(text: str) -> None:
    """One line of output."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """One line beside the output: it goes to stderr, so that a pipe stays clean."""
    sys.stderr.write(text + "\n")


def overwrite(text: str) -> None:
    """One line of a terminal that says how far something is, in the place of the last; an empty *text* clears it."""
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()


def write_json(value: object) -> None:
    """*value* as one JSON document."""
    json.dump(value, sys.stdout, indent=2 if in_terminal() else None, ensure_ascii=not in_terminal(), default=str)
    sys.stdout.write("\n")


def console(stream: Any = None) -> Any:
    """A rich console for stdout, or for *stream*."""
    return _lazy.load("rich.console:Console")(file=stream or sys.stdout, highlight=False)


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Label and value, a row each."""
    if not in_terminal():
        for label, value in rows:
            write(f"{label:<11} {value}")
        return
    grid = _lazy.load("rich.table:Table").grid(padding=(0, 2))
    grid.add_column(style="bold cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    text = _lazy.load("rich.text:Text")
    for label, value in rows:
        grid.add_row(label, text(value, style="bold red" if value.startswith("would run code") else ""))
    console().print(grid)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under headers; columns of numbers to the right. In a pipe: tab-separated, one line a row."""
    if not in_terminal():
        write("\t".join(headers))
        for row in rows:
            write("\t".join(row))
        return
    drawn = _lazy.load("rich.table:Table")(box=_lazy.load("rich.box:SIMPLE_HEAD"), header_style="bold")
    text = _lazy.load("rich.text:Text")
    for index, header in enumerate(headers):
        numeric = all(row[index].replace(",", "").replace(".", "").strip("- %e+").isdigit() for row in rows) and rows
        drawn.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(text(cell) for cell in row))
    console().print(drawn)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Draws a bar on stderr while the block runs, if a person sees it."""
    if not person_watches():
        yield None
        return
    rich = _lazy.load("rich.progress")
    text = rich.TextColumn("{task.description}", markup=False)
    with rich.Progress(
        text, rich.BarColumn(), rich.DownloadColumn(), rich.TransferSpeedColumn(), console=console(sys.stderr), transient=True
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_error(error: PthwayError) -> None:
    """What, why and fix on stderr."""
    if not person_watches():
        note(f"error: {error}")
        return
    text = _lazy.load("rich.text:Text")
    console(sys.stderr).print(
        text.assemble(
            ("error  ", "bold red"),
            (error.what, "bold"),
            ("\n  why  ", "yellow"),
            error.why,
            ("\n  fix  ", "green"),
            error.fix,
        )
    )
