"""One module's tensors with what stands around them, and the layer that they are found to be."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, Union

from pthway.architecture.scaffold.settings import Settings
from pthway.architecture.scaffold.settings import Value as Setting

COUNTER: Final = "num_batches_tracked"
"""The one tensor of a layer that has a type of its own."""


Value = Union[Setting, "Layer"]
"""An argument of a layer; stacks take a layer."""


class Layer(NamedTuple):
    """A layer of ``torch.nn`` with its arguments."""

    kind: str
    """Its class, such as ``Conv2d``."""
    arguments: tuple[tuple[str, Value], ...]
    """By name, in the order of the constructor; those in `positional` are written without their name."""
    positional: int = 0
    guesses: tuple[str, ...] = ()
    dtype: str = "float32"
    wrap: str = ""
    """What changes its parameters, such as ``nn.utils.spectral_norm``."""
    takes: int | None = None
    """Channels or features that come in, where that is one number."""
    gives: int | None = None
    dimensions: int | None = None
    """Spatial dimensions of what it takes: 2 of a Conv2d, 0 of a Linear; None for any."""


class Case(NamedTuple):
    """One module's tensors, and what stands around them."""

    shapes: Mapping[str, tuple[int, ...]]
    """Those at and below the module, by their names in it."""
    name: str
    """The last part of its path."""
    settings: Settings
    kind: str = ""
    """The class of torch.nn that the file says it is; empty where it does not."""
    version: int | None = None
    before: Layer | None = None
    """The last layer with a width before it in the file."""
    after: Mapping[str, tuple[int, ...]] = {}
    """The tensors of the module that comes next."""
    dimensions: int | None = None
    """Spatial dimensions of the convolutions around it."""
    inputs: int | None = None
    """What a norm of the matrices tells: the length of one column."""

    def named(self, pattern: str) -> bool:
        """Whether its name has such a part."""
        return re.search(pattern, self.name, re.IGNORECASE) is not None


def exact(case: Case, *names: str) -> list[tuple[int, ...] | None] | None:
    """The shapes of *names*, the first of which must be there; None if the module has any other tensor."""
    if names[0] not in case.shapes or not case.shapes.keys() <= set(names):
        return None
    return [case.shapes.get(name) for name in names]


def eps(case: Case) -> tuple[str, ...]:
    """The guess of a norm's constant, unless the file tells it."""
    return case.settings.open("eps")
