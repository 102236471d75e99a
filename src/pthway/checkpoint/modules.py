"""The weights of a whole pickled module, without its class: they stand as data in the object that the pickle describes."""

from collections.abc import Iterator

from pthway.formats.names import Names
from pthway.formats.pickle_machine import describe
from pthway.formats.tensors import AnyTensor, CompositeSpec, TensorSpec
from pthway.formats.values import Opaque, PickledDict, PickledSet


def module_class(value: object) -> str | None:
    """The class of a pickled ``torch.nn.Module``, by the attributes that every module has; None for anything else."""
    if isinstance(value, Opaque) and isinstance(value.state, PickledDict):
        names = {key for key in value.state if isinstance(key, str)}
        if {"_parameters", "_modules", "_buffers"} <= names:
            return describe(value.arguments[0]) if value.name == "copyreg._reconstructor" and value.arguments else value.name
    return None


def module_tensors(module: Opaque) -> list[tuple[str, AnyTensor]]:
    """What ``module.state_dict()`` would hold: parameters and persistent buffers by path, in torch's order.

    A part that is used twice is listed under both paths. Raises `LimitExceeded` for a tree without end.
    """
    tensors: list[tuple[str, AnyTensor]] = []
    names = Names()
    waiting: list[Iterator[tuple[str, object]]] = [iter([("", module)])]
    while waiting:
        prefix, part = next(waiting[-1], (None, None))
        if prefix is None:
            waiting.pop()
        elif isinstance(part, Opaque) and isinstance(part.state, PickledDict):
            names.look(len(part.state))
            tensors += _own(part.state, prefix, names)
            waiting.append(_children(part.state, prefix, names))
    return tensors


def _children(state: PickledDict, prefix: str, names: Names) -> Iterator[tuple[str, object]]:
    children = state.get("_modules")
    for name, child in children.pairs if isinstance(children, PickledDict) else ():
        if isinstance(name, str):
            yield names.join(prefix, f"{name}."), child


def _own(state: PickledDict, prefix: str, names: Names) -> Iterator[tuple[str, AnyTensor]]:
    volatile = state.get("_non_persistent_buffers_set")
    members = volatile.members if isinstance(volatile, PickledSet) else []
    names.look(len(members))
    skipped = {name for name in members if isinstance(name, str)}
    for group in ("_parameters", "_buffers"):
        held = state.get(group)
        pairs = held.pairs if isinstance(held, PickledDict) else []
        names.look(len(pairs))
        for name, value in pairs:
            if isinstance(name, str) and isinstance(value, TensorSpec | CompositeSpec) and not (group == "_buffers" and name in skipped):
                yield names.join(prefix, name), value
