"""Prefixes that wrappers put before names: undone by rule, reported, reversible."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Final

from pthway.checkpoint.state_dicts import Rename, StateDict
from pthway.errors import LimitExceeded, UsageError
from pthway.formats import limits

WRAPPERS: Final = {
    "module.": "torch.nn.DataParallel, DistributedDataParallel or AveragedModel",
    "_orig_mod.": "torch.compile",
    "_forward_module.": "a training strategy",
    "_fsdp_wrapped_module.": "FullyShardedDataParallel",
}
"""Prefixes that only wrappers use, with who writes them. They are undone when every name has them."""

INNER: Final = {
    "_orig_mod.": "torch.compile of a part",
    "_fsdp_wrapped_module.": "FullyShardedDataParallel of a part",
    "_checkpoint_wrapped_module.": "activation checkpointing",
}
"""Wrappers of parts of the network, undone wherever they stand."""

_COUNTER: Final = "n_averaged"


def unwrapped(state: StateDict) -> StateDict:
    """*state* with the prefixes of wrappers undone. Raises `CorruptFile` when two names would become one."""
    state = _without_counter(state)
    while rule := _wrapper(state):
        if len(state.renames) >= limits.MAX_WRAPPERS:
            raise LimitExceeded(
                f"The names begin with more than {limits.MAX_WRAPPERS} wrappers.",
                "Honest ones have up to three.",
                "Check the file's origin.",
            )
        state = without_prefix(state, rule.prefix, rule.because)
    for inner, writer in INNER.items():
        count = sum(f".{inner}" in f".{name}" for name in state.tensors)
        if count:
            rule = Rename(inner, count, f"{writer} puts it there")
            state = state.renamed(lambda name, inner=inner: f".{name}".replace(f".{inner}", ".")[1:], rule)  # type: ignore[misc]
    return state


def without_prefix(state: StateDict, prefix: str, because: str) -> StateDict:
    """*state* with *prefix* taken off every name that has it."""
    rule = Rename(prefix, sum(name.startswith(prefix) for name in state.tensors), because)
    return state.renamed(lambda name: name.removeprefix(prefix), rule)


def readings(state: StateDict) -> Iterator[StateDict]:
    """*state*, and then what it may mean besides: without the prefix that all its names share, and as it was saved.

    Only one of them can have the names of a given network, so that the first that fits is the only one.
    """
    yield state
    for prefix in common_prefixes(state):
        yield without_prefix(state, prefix, "the architecture's names fit only without it")
    if state.renames:
        yield as_saved(state)


def as_saved(state: StateDict) -> StateDict:
    """*state* under the names that stand in the file, for an architecture that calls a part of itself as a wrapper would."""
    tensors = {state.keys[name]: spec for name, spec in state.tensors.items()}
    return state._replace(tensors=tensors, keys={key: key for key in tensors}, renames=(), metadata=None)


def common_prefixes(state: StateDict) -> list[str]:
    """The prefixes that all names share, each ending with a dot, the shortest first: ``model.``, ``model.backbone.``."""
    paths = [name.split(".")[:-1] for name in state.tensors]
    shared = list(takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False)))
    return ["".join(f"{parts[0]}." for parts in shared[: depth + 1]) for depth in range(len(shared))]


def renamed_by_user(state: StateDict, rename: Mapping[str, str]) -> StateDict:
    """*state* with the user's names: ``{"old": "new"}`` for one name, ``{"old.": "new."}`` for all below it, ``{"": "new."}`` for all.

    Raises `UsageError` for an entry that no name has.
    """
    for old, new in rename.items():
        whole = old != "" and not old.endswith(".")
        hits = [name for name in state.tensors if (name == old if whole else name.startswith(old))]
        if not hits:
            raise UsageError(
                f"rename={{{old!r}: {new!r}}} changes nothing: no tensor is named so.",
                f"The names begin with {', '.join(list(state.tensors)[:3])}.",
                "Correct the old name; end it with a dot to rename everything below it.",
            )
        rule = Rename(old, len(hits), f"renamed to {new!r} as asked")
        state = state.renamed(lambda name, old=old, new=new, hits=frozenset(hits): new + name[len(old) :] if name in hits else name, rule)  # type: ignore[misc]
    return state


def _without_counter(state: StateDict) -> StateDict:
    others = [name for name in state.tensors if name != _COUNTER]
    if _COUNTER not in state.tensors or not others or not all(name.startswith("module.") for name in others):
        return state
    return state._replace(
        tensors={name: state.tensors[name] for name in others},
        keys={name: state.keys[name] for name in others},
        left_out={**(state.left_out or {}), _COUNTER: "AveragedModel's counter of averaged steps"},
    )


def _wrapper(state: StateDict) -> Rename | None:
    for prefix, writer in WRAPPERS.items():
        if state.tensors and all(name.startswith(prefix) and name != prefix for name in state.tensors):
            return Rename(prefix, len(state.tensors), f"{writer} puts it there")
    return None
