"""Forward passes on a weightless twin of a module, to see which inputs it takes and what comes out."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pthway.architecture.random_state import random_state_kept
from pthway.errors import PthwayError
from pthway.forward import called, named_outputs

MAX_PASSES: Final = 240
"""Forward passes of one inference; honest networks need 10 to 60."""
MAX_SECONDS: Final = 8.0
"""Processor time of one inference, so that what is found depends little on what else the machine does."""
MAX_COMPUTED: Final = 1 << 20
"""Numbers of one input where a pass has to compute: it costs what a prediction costs."""
SMALL_BYTES: Final = 1 << 24
"""Weights up to which passes compute rather than import what meta needs."""
SMALL_SECONDS: Final = 0.5
"""Time after which they no longer do."""


_thread_count: Final = RLock()


class Exhausted(Exception):
    """The passes or the time of an inference are used up."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one forward pass came to."""

    outputs: Mapping[str, tuple[int, ...]] | None
    """Shapes of the outputs; None if the pass raised."""
    dtypes: Mapping[str, str] = field(default_factory=dict)
    """Types of the outputs, in torch's short names."""
    reason: str = ""
    """What it raised."""
    direction: int = 0
    """Where the first flattened size parted from what the weights want: 1 too large, -1 too small, 0 not seen."""


@final
class Trial:
    """A twin of a module, in evaluation mode, and how many passes it may still make.

    The twin shares no state with the module. Its parameters and buffers are on the meta device, so that no weight is read, except
    where computing on zeros is better: with small networks, because torch takes 1.5 s to import what meta needs; with recurrent
    ones, whose steps meta unrolls in Python; and where the forward pass asks for values.
    """

    def __init__(self, module: nn.Module, names: Sequence[str] = ()) -> None:
        self._module = module
        self._names = names
        small = sum(tensor.nbytes for tensor in [*module.parameters(), *module.buffers()]) <= SMALL_BYTES
        recurrent = any(isinstance(each, nn.RNNBase) for each in module.modules())
        self._must_compute = recurrent
        self.computes = small or recurrent
        """Whether passes compute with the weights, so that large inputs take time."""
        self._twin = twin(module, on_meta=not self.computes)
        self._passes = 0
        self._start = time.thread_time()

    def run(self, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[torch.dtype]) -> Pass:
        """What comes out for zeros of these shapes. Raises `Exhausted` beyond the limits."""
        large = sum(math.prod(shape) for shape in shapes) > MAX_COMPUTED
        if self.computes and not self._must_compute and (large or time.thread_time() - self._start > SMALL_SECONDS):
            self._turn(on_meta=True)
        if self.computes and large:
            return Pass(None, reason="the forward pass needs values, and an input of this size is not tried", direction=1)
        result, values_needed = self._run(shapes, dtypes)
        if values_needed:
            self._must_compute = True
            self._turn(on_meta=False)
            return self.run(shapes, dtypes)
        return result

    def _turn(self, *, on_meta: bool) -> None:
        self.computes = not on_meta
        self._twin = twin(self._module, on_meta=on_meta)

    def _run(self, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[torch.dtype]) -> tuple[Pass, bool]:
        self._passes += 1
        if self._passes > MAX_PASSES or time.thread_time() - self._start > MAX_SECONDS:
            raise Exhausted
        device = device_of(self._module) if self.computes else torch.device("meta")
        watch = _Flattened(shapes[0][0] if shapes and shapes[0] else 1)
        try:
            with random_state_kept(), torch.inference_mode(), watch:
                inputs = [torch.zeros(shape, dtype=dtype, device=device) for shape, dtype in zip(shapes, dtypes, strict=True)]
                outputs = named_outputs(called(self._twin, inputs, self._names))
        except PthwayError as refusal:
            return Pass(None, reason=refusal.what, direction=watch.direction), False
        except Exception as cause:  # noqa: BLE001  # the forward pass is the user's and may raise anything
            text = f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
            return Pass(None, reason=text, direction=watch.direction), not self.computes and _needs_values(cause)
        given = {name: tuple(tensor.shape) for name, tensor in outputs.items()}
        return Pass(given, {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in outputs.items()}), False


def _needs_values(cause: Exception) -> bool:
    return isinstance(cause, NotImplementedError) or "meta" in str(cause).lower()


@final
class _Flattened(TorchFunctionMode):
    """Sees at which flattening or linear layer a size first differs from the weights'. Modes belong to one thread."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.direction = 0
        self._batch = batch

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not self.direction:
            self.direction = self._compare(getattr(func, "__name__", ""), args)
        return func(*args, **(kwargs or {}))

    def _compare(self, name: str, args: tuple[Any, ...]) -> int:
        match name, args:
            case "linear", (Tensor() as x, Tensor() as weight, *_) if x.ndim:
                return _sign(x.shape[-1], weight.shape[-1])
            case (("view" | "reshape"), (Tensor() as x, *sides)):
                wanted = sides[0] if len(sides) == 1 and isinstance(sides[0], tuple | list) else sides
                if len(wanted) == 2 and -1 in wanted and isinstance(wanted[1], int) and wanted[1] > 1:  # noqa: PLR2004
                    # view(-1, n): the batch is what is left over, so n has to be one sample
                    return _sign(x.numel(), wanted[1] * self._batch) if x.numel() % (wanted[1] * self._batch) or x.numel() == 0 else 0
        return 0


def _sign(found: int, wanted: int) -> int:
    return (found > wanted) - (found < wanted)


def twin(module: nn.Module, *, on_meta: bool) -> nn.Module:
    """A copy of *module* in evaluation mode that shares no state with it.

    On meta: without weights. Otherwise: with the module's own parameters and copies of its buffers.
    """
    memo: dict[int, Any] = {}
    for owner in module.modules():
        for tensor in _tensors(owner):
            memo[id(tensor)] = _stand_in(tensor, on_meta=on_meta)
    copied: nn.Module = copy.deepcopy(module, memo)
    for each in copied.modules():
        each.training = False
    return copied


def _tensors(owner: nn.Module) -> Iterator[Tensor]:
    values = [*vars(owner).values(), *owner._parameters.values(), *owner._buffers.values()]
    return (value for value in values if isinstance(value, Tensor))


def _stand_in(tensor: Tensor, *, on_meta: bool) -> Tensor:
    if not on_meta:
        return tensor if isinstance(tensor, nn.Parameter) else tensor.detach().clone()
    empty = torch.empty_like(tensor, device="meta", requires_grad=False)
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty


def device_of(module: nn.Module) -> torch.device:
    """Where the parameters, or else the buffers, of *module* are; the CPU if it has none."""
    first = next(module.parameters(), None)
    found = first if first is not None else next(module.buffers(), None)
    return found.device if found is not None else torch.device("cpu")


def dtype_of(module: nn.Module) -> torch.dtype:
    """The floating-point type of the parameters, or else of the buffers, of *module*; torch's default if there is none."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point() or tensor.is_complex():
            return tensor.dtype
    return torch.get_default_dtype()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in the calling thread alone.

    Passes are small, and two threads that meet at barriers made them up to 40 times slower on a busy machine. One caller at a
    time, because torch gives the number of whoever set it last to threads that start afterwards.
    """
    with _thread_count:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
