"""Where the activation that the user names stands in a plain chain."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pthway.architecture.scaffold.case import Layer
from pthway.architecture.scaffold.part import Form, Part
from pthway.architecture.scaffold.settings import weightless_kinds
from pthway.errors import UsageError

_SILENT: Final = ("Dropout", "Flatten", "Identity", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool", "Unflatten")
"""Layers without weights beside which an activation may still be a function that leaves no trace."""

_FLATTEN: Final = Layer("Flatten", (("start_dim", 1), ("end_dim", -1)), 2)


def settled(root: Part, activation: Layer) -> Part:
    """*root* with the activation in the places that it must have.

    One module without weights between two layers is the activation; between a convolution and a Linear one is the flattening that
    the Linear needs, and of two the first is the activation. Where there are more, or none follows, nothing tells which is which.
    Where a chain has no such modules at all, the activation is called between the layers. Raises `UsageError` where it stands nowhere.
    """
    leaves = list(_leaves(root))
    found = dict(_places(leaves, activation))
    if found:
        return _with(root, found)
    if any(_is_activation(leaf) for leaf in leaves) or not _is_chain(root):
        raise UsageError(
            "--activation fits no place of this network.",
            "It settles what stands between the layers of a plain chain, where the file does not tell it.",
            "Name the place: --set features.2=ReLU; or fill the forward in.",
        )
    return root._replace(sequential=False, activation=activation)


def _is_chain(part: Part) -> bool:
    return not part.bare and part.code is None and not any(child.form is Form.CLASS for _, child in part.children)


def _leaves(part: Part) -> Iterator[Part]:
    """The modules that are no containers, in the file's order; a class of its own is one, since its order is not known."""
    for _, child in part.children:
        if child.form in (Form.SEQUENTIAL, Form.LIST):
            yield from _leaves(child)
        else:
            yield child


def _is_activation(leaf: Part) -> bool:
    return leaf.layer is not None and leaf.layer.kind in weightless_kinds() and not leaf.layer.kind.startswith(_SILENT)


class _Run(NamedTuple):
    """Modules without weights of which nothing is known, between two layers with weights."""

    unknown: tuple[Part, ...]
    spatial: bool
    """Whether what comes in has a height or a width."""
    after: Layer


def _runs(leaves: list[Part]) -> Iterator[_Run]:
    begun, spatial = False, False
    unknown: list[Part] = []
    for leaf in leaves:
        if leaf.form is Form.UNKNOWN:
            unknown.append(leaf)
        elif leaf.layer is None:  # a class of its own, after which anything may come
            begun, unknown = False, []
        elif leaf.layer.kind not in weightless_kinds():
            if begun:
                yield _Run(tuple(unknown), spatial, leaf.layer)
            begun, unknown = True, []
            spatial = spatial if leaf.layer.gives is None else bool(leaf.layer.dimensions)


def _places(leaves: list[Part], activation: Layer) -> Iterator[tuple[str, Layer]]:
    for unknown, spatial, after in _runs(leaves):
        match unknown, spatial and after.kind == "Linear":
            case [one], False:
                yield one.path, activation
            case [one], True:
                yield one.path, _FLATTEN
            case [one, other], True:
                yield one.path, activation
                yield other.path, _FLATTEN


def _with(part: Part, layers: Mapping[str, Layer]) -> Part:
    if part.form is Form.UNKNOWN and part.path in layers:
        return part._replace(form=Form.LAYER, layer=layers[part.path])
    return part._replace(children=tuple((name, _with(child, layers)) for name, child in part.children))
