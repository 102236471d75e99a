"""What is known of the network that a checkpoint belongs to, and on what evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pthway.architecture.difference import Difference


class Origin(StrEnum):
    """Where the value of a constructor argument came from."""

    GIVEN = "given"
    STORED = "stored"
    """The file's own hyper-parameters say so, and the weights fit with it."""
    SOLVED = "solved"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Argument:
    """One constructor argument, with where its value came from."""

    name: str
    value: object
    origin: Origin
    determined: bool | None
    """Whether the weights could have told: dropout, stride and heads leave no trace in them. None where nobody asked, since the
    caller passed the value."""
    because: str
    """The evidence in words, such as ``fc1.weight is [128, 784]: dimension 1 is input_size``."""
    parts: Mapping[str, "Argument"] = field(default_factory=dict)
    """What a list or configuration is made of, by slot (``layers[2]``, ``config.width``), each with its own evidence."""

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}  {self.origin}: {self.because}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A class or factory function that builds a module."""

    name: str
    """As the user would write it: ``model.py:SimpleMLP``, ``package.module:Name``, or the object's qualified name."""
    factory: Callable[..., Any]
    source: Path | None
    """The file that defines it, where there is one."""

    @property
    def spelling(self) -> str:
        """How the user writes it in a line of Python: an object by its name, a file or package in quotes."""
        return f'"{self.name}"' if ":" in self.name else self.name


@dataclass(frozen=True, slots=True)
class Match:
    """One reading of a checkpoint: the architecture and the arguments with which every key and shape fits."""

    architecture: Architecture
    arguments: Mapping[str, Argument]
    """In the order of the signature. Defaults that were left alone are listed too."""
    builds: int
    """How many times the architecture was instantiated on the meta device to find this out."""
    difference: Difference = field(default_factory=Difference)
    """What does not fit (nothing, unless a partial match was asked for) and which absent keys were tolerated."""
    others: tuple[Mapping[str, object], ...] = ()
    """Other arguments with which every key and shape fits; they lie further from the usual values."""

    @property
    def call(self) -> dict[str, object]:
        """The arguments to construct with: those given and those solved; defaults are left to the author."""
        return {name: each.value for name, each in self.arguments.items() if each.origin is not Origin.DEFAULT}

    @property
    def leaves(self) -> dict[str, Argument]:
        """Every argument that has no parts, and every part of the others, by slot."""
        found: dict[str, Argument] = {}
        waiting = list(self.arguments.values())
        while waiting:
            argument = waiting.pop(0)
            waiting = [*argument.parts.values(), *waiting]
            if not argument.parts:
                found[argument.name] = argument
        return found
