"""Builds the networks of installed libraries by the names that the index has for them, without downloading anything."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any, Final

from pthway import _lazy
from pthway.architecture.match import Architecture
from pthway.architecture.zoo.classes import nested
from pthway.architecture.zoo.index import the_index
from pthway.architecture.zoo.templates import the_templates
from pthway.errors import ArchitectureNotFound

LIBRARIES: Final = ("torchvision", "timm", "transformers")
"""Libraries whose networks have names, as in ``timm:resnet18``; those of transformers are classes."""


def zoo_architecture(text: str) -> Architecture | None:
    """Return the network that *text* names, such as ``timm:resnet18``; None where it has another form.

    Raises `MissingDependency` if the library is not installed, and `ArchitectureNotFound` if it has no such network.
    """
    library, colon, name = text.partition(":")
    if library not in LIBRARIES or not colon:
        return None
    builders = {"torchvision": _torchvision, "timm": _timm, "transformers": _transformers}
    return Architecture(text, builders[library](name, text), None)


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


def transformers_class(name: str) -> Any:
    """Return the network class of the installed transformers that is named so; None where it has none."""
    transformers = _lazy.load("transformers")
    found = getattr(transformers, name, None) if name.isidentifier() else None
    return found if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel) else None


def _transformers(name: str, text: str) -> Callable[..., Any]:
    found = transformers_class(name)
    kind = getattr(found, "config_class", None)
    if found is None or kind is None:
        raise _unknown(text)

    def build(**settings: Any) -> Any:
        return found(kind(**nested(settings, kind().to_dict())))

    return build


def _unknown(text: str) -> ArchitectureNotFound:
    library, _, name = text.partition(":")
    releases = the_index().libraries | the_templates().libraries
    classes = {member.name for members in the_templates().members for member in members} if library == "transformers" else set()
    names = sorted({row.name for row in the_index().rows if row.library == library} | classes)
    near = " or ".join(f'"{library}:{each}"' for each in get_close_matches(name, names, n=3))
    return ArchitectureNotFound(
        f"{library} has no network named {name!r}.",
        f"The installed release does not list it; the index of pthway was made from {library} {releases[library]}.",
        f"Did you mean {near}?" if near else f'A class of it is named "{library}.module:Name".',
    )
