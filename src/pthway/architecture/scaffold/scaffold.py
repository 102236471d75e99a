"""The file that `pthway scaffold` writes, from what a weights file tells."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pthway.architecture.scaffold.given import Given
from pthway.architecture.scaffold.names import printable, prose, string
from pthway.architecture.scaffold.plan import plan
from pthway.architecture.scaffold.told import Told, versions_fit
from pthway.architecture.scaffold.torchscript.translate import Translator
from pthway.architecture.scaffold.write import Writer, Written
from pthway.errors import Unrepresentable

MAX_TEXT: Final = 200_000
"""Characters of program text from the file that go along as a comment; a class has some thousands."""


class Source(NamedTuple):
    """Where the weights come from, and where the text goes."""

    file: str
    """Name of the weights file."""
    output: str
    """Name of the file to be written."""
    weights: str = ""
    """Which state dict of several; empty if there is one."""
    notes: tuple[str, ...] = ()
    """What a reader should know besides, each a sentence."""
    texts: Mapping[str, str] = {}
    """Program text that the file holds, by its name there."""


def scaffold(told: Told, source: Source, given: Given | None = None) -> Written:
    """The text of a Python file whose class ``Model`` has exactly these tensors.

    Nothing from the weights file becomes code: names are string literals, or attributes where they are plain identifiers. *given* is
    what the user settles of what the file leaves open. Needs no torch. Raises `Unrepresentable` for a file without tensors and for
    names that torch gives to none, `LimitExceeded` for modules nested too deep, `UsageError` for what is given and fits nowhere.
    """
    if not told.tensors:
        raise Unrepresentable(
            f"{source.file} holds no tensor that could be a parameter.",
            "A class is written from its weights.",
            "See what is in the file: pthway inspect",
        )
    translator = Translator(told.program, told.constants) if told.program is not None and told.held is not None else None
    root = plan(told, translator, given)
    return Writer(root, translator).write(list(_head(told, source)), "" if translator else _tail(source.texts))


def _head(told: Told, source: Source) -> Iterator[str]:
    yield f'A network with the names, shapes and types of the weights in "{prose(source.file)[:200]}", written by pthway scaffold.'.replace(
        '"', "'"
    )
    arguments = [source.file, f"{source.output}:Model"]
    choice = f", weights={string(source.weights)}" if source.weights else ""
    call = f"pthway.load({', '.join(map(string, arguments))}{choice})"
    yield f"The weights load strictly:\n\n    {call}".replace("\\", "\\\\").replace('"""', '\\"""')
    if told.versions is not None and not versions_fit(told):
        yield "The file's notes on modules (_metadata) belong to other names: its keys were changed after training. They were not used."
    yield from map(prose, source.notes)


def _tail(texts: Mapping[str, str]) -> str:
    """The texts as comments, none of which can end."""
    lines: list[str] = []
    left = MAX_TEXT
    for name, text in texts.items():
        lines += ["", "", f"# --- text from the weights file, which was not run: {printable(name)[:200]} ---"]
        shown = text[:left]
        left -= len(shown)
        lines += [f"# | {printable(line.expandtabs(4))}".rstrip() for line in shown.split("\n")]
        if len(shown) < len(text):
            lines.append(f"# … {len(text) - len(shown):,} characters left out; pthway inspect --json shows them.")
    return "".join(f"{line}\n" for line in lines)
