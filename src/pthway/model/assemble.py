"""Puts the tensors of a file into a module that was built without its weights."""

import inspect
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pthway.architecture.difference import BATCH_COUNTER, EXTRA_STATE
from pthway.errors import Mismatch

SHOWN_KEYS: Final = 3
"""Names in a message."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Tensors of one type in the file that the class builds in another; the class's wins, as in ``load_state_dict``."""

    count: int
    before: str
    """The type in the file, in torch's short name."""
    after: str
    """The type in the module."""
    lossless: bool
    """Whether every number of the first type is one of the second."""

    def __str__(self) -> str:
        loss = "without loss" if self.lossless else "rounded"
        return f"cast: {self.count} tensors from {self.before} to {self.after}, {loss}"


@dataclass(frozen=True, slots=True)
class Assembly:
    """What was done to the tensors of a file to make them the module's."""

    assigned: int
    """Tensors that are the file's own memory."""
    copied: int
    """Tensors that were copied: cast, in another memory layout, sharing memory that the class does not share, or buffers."""
    casts: tuple[Cast, ...]
    fresh: tuple[str, ...]
    """Keys that the file lacks; they have the values of the class's own initialisation, which are no trained ones."""
    unused: Mapping[str, str]
    """Keys of the file that were left out, each with the reason."""

    def __str__(self) -> str:
        lines = [f"{self.assigned} tensors assigned, {self.copied} copied", *map(str, self.casts)]
        lines += [f"not in the file, initialised afresh: {name}" for name in self.fresh]
        return "\n".join(lines + [f"left out: {name} ({reason})" for name, reason in self.unused.items()])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a module keeps a tensor."""

    key: str
    owner: nn.Module
    attribute: str
    built: Tensor
    """What the constructor put there."""

    @property
    def now(self) -> Tensor:
        found: Tensor = getattr(self.owner, self.attribute)
        return found


def assemble(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Mapping[str, object]] | None,
    *,
    fresh: Callable[[], nn.Module] | None = None,
) -> Assembly:
    """What was done to make *tensors* the weights of *module*, which is in evaluation mode afterwards.

    Parameters on the meta device become the given tensors themselves; what the class built really is copied into, as
    ``load_state_dict`` does. Values are those of a plain ``load_state_dict`` to the last bit: the class's dtype and memory layout
    win, torch's version hooks run on *metadata*, tied parameters stay one object, and parameters that merely share memory in
    the file are separated. ``requires_grad`` stays as the class set it.

    *fresh* makes a module with really initialised parameters; with it, keys and shapes may differ, and what the file lacks is taken
    from there. Raises `Mismatch` without it, and if a complex tensor would go into a real one.
    """
    places = _places(module)
    fitting, unused = _select(places, tensors) if fresh is not None else (dict(tensors), {})
    prepared = _prepared(places, fitting)
    missing, unexpected = _load(module, prepared, metadata)
    missing = _unexcused(places, missing, prepared)
    if fresh is None and (missing or unexpected):
        raise _does_not_fit(module, missing, unexpected)
    _settle(places, prepared)
    if fresh is not None:
        _fill(places, _places(fresh()))
    left = [place.key for place in places if place.now.is_meta]
    if left:
        raise _does_not_fit(module, left, ())
    module.eval()
    loaded = [place for place in places if place.key in prepared]
    copied = sum(place.now.data_ptr() != tensors[place.key].data_ptr() for place in loaded)
    return Assembly(
        assigned=len(loaded) - copied,
        copied=copied,
        casts=_casts(loaded, tensors),
        fresh=tuple(missing),
        unused=unused | dict.fromkeys(unexpected, "the class has no such key"),
    )


def _places(module: nn.Module) -> list[_Place]:
    found: list[_Place] = []
    for path, owner in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for name, tensor in [*owner._parameters.items(), *owner._buffers.items()]:
            if tensor is not None:
                found.append(_Place(prefix + name, owner, name, tensor))
    return found


def _select(places: Iterable[_Place], tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What fits by shape, and why the rest does not."""
    wanted = {place.key: place.built for place in places if not is_lazy(place.built)}
    unused = {
        key: f"its shape is {list(tensor.shape)}, the class builds {list(wanted[key].shape)}"
        for key, tensor in tensors.items()
        if key in wanted and tensor.shape != wanted[key].shape and not (wanted[key].ndim == 0 and tensor.shape == (1,))
    }
    return {key: tensor for key, tensor in tensors.items() if key not in unused}, unused


