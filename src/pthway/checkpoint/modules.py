"""A whole pickled module without its class: its weights and settings stand as data in the object that the pickle describes."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pthway.checkpoint.plain import Plain
from pthway.errors import CorruptFile
from pthway.formats import limits
from pthway.formats.names import Names
from pthway.formats.steps import Steps
from pthway.formats.tensors import AnyTensor, CompositeSpec, TensorSpec
from pthway.formats.values import Opaque, PickledDict, PickledSet

_BOOKKEEPING: Final = frozenset((
    "training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_is_full_backward_hook", "_backend",
    "_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
))  # fmt: skip
"""What every ``torch.nn.Module`` has; everything else was set by its class, most of it from constructor arguments."""


class Module(NamedTuple):
    """One module of a pickled tree, as data."""

    kind: str
    """Its class."""
    state: PickledDict
    """Its ``__dict__``."""

    def attributes(self, shown: Plain) -> dict[str, object]:
        """What its class set on it, such as ``stride`` and ``eps``, as plain data, as far as *shown* goes for all modules."""
        named = ((name, value) for name, value in self.state.pairs if isinstance(name, str) and name not in _BOOKKEEPING)
        return {name[: limits.MAX_KEY_LENGTH]: shown.of(value, 4) for name, value in named}

    def buffers(self) -> frozenset[str]:
        """The names of its own buffers; its other tensors are parameters."""
        held = self.state.get("_buffers")
        return frozenset(name for name in held if isinstance(name, str)) if isinstance(held, PickledDict) else frozenset()


def pickled_module(value: object) -> Module | None:
    """A pickled ``torch.nn.Module``, known by the attributes that every module has; None for anything else."""
    if isinstance(value, Opaque) and isinstance(value.state, PickledDict):
        names = {key for key in value.state if isinstance(key, str)}
        if {"_parameters", "_modules", "_buffers"} <= names:
            return Module(value.name, value.state)
    return None


def module_tree(root: Module) -> dict[str, Module]:
    """Every module by its path, in torch's order, the root under the empty one.

    Raises `CorruptFile` for a module inside itself, `LimitExceeded` for a tree that no network has.
    """
    return dict(_walk(root, "", (), Steps(), Names()))


def module_tensors(modules: dict[str, Module]) -> list[tuple[str, AnyTensor]]:
    """What ``state_dict()`` of the root would hold: parameters and persistent buffers by path, in torch's order."""
    names = Names()
    return [entry for path, held in modules.items() for entry in _own(f"{path}." if path else "", held.state, names)]


def _walk(held: Module, path: str, above: tuple[int, ...], steps: Steps, names: Names) -> Iterator[tuple[str, Module]]:
    if id(held.state) in above:
        raise CorruptFile(
            f"The module at {path[:100]!a} is inside itself.",
            "Module trees are under 50 deep and have an end.",
            "Check where the file came from.",
        )
    steps.enter(len(above))
    names.look(len(held.state))
    yield path, held
    children = held.state.get("_modules")
    for name, value in children.pairs if isinstance(children, PickledDict) else ():
        child = pickled_module(value)
        if isinstance(name, str) and child is not None:
            yield from _walk(child, names.join(f"{path}." if path else "", name), (*above, id(held.state)), steps, names)


def _own(prefix: str, state: PickledDict, names: Names) -> Iterator[tuple[str, AnyTensor]]:
    volatile = state.get("_non_persistent_buffers_set")
    members = volatile.members if isinstance(volatile, PickledSet) else []
    names.look(len(state) + len(members))
    skipped = {name for name in members if isinstance(name, str)}
    for group in ("_parameters", "_buffers"):
        held = state.get(group)
        pairs = held.pairs if isinstance(held, PickledDict) else []
        names.look(len(pairs))
        for name, value in pairs:
            if isinstance(name, str) and isinstance(value, TensorSpec | CompositeSpec) and not (group == "_buffers" and name in skipped):
                yield names.join(prefix, name), value
