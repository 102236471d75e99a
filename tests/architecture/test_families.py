"""Inference inverts construction, for networks with arguments of every kind; the oracle is the construction itself."""

from pathlib import Path

import pytest

from pthway.architecture.resolve import resolve
from pthway.architecture.solve import solve
from tests.architecture.families import FAMILIES, MLP, Family
from tests.architecture.inversion import Result, invert, judge
from tests.architecture.test_solve import tensors

LARGE = {"ResNet", "facenet-pytorch"}
CASES = [(family, seed) for family in FAMILIES for seed in range(1 if family.name in LARGE else 2)]


@pytest.mark.parametrize(("family", "seed"), CASES, ids=[f"{family.name} {seed}" for family, seed in CASES])
def test_the_arguments_that_a_network_was_built_with_are_found_from_its_weights(family: Family, seed: int, tmp_path: Path) -> None:
    case = invert(family, seed, tmp_path)
    assert case.result is Result.EXACT, f"{case.arguments}: {case.note}"


def test_another_value_that_is_said_to_be_proven_is_judged_wrong() -> None:
    built = {"in_features": 3, "hidden": [5, 6], "out_features": 2, "use_bn": False, "bias": True}
    match = solve(resolve(MLP), tensors(MLP, built), {})
    assert judge(match, built)[0] is Result.EXACT
    assert judge(match, built | {"activation": "gelu"})[0] is Result.EXACT, "the weights do not change with it"
    assert judge(match, built | {"hidden": [5, 7]}) == (Result.WRONG, "hidden[1]=6")
    assert judge(match, built | {"hidden": [5, 6, 6]})[0] is Result.WRONG
