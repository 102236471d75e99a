"""What a TorchScript archive holds beside its weights: the program as text, attributes and constants as data. Nothing of it is run."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pthway import _lazy
from pthway.checkpoint.checkpoint import Checkpoint
from pthway.formats.parts import Format
from pthway.formats.tensors import TensorSpec
from pthway.formats.values import Opaque, PickledDict, is_sequence

MAX_ENTRIES: Final = 100_000
"""Numbers and texts of all attributes together that are taken; those of a network are some thousands."""
MAX_ELEMENTS: Final = 4096
"""Numbers of one tensor that is no weight and is written into a program; a larger one is left out."""
MAX_ALL_ELEMENTS: Final = 65_536
"""Numbers of all such tensors together."""
_MAX_DEPTH: Final = 8
_MAX_TEXT: Final = 4096


class Numbers(NamedTuple):
    """A small tensor that is no weight."""

    dtype: str
    shape: tuple[int, ...]
    values: object
    """Nested lists of numbers, or one number."""


class Member(NamedTuple):
    """A member of an enumeration of the program."""

    kind: str
    """Full name of the enumeration."""
    value: object


class Script(NamedTuple):
    """A program with what it refers to."""

    texts: dict[str, str]
    """Path of each file in the archive, such as ``code/__torch__.py`` → its text."""
    attributes: dict[str, object]
    """Path of each attribute that is no weight → a number, text, None, list, tuple or dictionary of these, `Numbers` or a `Member`."""
    constants: dict[str, Numbers]
    """``c0``, ``c1``, … → its numbers. Larger tensors, and those of other kinds, are absent."""


def script(checkpoint: Checkpoint) -> Script | None:
    """The program of a TorchScript archive; None for any other file."""
    parts = checkpoint.container.parts
    if parts.format is not Format.TORCHSCRIPT:
        return None
    texts = {name: text for name, text in parts.beside.items() if isinstance(text, str) and name.startswith("code/")}
    reader = _Reader(checkpoint)
    attributes = dict(reader.named(parts.beside.get("attributes")))
    constants = dict(reader.named(parts.beside.get("constants")))
    return Script(texts, attributes, {name: value for name, value in constants.items() if isinstance(value, Numbers)})


class _Reader:
    """Turns inert values into data, up to the limits."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.container = checkpoint.container
        self.entries = MAX_ENTRIES
        self.elements = MAX_ALL_ELEMENTS

    def named(self, held: object) -> Iterator[tuple[str, object]]:
        """The values that can be told in full, by their names."""
        for name, value in held.pairs if isinstance(held, PickledDict) else ():
            try:
                found = self._numbers(value, str(name)) if isinstance(value, TensorSpec) else self._data(value, _MAX_DEPTH)
            except _LeftOutError:
                continue
            yield str(name), found

    def _numbers(self, spec: TensorSpec, name: str) -> Numbers:
        if spec.elements > min(MAX_ELEMENTS, self.elements) or spec.dtype.startswith(("complex", "float8")):
            raise _LeftOutError
        self.elements -= spec.elements
        array = _lazy.load("pthway.checkpoint.arrays:array")(self.container, spec, name)
        return Numbers(spec.dtype, spec.shape, array.tolist())

    def _data(self, value: object, depth: int) -> object:
        self.entries -= 1
        if self.entries < 0 or not depth:
            raise _LeftOutError
        if value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _MAX_TEXT):
            return value
        if isinstance(value, PickledDict):
            return {self._key(key): self._data(each, depth - 1) for key, each in value.pairs}
        if isinstance(value, Opaque) and value.state is None and len(value.arguments) == 1 and value.name.startswith("__torch__."):
            return Member(value.name, self._data(value.arguments[0], depth - 1))
        if is_sequence(value):
            made = [self._data(each, depth - 1) for each in value]
            return tuple(made) if isinstance(value, tuple) else made
        raise _LeftOutError

    def _key(self, key: object) -> object:
        if not isinstance(key, str | int | float):
            raise _LeftOutError
        return self._data(key, 1)


class _LeftOutError(Exception):
    """A value that is not told in full."""
