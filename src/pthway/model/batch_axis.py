"""Which dimension of an input counts the samples: by what the outputs keep, and else by what influences what."""

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from pthway.architecture.random_state import random_state_kept
from pthway.forward import called, named_outputs
from pthway.model.trial import Pass, device_of, twin

TOLERANCE: Final = 1e-4
"""In parts of the largest output: rounding stays below it, influence is far larger."""
EITHER: Final = "either of the first two dimensions may count the samples: none influences another"


def batch_by_shape(base: Pass, more: Pass, longer: Pass) -> int | None:
    """0 or 1, the dimension that outputs keep where they lose the other one: sequences are summed up, samples are not.

    *more* and *longer* are passes with another size of the first and of the second dimension. None if the shapes do not tell.
    """
    keeps_first = keeps_second = False
    for name, shape in (base.outputs or {}).items():
        first = shape != (more.outputs or {}).get(name)
        second = shape != (longer.outputs or {}).get(name)
        keeps_first |= first and not second
        keeps_second |= second and not first
    return None if keeps_first == keeps_second else int(keeps_second)


def batch_by_influence(
    module: nn.Module, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[torch.dtype], bounds: Sequence[int], names: Sequence[str] = ()
) -> tuple[int | None, tuple[str, ...]]:
    """0 or 1, the dimension along which a change at one place leaves the answers at the others as they are, and notes.

    Computes with the weights, three times; *shapes* are small and their first two sizes differ. *bounds* end the ids of integer
    inputs. None if both dimensions mix, or if the module does not run.
    """
    try:
        mixed = _mixed(module, shapes, dtypes, bounds, names)
    except Exception:  # noqa: BLE001  # the forward pass is the user's; where it does not run, nothing is known
        return None, ()
    if mixed == (True, True):
        return None, ()
    if mixed == (False, False):
        return 0, (EITHER,)
    return (1 if mixed[0] else 0), ()


def _mixed(
    module: nn.Module,
    shapes: Sequence[tuple[int, ...]],
    dtypes: Sequence[torch.dtype],
    bounds: Sequence[int],
    names: Sequence[str],
) -> tuple[bool, ...]:
    copied, device = twin(module, on_meta=False), device_of(module)
    generator = torch.Generator().manual_seed(0)

    def fresh() -> list[Tensor]:
        return [_random(shape, dtype, bound, generator).to(device) for shape, dtype, bound in zip(shapes, dtypes, bounds, strict=True)]

    with random_state_kept(), torch.inference_mode():
        inputs, others = fresh(), fresh()
        before = named_outputs(called(copied, inputs, names))
        found: list[bool] = []
        for axis in (0, 1):
            changed = [each.clone() for each in inputs]
            for each, other in zip(changed, others, strict=True):
                each.select(axis, 0).copy_(other.select(axis, 0))
            found.append(_influenced(before, named_outputs(called(copied, changed, names)), shapes[0][axis]))
    return tuple(found)


def _random(shape: tuple[int, ...], dtype: torch.dtype, bound: int, generator: torch.Generator) -> Tensor:
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape, generator=generator).to(dtype)
    return torch.randint(0, bound, shape, generator=generator).to(dtype)


def _influenced(before: Mapping[str, Tensor], after: Mapping[str, Tensor], size: int) -> bool:
    return any(_differs(before[name], after[name], size) for name in before)


def _differs(before: Tensor, after: Tensor, size: int) -> bool:
    axis = next((axis for axis, length in enumerate(before.shape[:3]) if length == size), None)
    if axis is None:
        return False
    kept, changed = (tensor.narrow(axis, 1, size - 1).double() for tensor in (before, after))
    bound = TOLERANCE * float(kept.abs().nan_to_num().max())
    return not torch.allclose(kept, changed, rtol=TOLERANCE, atol=bound * TOLERANCE, equal_nan=True)
