"""``pthway``: argv → one public verb → rendered.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 the file or input was refused.
"""

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from pthway import __version__
from pthway.cli import screen
from pthway.cli.demo import demo
from pthway.cli.inspect import inspect
from pthway.cli.predict import predict
from pthway.errors import ArchitectureNotFound, MissingDependency, PthwayError, UsageError


@dataclass(slots=True)
class _State:
    """What the options before the command set."""

    debug: bool = False


state = _State()
app = typer.Typer(
    name="pthway",
    help="From a .pth file to a prediction you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(inspect)
app.command()(predict)
app.command()(demo)


@app.callback(invoke_without_command=True)
def options(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; put it before the command.")] = False,
) -> None:
    """From a .pth file to a prediction you can trust."""
    if version:
        screen.write(__version__)
        raise typer.Exit
    state.debug = debug


def main() -> None:
    """Run the command line; a deliberate error is printed without a traceback, and decides the exit code."""
    try:
        app()
    except PthwayError as error:
        if state.debug:
            raise
        screen.print_error(error)
        sys.exit(2 if isinstance(error, (UsageError, ArchitectureNotFound, MissingDependency)) else 3)
