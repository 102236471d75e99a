"""Builds a module without paying for its weights: parameters on the meta device, buffers real.

Parameters move to meta when they are registered, since constructing under ``torch.device("meta")`` would lose
non-persistent buffers and break constructors that read a tensor. In-place fills of meta tensors are skipped: they do
nothing, and some import half of torch's compiler. Whatever then cannot run, or would keep a value that was never
computed, is built plainly.
"""

import gc
import linecache
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from traceback import extract_tb
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from pthway.architecture.difference import EXTRA_STATE, Shape
from pthway.architecture.match import Architecture
from pthway.architecture.random_state import random_state_kept
from pthway.errors import ConstructorFailed

# fmt: off
FILLS: Final = frozenset(
    {
        "uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "dirac_", "sparse_",
        "orthogonal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "fill_",
        "zero_", "copy_", "random_", "exponential_", "log_normal_", "cauchy_", "geometric_", "bernoulli_",
        "add_", "sub_", "mul_", "div_", "pow_", "neg_", "exp_", "log_", "sqrt_", "clamp_", "clamp_min_",
        "clamp_max_", "clip_", "erfinv_", "lerp_", "addcmul_", "addcdiv_", "masked_fill_", "index_fill_",
        "index_copy_", "scatter_", "fill_diagonal_", "tril_", "triu_", "__setitem__"
    }
)
# fmt: on
"""Functions that only change the values of their first argument."""

FACTORIES: Final = frozenset({"empty", "zeros", "ones", "full", "rand", "randn", "eye"})
"""Functions that allocate what sizes ask for."""


@dataclass(frozen=True, slots=True)
class Built:
    """A module as its constructor left it."""

    module: nn.Module
    plainly: str | None
    """Why its parameters are real and initialised on the CPU after all; None where they are on meta."""


class TooManyParameters(Exception):
    """A build went past a bound that its caller set."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a trial build may go: a wrong value can ask for thousands of layers, or for one tensor larger than memory."""

    parameters: int
    numbers: int
    """Of one tensor, counted before it is allocated."""


@dataclass(slots=True)
class _Construction:
    """What one thread is building now."""

    on_meta: bool
    bound: Bound | None
    registered: int = 0
    moved: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)
    """Real parameters to the meta ones that took their place, while somebody still holds the real one."""

    def receive(self, parameter: nn.Parameter | None) -> nn.Parameter | None:
        """Return what is to be registered instead; the same for the same, so that ties hold."""
        self.registered += parameter is not None
        if self.bound is not None and self.registered > self.bound.parameters:
            raise TooManyParameters(f"more than {self.bound.parameters} parameters")
        if not self.on_meta or type(parameter) is not nn.Parameter or parameter.is_meta:
            return parameter
        if parameter not in self.moved:
            replacement = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
            replacement.__dict__.update(parameter.__dict__)
            self.moved[parameter] = replacement
        replacement = self.moved[parameter]
        return replacement if isinstance(replacement, nn.Parameter) else parameter


_construction: ContextVar[_Construction | None] = ContextVar("pthway_construction", default=None)


class _Doors:
    """Two methods of ``nn.Module``, replaced while any thread builds; threads that do not build pass straight through.

    torch's own registration hooks would do, but adding one while another thread walks them raises in that thread.
    """

    def __init__(self) -> None:
        self.lock, self.inside = Lock(), 0
        self.originals: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.originals = (nn.Module.register_parameter, nn.Module.load_state_dict)
                replacements = _replacements(*self.originals)
                nn.Module.register_parameter, nn.Module.load_state_dict = replacements  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside and self.originals is not None:
                nn.Module.register_parameter, nn.Module.load_state_dict = self.originals  # type: ignore[method-assign]


_doors: Final = _Doors()