def _prepared(places: Iterable[_Place], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """*tensors* in the type and layout of the class, none overlapping that of another parameter."""
    prepared = dict(tensors)
    spans: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for place in places:
        tensor = tensors.get(place.key)
        if tensor is None or is_lazy(place.built):
            continue
        if tensor.is_complex() and not place.built.is_complex():
            raise Mismatch(
                f"{place.key} is {_short(tensor.dtype)}, the class builds {_short(place.built.dtype)}.",
                "A real parameter cannot hold the imaginary part, and dropping it would change every answer.",
                "Give the class complex parameters: module.to(torch.complex64)",
            )
        if place.built.is_meta:
            fitted = _fitted(tensor, place.built)
            prepared[place.key] = fitted.clone() if _overlaps(fitted, spans, id(place.built)) else fitted
    return prepared


def _fitted(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.ndim == 1 and like.ndim == 0:
        tensor = tensor[0]  # torch 0.3 saved scalars this way
    if tensor.shape != like.shape:
        return tensor  # torch's own loading says so
    same_layout = all(ours == built for size, ours, built in zip(like.shape, tensor.stride(), like.stride(), strict=True) if size > 1)
    if tensor.dtype == like.dtype and same_layout and not tensor.is_conj() and not tensor.is_neg():
        return tensor
    return torch.empty_like(like, device=tensor.device).copy_(tensor)


def _overlaps(tensor: Tensor, spans: dict[int, list[tuple[int, int, int]]], parameter: int) -> bool:
    """Whether an earlier tensor of another parameter lies in the same memory: training one would change both."""
    start, end = tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size()
    others = spans[tensor.untyped_storage().data_ptr()]
    found = any(start < last and first < end and owner != parameter for first, last, owner in others)
    if not found:
        others.append((start, end, parameter))
    return found


def _load(
    module: nn.Module, tensors: Mapping[str, Tensor], metadata: Mapping[str, Mapping[str, object]] | None
) -> tuple[list[str], list[str]]:
    """Keys that were missing and keys that nobody took, after torch's own loading with all its hooks."""
    state: OrderedDict[str, Any] = OrderedDict(tensors)
    if metadata is not None:
        # copies, because torch writes into these dictionaries
        vars(state)["_metadata"] = OrderedDict((path, dict(entry)) for path, entry in metadata.items())
    # A class may override load_state_dict as it was before torch had assign.
    takes_assign = "assign" in inspect.signature(module.load_state_dict).parameters
    load = module.load_state_dict if takes_assign else partial(nn.Module.load_state_dict, module)
    try:
        result = load(state, strict=False, assign=True)
    except RuntimeError as cause:
        raise Mismatch(
            f"The weights do not go into {type(module).__name__}.",
            " ".join(str(cause).split()),
            "Check that the class is the one that was saved.",
        ) from cause
    except Exception as cause:
        raise _refused_by_class(module, cause, versions=metadata is not None) from cause
    return list(result.missing_keys), list(result.unexpected_keys)


def _refused_by_class(module: nn.Module, cause: Exception, *, versions: bool) -> Mismatch:
    """Return the error for a class whose own loading raised, as those do that ask for the version of their weights."""
    name = type(module).__name__
    noted = " The file does not note the version of its modules (_metadata): copies into a plain dict lose it."
    mark = f"state = OrderedDict(torch.load(path)); state._metadata = {name}(…).state_dict()._metadata; torch.save(state, path)"
    return Mismatch(
        f"{name} refuses the weights when it loads them.",
        f"{type(cause).__name__}: {' '.join(str(cause).split())}.{'' if versions else noted}",
        "Check that the class is the one that was saved."
        if versions
        else f"If it was saved by today's class, note that in the file: {mark}",
    )


def _unexcused(places: Iterable[_Place], missing: Iterable[str], loaded: Mapping[str, Tensor]) -> list[str]:
    """What is missing without a reason: not a counter that evaluation never reads, not tied to what was loaded."""
    present = {id(place.built) for place in places if place.key in loaded}
    tied = {place.key for place in places if id(place.built) in present}
    return [key for key in missing if key not in tied and key.rpartition(".")[2] not in (BATCH_COUNTER, EXTRA_STATE)]


def _settle(places: Iterable[_Place], loaded: Mapping[str, Tensor]) -> None:
    """Make tied places one tensor again, the last in the file's favour as in torch, and copy into what was real before."""
    last = {id(place.built): place.now for place in places if place.key in loaded}
    for place in places:
        tensor = last.get(id(place.built))
        if tensor is None:
            continue
        if place.built.is_meta:
            vars(tensor).update(vars(place.built))
            _put(place, tensor)
        else:
            with torch.no_grad():
                place.built.copy_(tensor)
            _put(place, place.built)


def _put(place: _Place, tensor: Tensor) -> None:
    if place.now is not tensor:
        setattr(place.owner, place.attribute, tensor)


def _fill(places: Iterable[_Place], twins: Iterable[_Place]) -> None:
    """Give the parameters that the file lacks the values of a module that was really initialised."""
    initialised = {twin.key: twin.now for twin in twins}
    made: dict[int, Tensor] = {}
    for place in places:
        if place.built.is_meta and place.now.is_meta:
            twin = initialised[place.key]
            _put(place, made.setdefault(id(place.built), twin))


def _casts(loaded: Iterable[_Place], tensors: Mapping[str, Tensor]) -> tuple[Cast, ...]:
    counts = Counter((tensors[place.key].dtype, place.now.dtype) for place in loaded)
    return tuple(Cast(count, _short(old), _short(new), _is_lossless(old, new)) for (old, new), count in counts.items() if old != new)


def _is_lossless(old: torch.dtype, new: torch.dtype) -> bool:
    if new.is_complex:
        return (old.is_complex and old.itemsize <= new.itemsize) or _is_lossless(old, new.to_real())
    if old == torch.bool:
        return True
    if old.is_complex or new == torch.bool:
        return False
    if old.is_floating_point:
        if not new.is_floating_point:
            return False
        narrow, wide = torch.finfo(old), torch.finfo(new)
        return wide.max >= narrow.max and wide.eps <= narrow.eps and wide.smallest_normal <= narrow.smallest_normal
    bounds = torch.iinfo(old)
    if new.is_floating_point:
        return bounds.max <= 2 / torch.finfo(new).eps and bounds.max <= torch.finfo(new).max
    return torch.iinfo(new).min <= bounds.min and bounds.max <= torch.iinfo(new).max


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _does_not_fit(module: nn.Module, missing: Sequence[str], unexpected: Sequence[str]) -> Mismatch:
    parts = [f"{_listed(keys)} {what}" for keys, what in ((missing, "missing"), (unexpected, "unexpected")) if keys]
    return Mismatch(
        f"The weights do not fill {type(module).__name__}: {' and '.join(parts)}.",
        "Every parameter needs a tensor of the file, and every tensor a place.",
        "pthway.load(path, architecture, strict=False) initialises the rest afresh and reports it",
    )


def _listed(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:SHOWN_KEYS])
    return f"{shown} and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else shown
