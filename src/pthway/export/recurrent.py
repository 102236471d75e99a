"""Recurrent layers in an exported graph: one operator each, for sequences of any length.

Torch finds the shape of what a recurrent layer gives by going through its steps, which fixes how many there are. Both ONNX and torch
have the layer as one operator, whose shapes are these: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

BIDIRECTIONAL: Final = 5
"""The place of this argument behind the states, in the schema of every one of the operators."""


def _lstm(x: Tensor, states: Sequence[Tensor], *settings: Any) -> tuple[Tensor, ...]:
    return _sequence(x, states[0], settings), torch.empty_like(states[0]), torch.empty_like(states[1])


def _simple(x: Tensor, state: Tensor, *settings: Any) -> tuple[Tensor, ...]:
    return _sequence(x, state, settings), torch.empty_like(state)


def _sequence(x: Tensor, state: Tensor, settings: Sequence[Any]) -> Tensor:
    directions = 2 if settings[BIDIRECTIONAL] else 1
    return x.new_empty((*x.shape[:2], state.shape[-1] * directions))


SHAPES: Final[Mapping[Any, Callable[..., tuple[Tensor, ...]]]] = {
    torch.ops.aten.lstm.input: _lstm,
    torch.ops.aten.gru.input: _simple,
    torch.ops.aten.rnn_tanh.input: _simple,
    torch.ops.aten.rnn_relu.input: _simple,
}


@contextmanager
def any_length() -> Iterator[None]:
    """Let torch know the shapes that recurrent layers give, for as long as it exports. Nothing may compute with them meanwhile."""
    before = {operator: dict(operator.py_kernels) for operator in SHAPES}
    for operator, shapes in SHAPES.items():
        operator.py_kernels.update(dict.fromkeys(operator.py_kernels, shapes))
        operator._dispatch_cache.clear()
    try:
        yield
    finally:
        for operator, kernels in before.items():
            operator.py_kernels.clear()
            operator.py_kernels.update(kernels)
            operator._dispatch_cache.clear()
