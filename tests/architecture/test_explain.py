"""Why weights and a class do not fit, as a colleague would say it."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pthway.architecture.build import shapes
from pthway.architecture.causes import find_causes
from pthway.architecture.difference import Shape, compare
from pthway.architecture.explain import explain
from pthway.architecture.match import Architecture
from pthway.architecture.resolve import resolve
from pthway.architecture.solve import solve
from pthway.errors import Mismatch
from tests.architecture.networks import ResNet, SimpleMLP, TextEncoder, UNet

RESNET = shapes(ResNet(blocks=3))


def told(found: Mapping[str, Shape], expected: Mapping[str, Shape] = RESNET) -> Mismatch:
    return explain(expected, found, Architecture("net.py:ResNet", ResNet, None))


def test_a_prefix_is_one_cause_and_the_line_undoes_it() -> None:
    error = told({f"backbone.{key}": shape for key, shape in RESNET.items()})
    assert error.why == f"{len(RESNET)} keys of the checkpoint begin with 'backbone.', which ResNet does not have"
    assert error.fix == "pthway.load(path, \"net.py:ResNet\", rename={'backbone.': ''})"


def test_a_prefix_on_the_side_of_the_class_is_told_the_other_way_round() -> None:
    error = told(RESNET, {f"model.{key}": shape for key, shape in RESNET.items()})
    assert "keys of ResNet begin with 'model.', which the checkpoint does not have" in error.why


def test_another_depth_is_told_in_blocks() -> None:
    error = told(shapes(ResNet(blocks=23)))
    assert error.why.startswith("the checkpoint has 23 blocks in layer2, ResNet builds 3 (")
    assert "\n" not in error.why


def test_another_head_is_told_by_its_width() -> None:
    error = told(shapes(ResNet(num_classes=37, blocks=3)))
    assert error.why == "fc is 37 wide in the checkpoint, ResNet builds 1000 (2 tensors)"


def test_other_input_channels_are_told_as_such() -> None:
    error = told(shapes(ResNet(in_channels=1, blocks=3)))
    assert error.why == "conv1 takes 1 channels in the checkpoint, ResNet builds it for 3 (1 tensor)"


def test_a_renamed_module_is_found_by_shape_and_place() -> None:
    error = told({key.replace("layer2.1.", "layer2.x."): shape for key, shape in RESNET.items()})
    assert "layer2.x in the checkpoint is layer2.1 in ResNet" in error.why
    assert "rename={'layer2.x.': 'layer2.1.'}" in error.fix


def test_a_renamed_head_of_another_width_is_recognised() -> None:
    error = told({key.replace("fc.", "classifier."): shape for key, shape in shapes(ResNet(num_classes=7, blocks=3)).items()})
    assert "classifier in the checkpoint is most likely fc in ResNet" in error.why
    assert "rename={'classifier.': 'fc.'}" in error.fix


def test_a_part_that_one_side_lacks_is_one_line() -> None:
    assert told({**RESNET, "aux.a.weight": Shape((2,), "float32"), "aux.b.weight": Shape((2,), "float32")}).why == (
        "aux (2 tensors) is in the checkpoint and not in ResNet"
    )
    assert told({key: shape for key, shape in RESNET.items() if not key.startswith("layer1")}).why == (
        "layer1 (20 tensors) is in ResNet and not in the checkpoint"
    )


def test_another_class_altogether_is_said_first_and_never_listed_key_by_key() -> None:
    error = told(shapes(UNet(1, 2)))
    assert error.why.startswith("only 0 of ")
    assert "another class" in error.why
    assert len(str(error).splitlines()) <= 16


def test_a_width_that_runs_through_all_blocks_is_one_line_a_module() -> None:
    error = told(shapes(TextEncoder(9, 8, 2, 6, 16)), shapes(TextEncoder(9, 4, 2, 6, 16)))
    assert "encoder.layers.*.linear1 takes 8 features in the checkpoint, ResNet builds it for 4 (6 tensors)" in error.why


def test_a_given_value_that_a_build_disproves_is_answered_with_the_one_that_fits() -> None:
    with pytest.raises(Mismatch, match=r"(?s)fc is 37 wide.*pthway\.load\(path, ResNet, num_classes=37\)"):
        solve(resolve(ResNet), shapes(ResNet(num_classes=37)), {"num_classes": 1000})
    with pytest.raises(Mismatch, match=r"pthway\.load\(path, TextEncoder, d_model=8, layers=6\)"):
        solve(resolve(TextEncoder), shapes(TextEncoder(9, 8, 2, 6, 16)), {"d_model": 4, "nhead": 2, "layers": 2})


def test_renaming_as_told_makes_the_weights_fit() -> None:
    mlp = shapes(SimpleMLP(3, 4, 5))
    found = {key.replace("fc", "layer"): shape for key, shape in mlp.items()}
    with pytest.raises(Mismatch, match=r"rename=\{'layer1\.': 'fc1\.', 'layer2\.': 'fc2\.'\}"):
        solve(resolve(SimpleMLP), found, {})


def test_defaults_that_were_never_varied_are_named_as_what_may_be_passed() -> None:
    error = explain(RESNET, shapes(UNet(1, 2)), Architecture("Net", ResNet, None), untried={"variant": "full"})
    assert "Pass another value for variant (left at 'full')" in error.fix


names = st.lists(st.sampled_from(["a", "b", "layers", "0", "1", "2", "weight", "bias"]), min_size=1, max_size=4).map(".".join)
states = st.dictionaries(names, st.lists(st.integers(0, 3), max_size=3).map(lambda dims: Shape(tuple(dims), "float32")), max_size=12)


@settings(max_examples=300)
@given(states, states)
def test_every_key_that_does_not_fit_has_exactly_one_cause(expected: dict[str, Shape], found: dict[str, Shape]) -> None:
    difference = compare(expected, found)
    causes = find_causes(expected, found, difference, "Net")
    wrong = {*difference.missing, *difference.unexpected, *difference.differing}
    assert wrong <= {key for cause in causes for key in cause.keys}
    assert sum(len(cause.keys) for cause in causes) == len({key for cause in causes for key in cause.keys})
    assert {key for cause in causes for key in cause.keys} <= wrong | set(difference.tolerated)
