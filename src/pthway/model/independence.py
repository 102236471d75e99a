"""Which dimension of an input counts the samples, by what influences what."""

import torch
from torch import Tensor, nn

from pthway.model.outputs import named_outputs
from pthway.model.trial import device_of, random_state_kept, twin

RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""A batch of another size may take another way through a matrix product; influence is far larger."""


def mixes_along(module: nn.Module, shape: tuple[int, ...], dtype: torch.dtype, vocabulary: int | None, axes: tuple[int, ...]) -> tuple[bool, ...]:
    """For each axis of the input, whether a change at its first index changes the answer at others.

    Computes with the weights, once and once again for each axis; *shape* is small. The sizes of its first two axes differ.
    """
    copied = twin(module, on_meta=False)
    generator = torch.Generator().manual_seed(0)
    device = device_of(module)

    def fresh() -> Tensor:
        if dtype.is_floating_point or dtype.is_complex:
            return torch.randn(shape, generator=generator, dtype=torch.float32).to(device, dtype)
        return torch.randint(0, vocabulary or 2, shape, generator=generator).to(device, dtype)

    with random_state_kept(), torch.inference_mode():
        first, second = fresh(), fresh()
        before = named_outputs(copied(first))
        found: list[bool] = []
        for axis in axes:
            changed = first.clone()
            changed.select(axis, 0).copy_(second.select(axis, 0))
            after = named_outputs(copied(changed))
            found.append(any(_differs(before[name], after[name], shape[axis]) for name in before))
    return tuple(found)


def _differs(before: Tensor, after: Tensor, size: int) -> bool:
    axis = next((axis for axis, length in enumerate(before.shape[:3]) if length == size), None)
    if axis is None:
        return False
    kept = [tensor.narrow(axis, 1, size - 1).float() for tensor in (before, after)]
    scale = float(kept[0].abs().nan_to_num().max()) if kept[0].numel() else 0.0
    return not torch.allclose(kept[0], kept[1], rtol=RELATIVE, atol=ABSOLUTE + RELATIVE * scale * 1e-2, equal_nan=True)
