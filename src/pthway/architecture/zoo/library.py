"""Builds the networks of installed libraries by the names that the index has for them, without downloading anything."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any, Final

from pthway import _lazy
from pthway.architecture.match import Architecture
from pthway.architecture.zoo.index import the_index
from pthway.errors import ArchitectureNotFound

LIBRARIES: Final = ("torchvision", "timm")
"""Libraries whose networks have names, as in ``timm:resnet18``."""


def zoo_architecture(text: str) -> Architecture | None:
    """Return the network that *text* names, such as ``timm:resnet18``; None where it has another form.

    Raises `MissingDependency` if the library is not installed, and `ArchitectureNotFound` if it has no such network.
    """
    library, colon, name = text.partition(":")
    if library not in LIBRARIES or not colon:
        return None
    return Architecture(text, (_torchvision if library == "torchvision" else _timm)(name, text), None)


def installed(library: str) -> bool:
    """Whether *library* can be imported."""
    return find_spec(library) is not None


def _timm(name: str, text: str) -> Callable[..., Any]:
    timm = _lazy.load("timm")
    if not timm.is_model(name):
        raise _unknown(text)

    def build(**arguments: Any) -> Any:
        return timm.create_model(name, pretrained=False, **arguments)

    return build


def _torchvision(name: str, text: str) -> Callable[..., Any]:
    models = _lazy.load("torchvision.models")
    if name not in models.list_models():
        raise _unknown(text)
    builder = models.get_model_builder(name)
    weightless = {each: None for each in ("weights", "weights_backbone") if each in inspect.signature(builder).parameters}

    def build(**arguments: Any) -> Any:
        return builder(**weightless, **arguments)

    return build


def _unknown(text: str) -> ArchitectureNotFound:
    library, _, name = text.partition(":")
    names = sorted({row.name for row in the_index().rows if row.library == library})
    near = " or ".join(f'"{library}:{each}"' for each in get_close_matches(name, names, n=3))
    return ArchitectureNotFound(
        f"{library} has no network named {name!r}.",
        f"The installed release does not list it; the index of pthway was made from {library} {the_index().libraries[library]}.",
        f"Did you mean {near}?" if near else f'A class of it is named "{library}.module:Name".',
    )
