"""Arguments that a class passes on to the one above it. The oracle is the construction itself."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from torch import nn

from pthway.architecture.build import shapes
from pthway.architecture.constructor import read_constructor
from pthway.architecture.resolve import resolve
from pthway.architecture.solve import solve


class Recurrent(nn.LSTM):
    """Gives the first argument by place, through a constructor that has no names for it."""

    def __init__(self, width: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(width, *args, **kwargs)
        self.head = nn.Linear(4, width)


class Body(nn.Module):
    def __init__(self, hidden: int, depth: int = 2, bias: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(hidden, hidden, bias=bias) for _ in range(depth)))


class Classifier(Body):
    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.out = nn.Linear(self.layers[0].in_features, classes)


class Deeper(Classifier):
    def __init__(self, **options: Any) -> None:
        super().__init__(depth=3, **options)


class Ignoring(Body):
    """Takes further keywords, and passes none of them on."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(size)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        (nn.LSTM, {"input_size": 5, "hidden_size": 7, "num_layers": 3, "bidirectional": True}),
        (nn.LSTM, {"input_size": 5, "hidden_size": 8, "proj_size": 3, "bias": False}),
        (nn.GRU, {"input_size": 5, "hidden_size": 6, "num_layers": 2, "bias": False}),
        (nn.RNN, {"input_size": 3, "hidden_size": 4}),
        (Recurrent, {"width": 5, "hidden_size": 7, "num_layers": 2}),
        (Classifier, {"classes": 3, "hidden": 9, "depth": 4, "bias": False}),
        (Deeper, {"classes": 4, "hidden": 7}),
    ],
)
def test_arguments_that_are_passed_on_are_solved(architecture: type[nn.Module], arguments: Mapping[str, Any]) -> None:
    match = solve(resolve(architecture), shapes(architecture(**arguments)), {})
    found = {name: argument.value for name, argument in match.arguments.items()}
    assert arguments.items() <= found.items()


@pytest.mark.parametrize(
    ("architecture", "names"),
    [
        (
            Recurrent,
            {"width", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size", "device", "dtype"},
        ),
        (Classifier, {"classes", "hidden", "depth", "bias"}),
        (Deeper, {"classes", "hidden", "bias"}),
        (Ignoring, {"size"}),
        (Body, {"hidden", "depth", "bias"}),
        (partial(Classifier, classes=2), {"classes", "hidden", "depth", "bias"}),
    ],
)
def test_only_what_a_caller_may_pass_is_an_argument(architecture: Any, names: set[str]) -> None:
    assert read_constructor(architecture).parameters.keys() == names
