"""The classes of transformers as templates: what their weights are named, and how large they are, as formulas in their settings.

The weights of such a class depend on its configuration, so the index has no shapes of it but one line for each kind of tensor:

    encoder.layer.{num_hidden_layers}.attention.self.query.weight hidden_size,hidden_size

In braces stands how many numbers there are in that place, from 0; after the name the sizes, ``-`` for a scalar. A ``~`` at the end says
that only some of these numbers have the tensor: layers of several kinds. The file is of the form that
`pthway.architecture.zoo.packed` describes:

    head       releases, the classes that share each template, the sizes of what follows
    u64 × h    the hash of the names of a template, every number a star; one more without the tied ones, which files may lack
    u16 × h    … and its number
    pages      the templates, then the settings of each kind of configuration with the library's values, as JSON
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, final

from pthway.architecture.zoo.index import names_hash
from pthway.architecture.zoo.packed import Form, Pages, arrays

FORM: Final = Form("transformers.bin", b"pthway zoo class", 1)
STAR: Final = "*"
LIBRARY: Final = "transformers"


class Member(NamedTuple):
    """One class of a template."""

    name: str
    kind: int
    """The number of its kind of configuration."""
    saved: bool
    """Whether the names are those that ``save_pretrained`` writes, which differ from the class's own."""

    @property
    def spelling(self) -> str:
        """How `pthway.load` is told of it."""
        return f"{LIBRARY}:{self.name}"


class Line(NamedTuple):
    """One kind of tensor."""

    parts: tuple[str, ...]
    """Of the name, at the dots."""
    sizes: tuple[str, ...]
    some: bool
    """Whether only some of the layers have it."""


@final
class Templates:
    """The index in memory."""

    def __init__(self, data: bytes) -> None:
        head, at = FORM.head(data)
        self.libraries: dict[str, str] = head["libraries"]
        """Each library with the release that was indexed."""
        self.members: list[list[Member]] = [[Member(*each) for each in members] for members in head["members"]]
        """The classes of each template."""
        (self._hashes, self._owners), at = arrays(memoryview(data), at, [("Q", head["hashes"]), ("H", head["hashes"])])
        self._pages = Pages(memoryview(data), head["pages"], at)

    def having(self, names: Iterable[str]) -> Sequence[int]:
        """Return the templates with exactly these names, numbers aside."""
        wanted = names_hash({starred(name.split(".")) for name in names})
        return self._owners[bisect_left(self._hashes, wanted) : bisect_right(self._hashes, wanted)]

    def lines(self, number: int) -> list[Line]:
        """Return the lines of a template."""
        return [line(text) for text in self._pages.text(number).split("\n")]

    def settings(self, member: Member) -> Mapping[str, Any]:
        """Return the settings of a class, nested ones by dotted name, with the library's values."""
        settings: dict[str, Any] = json.loads(self._pages.text(len(self.members) + member.kind))
        return settings


@cache
def the_templates() -> Templates:
    """Return the index that ships with the package."""
    return Templates(FORM.read())


def starred(parts: Iterable[str]) -> str:
    """Return a name with a star in place of every number, given its parts; what stands in braces is a number."""
    return ".".join(STAR if part.isdigit() or part.startswith("{") else part for part in parts)


def line(text: str) -> Line:
    """Return the line that *text* is."""
    name, sizes, *some = text.split(" ")
    return Line(tuple(_parts(name)), () if sizes == "-" else tuple(sizes.split(",")), bool(some))


def _parts(name: str) -> Iterable[str]:
    """Return the parts of a name at its dots, except those within braces: settings have dots of their own."""
    part = ""
    for piece in name.split("."):
        part = f"{part}.{piece}" if part else piece
        if not part.startswith("{") or part.endswith("}"):
            yield part
            part = ""
