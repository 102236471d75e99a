"""The weights of a whole pickled module, without its class: they stand as data in the object that the pickle describes."""

from collections.abc import Iterator

from pthway.formats.steps import Steps
from pthway.formats.tensors import AnyTensor, CompositeSpec, TensorSpec
from pthway.formats.values import Opaque, PickledDict, PickledSet


def module_class(value: object) -> str | None:
    """The class of a pickled ``torch.nn.Module``, by the attributes that every module has; None for anything else."""
    if isinstance(value, Opaque) and isinstance(value.state, PickledDict):
        names = {key for key in value.state if isinstance(key, str)}
        if {"_parameters", "_modules", "_buffers"} <= names:
            return str(value.call)
    return None


def module_tensors(module: Opaque) -> list[tuple[str, AnyTensor]]:
    """What ``module.state_dict()`` would hold: parameters and persistent buffers by path, in torch's order."""
    return list(_walk(module, "", 0, Steps()))


def _walk(module: Opaque, prefix: str, depth: int, steps: Steps) -> Iterator[tuple[str, AnyTensor]]:
    if not isinstance(module.state, PickledDict):
        return
    steps.enter(depth)
    state = module.state
    volatile = state.get("_non_persistent_buffers_set")
    skipped = {name for name in volatile.members if isinstance(name, str)} if isinstance(volatile, PickledSet) else set()
    for group in ("_parameters", "_buffers"):
        held = state.get(group)
        for name, value in held.pairs if isinstance(held, PickledDict) else ():
            if isinstance(name, str) and isinstance(value, TensorSpec | CompositeSpec) and not (group == "_buffers" and name in skipped):
                yield prefix + name, value
    children = state.get("_modules")
    for name, child in children.pairs if isinstance(children, PickledDict) else ():
        if isinstance(name, str) and isinstance(child, Opaque):
            yield from _walk(child, f"{prefix}{name}.", depth + 1, steps)