def _replacements(register: Callable[..., Any], load: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def register_parameter(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        construction = _construction.get()
        register(self, name, construction.receive(param) if construction else param)

    def load_state_dict(self: nn.Module, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        construction = _construction.get()
        own = construction is not None and construction.on_meta
        return load(self, _without_weights(self, state_dict) if own else state_dict, *args, **kwargs)

    return register_parameter, load_state_dict


def _without_weights(module: nn.Module, state_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    # A constructor that loads its own weights: keys and shapes are checked, buffers loaded, meta parameters left alone.
    on_meta = {name for name, parameter in module.named_parameters(remove_duplicate=False) if parameter.is_meta}
    lightened: OrderedDict[str, Any] = OrderedDict(
        (key, torch.empty_like(value, device="meta") if key in on_meta and isinstance(value, Tensor) else value)
        for key, value in state_dict.items()
    )
    if "_metadata" in getattr(state_dict, "__dict__", {}):
        lightened.__dict__["_metadata"] = state_dict.__dict__["_metadata"]
    return lightened


class _WithoutFills(TorchFunctionMode):
    """Skips in-place fills of meta tensors, by any name they were imported under, and refuses tensors past the bound.

    Modes belong to one thread.
    """

    def __init__(self, bound: Bound | None) -> None:
        super().__init__()
        self.bound = bound

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in FILLS:
            filled = args[0] if args else named.get("tensor")
            if isinstance(filled, Tensor) and filled.is_meta:
                return filled
        elif self.bound is not None and name in FACTORIES:
            weightless = func(*args, **{**named, "device": "meta"})
            if weightless.numel() > self.bound.numbers:
                raise TooManyParameters(f"a tensor of {weightless.numel():,} numbers")
            if name == "empty" and named.get("device") is None:
                return weightless  # a trial keeps nothing but shapes, and asking the system for memory is most of its cost
        elif named and isinstance(named.get("out"), Tensor) and named["out"].is_meta:
            return named["out"]
        return func(*args, **named)


def _construct(architecture: Architecture, arguments: Mapping[str, object], construction: _Construction) -> nn.Module:
    token = _construction.set(construction)
    try:
        with _doors, random_state_kept(), _WithoutFills(construction.bound):
            module = architecture.factory(**arguments)
    finally:
        _construction.reset(token)
    if not isinstance(module, nn.Module):
        raise TypeError(f"it returned {type(module).__name__}, not a torch.nn.Module")
    return module


def build(architecture: Architecture, arguments: Mapping[str, object]) -> Built:
    """Return the module of *architecture*, with parameters on meta and buffers real.

    Tied parameters are one object, the caller's random state is untouched, other threads notice nothing. A module that
    cannot be had this way (its constructor reads a weight, or keeps a value computed from one) is built plainly, and
    `Built` says so. Raises `ConstructorFailed`.
    """
    construction = _Construction(on_meta=True, bound=None)
    try:
        module = _construct(architecture, arguments, construction)
    except Exception as cause:  # noqa: BLE001 - the constructor is the user's, and the plain build decides
        reason = f"its constructor raised {type(cause).__name__} with parameters on meta: {_first_line(cause)}"
    else:
        leak = _unfinished(module, construction)
        if leak is None:
            return Built(module, None)
        reason = leak
    try:
        return Built(_construct(architecture, arguments, _Construction(on_meta=False, bound=None)), reason)
    except Exception as cause:
        raise _failed(architecture, arguments, cause) from cause


def trial(architecture: Architecture, arguments: Mapping[str, object], bound: Bound) -> dict[str, Shape]:
    """Return the `shapes` of a module built for nothing else; the constructor's own exceptions pass through.

    Raises `TooManyParameters` past *bound*.
    """
    try:
        return shapes(_construct(architecture, arguments, _Construction(on_meta=True, bound=bound)))
    except Exception as cause:
        if "meta" not in str(cause).lower():
            raise
    return shapes(_construct(architecture, arguments, _Construction(on_meta=False, bound=bound)))


def shapes(module: nn.Module) -> dict[str, Shape]:
    """Return the keys of the state dict of *module*, in its order, each with shape, dtype and tie."""
    state = module.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    owners = {key: first.setdefault(id(value), key) for key, value in state.items()}
    tied = {owner for key, owner in owners.items() if key != owner}
    return {key: _shape(key, value, owners[key] if owners[key] in tied else None) for key, value in state.items()}


def _shape(key: str, value: object, tied: str | None) -> Shape:
    if not isinstance(value, Tensor) or is_lazy(value) or key.rpartition(".")[2] == EXTRA_STATE:
        return Shape((), "", free=True)
    return Shape(tuple(value.shape), str(value.dtype).removeprefix("torch."), tied=tied)


def _unfinished(module: nn.Module, construction: _Construction) -> str | None:
    """Return why *module* holds on to something that only real parameters would have made right."""
    for name, buffer in module.named_buffers():
        if buffer.is_meta:
            return f"its buffer {name} is computed from a parameter"
    for path, child in module.named_modules():
        for name, value in vars(child).items():
            if isinstance(value, Tensor) and value.is_meta:
                return f"its attribute {f'{path}.{name}'.lstrip('.')} is computed from a parameter"
    if len(construction.moved):
        gc.collect()
    return "it keeps parameters outside of their registration" if len(construction.moved) else None


def _failed(architecture: Architecture, arguments: Mapping[str, object], cause: Exception) -> ConstructorFailed:
    call = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    place = _place(architecture.source, cause)
    return ConstructorFailed(
        f"{architecture.name}({call}) cannot be built.",
        f"{type(cause).__name__}: {_first_line(cause)}{place}",
        f"pthway.load(path, {architecture.spelling}, …): pass the arguments it was trained with, or mend its code.",
    )


def _first_line(cause: BaseException) -> str:
    return str(cause).strip().partition("\n")[0] or "without a message"


def _place(source: Path | None, cause: Exception) -> str:
    frames = [frame for frame in extract_tb(cause.__traceback__) if source and Path(frame.filename) == source]
    if not frames:
        return ""
    line = frames[-1].lineno or 0
    return f" ({frames[-1].filename}, line {line}: {linecache.getline(frames[-1].filename, line).strip()})"
