"""The names of outputs, in whatever structure a forward pass returns them."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from pthway.errors import UsageError
from pthway.forward import named_outputs

A, B, C = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)


class Pair(NamedTuple):
    logits: Tensor
    features: Tensor


@dataclass
class Record:
    logits: Tensor
    loss: Tensor | None = None


STRUCTURES: list[tuple[Any, dict[str, Tensor]]] = [
    (A, {"output": A}),
    ((A,), {"output_0": A}),
    ([A, B], {"output_0": A, "output_1": B}),
    ((A, (B, C)), {"output_0": A, "output_1_0": B, "output_1_1": C}),
    ({"x": A, 3: B}, {"x": A, "3": B}),
    (OrderedDict(out=A, aux=None), {"out": A}),
    (Pair(A, B), {"logits": A, "features": B}),
    (Record(A), {"logits": A}),
    ({"levels": [A, B], "pair": Pair(B, C)}, {"levels_0": A, "levels_1": B, "pair_logits": B, "pair_features": C}),
    (torch.return_types.max((A, B)), {"output_0": A, "output_1": B}),
]


@pytest.mark.parametrize(("structure", "expected"), STRUCTURES)
def test_every_tensor_has_a_name(structure: Any, expected: dict[str, Tensor]) -> None:
    found = named_outputs(structure)
    assert list(found) == list(expected)
    assert all(found[name] is expected[name] or torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("structure", [None, (), {}, 3.0, "text", {"a": 1}, [object()], {"a_0": A, "a": [B]}])
def test_what_cannot_be_named_is_an_error(structure: Any) -> None:
    with pytest.raises(UsageError, match="model"):
        named_outputs(structure)
