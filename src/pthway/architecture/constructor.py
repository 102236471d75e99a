"""Reads the signature of a constructor: which arguments there are, and which of them the weights might settle."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from pthway.architecture.inherited import passed_on
from pthway.architecture.match import Architecture
from pthway.errors import UsageError

REQUIRED: Final = inspect.Parameter.empty
NEVER_TRIED: Final = frozenset(
    {
        "pretrained", "weights", "weights_backbone", "progress", "device", "dtype", "download", "checkpoint", "checkpoint_path", "ckpt",
        "ckpt_path", "path", "root", "url", "cache_dir", "init_weights", "verbose", "pretrained_backbone",
    }
)  # fmt: skip
"""Arguments whose other values fetch or print something, and build the same network."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a constructor."""

    name: str
    default: object
    """`REQUIRED` where the author gives none."""

    @property
    def required(self) -> bool:
        """Whether a caller has to pass it."""
        return self.default is REQUIRED


@dataclass(frozen=True, slots=True)
class Constructor:
    """The arguments of a class or factory, in order."""

    parameters: Mapping[str, Parameter]
    open: bool
    """Whether it takes any further keyword (``**kwargs``)."""


def read_constructor(factory: Callable[..., Any]) -> Constructor:
    """Return the arguments of *factory*, with those that it passes on to the class above it.

    A callable whose signature Python cannot tell counts as open.
    """
    try:
        signature = inspect.signature(factory)
    except (ValueError, TypeError):
        return Constructor({}, open=True)
    named = {
        name: Parameter(name, parameter.default)
        for name, parameter in signature.parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    for above in passed_on(factory):
        named |= {each.name: Parameter(each.name, each.default) for each in above.parameters}
    return Constructor(named, any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()))


def refuse_unknown(architecture: Architecture, constructor: Constructor, given: Mapping[str, object]) -> None:
    """Raise `UsageError` for the first name in *given* that the constructor does not take."""
    for name in given:
        if constructor.open or name in constructor.parameters:
            continue
        near = get_close_matches(name, constructor.parameters, n=1)
        known = ", ".join(constructor.parameters) or "no arguments at all"
        raise UsageError(
            f"{architecture.name} takes no argument {name!r}.",
            f"It takes {known}.",
            f"Did you mean {near[0]}={given[name]!r}?" if near else f"Leave {name!r} out.",
        )
