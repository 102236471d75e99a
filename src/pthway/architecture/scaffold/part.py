"""One module as it will be written."""

from enum import Enum, auto
from typing import NamedTuple

from pthway.architecture.scaffold.case import Layer
from pthway.architecture.scaffold.code import Code


class Form(Enum):
    """Kinds of text that a module becomes."""

    LAYER = auto()
    """A layer of torch, with or without weights."""
    UNKNOWN = auto()
    """A module without weights of which the file does not tell what it is."""
    SEQUENTIAL = auto()
    LIST = auto()
    """``nn.ModuleList``."""
    CLASS = auto()
    """A class of its own."""


class Bare(NamedTuple):
    """A tensor that belongs to no layer of torch."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    parameter: bool
    sure: bool
    """Whether the file tells that it is a parameter, or a buffer."""


class Part(NamedTuple):
    """One module as it will be written."""

    path: str
    form: Form
    children: tuple[tuple[str, "Part"], ...] = ()
    bare: tuple[Bare, ...] = ()
    layer: Layer | None = None
    kind: str = ""
    """The class that the file names, where it is none of torch's layers."""
    sequential: bool = False
    """Whether a class of its own runs its modules in order."""
    guesses: tuple[str, ...] = ()
    activation: Layer | None = None
    """What the user says is called between its layers, where it has no module for it."""
    code: Code | None = None
    """Its methods, where the file holds its program."""
