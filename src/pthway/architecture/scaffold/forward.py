"""The forward of a network, as far as the order of its modules tells it."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pthway.architecture.scaffold.flow import Signal, flattened, through
from pthway.architecture.scaffold.part import Form, Part

_BRANCHES: Final = re.compile(
    r"^(q|k|v|qkv|query|keys?|values?|gate|skip|shortcut|downsample|residual|mu|logvar|log_var|aux.*|.*heads?)$", re.IGNORECASE
)
"""Names of modules that people do not run one after the other."""

_SAID: Final = 8
"""Modules that are told of in one message."""


class Step(NamedTuple):
    """One call of a chain."""

    name: str
    flatten: bool
    """Whether everything but the batch becomes one dimension before it."""
    activated: bool = False
    """Whether the activation that the user names is called before it, and before the flattening."""


def chain(part: Part) -> list[Step] | None:
    """The calls of the modules in the file's order, where each takes what the one before it gives; None if that does not work out."""
    if part.bare or any(_BRANCHES.match(name) or child.form is Form.CLASS for name, child in part.children):
        return None
    steps: list[Step] = []
    signal = Signal()
    ready = False
    for name, child in _opened(part) if part.activation is not None else part.children:
        direct = through(child, signal._replace(loose=signal.loose and not signal.dimensions))
        after = through(child, flattened(signal)) if direct is None and signal.dimensions and _first(child) == "Linear" else direct
        if after is None:
            return None
        steps.append(Step(name, direct is None, ready and _is_main(child)))
        ready = part.activation is not None and (ready or _is_main(child))
        signal = after
    return steps


def _opened(part: Part) -> Iterator[tuple[str, Part]]:
    """The modules of a chain, those in containers too, by their paths in it."""
    for name, child in part.children:
        if child.form in (Form.SEQUENTIAL, Form.LIST):
            yield from ((f"{name}.{inner}", each) for inner, each in _opened(child))
        else:
            yield name, child


def _is_main(part: Part) -> bool:
    """Whether it is a matrix or a convolution, between which activations stand."""
    return part.layer is not None and part.layer.kind.startswith(("Linear", "Conv"))


def _first(part: Part) -> str:
    """The class of the first layer with a width in *part*; empty if it has none."""
    if part.layer is not None and part.layer.takes is not None:
        return part.layer.kind
    return next((kind for _, child in part.children if (kind := _first(child))), "")


def known(part: Part) -> str:
    """What the file tells of the modules and tensors of a module whose forward it does not tell."""
    said = [f"{name} ({_what(child)})" for name, child in part.children] + [f"{bare.name} {list(bare.shape)}" for bare in part.bare]
    more = len(said) - _SAID
    return "; ".join(said[:_SAID]) + (f"; {more} more" if more > 0 else "")


def _what(part: Part) -> str:
    layer = part.layer
    if layer is None:
        return {Form.UNKNOWN: "without weights", Form.CLASS: "a class below", Form.LIST: "a list"}.get(part.form, "a chain")
    return f"{layer.kind}, {layer.takes} to {layer.gives}" if layer.takes is not None else layer.kind
