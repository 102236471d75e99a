"""Why weights and a class do not fit, as a colleague would say it."""

import ast
from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.utils.prune
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

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
        "aux (2 tensors) is in the checkpoint and not in ResNet; an auxiliary head serves training only"
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


def convolutions(wrap: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> nn.Module:
    return nn.Sequential(wrap(nn.Conv2d(3, 4, 3)), nn.ReLU(), wrap(nn.Conv2d(4, 5, 3)), nn.Flatten(), nn.Linear(5, 2))


def of(module: nn.Module) -> dict[str, Shape]:
    return shapes(module)


PLAIN = of(convolutions())


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (torch.nn.utils.parametrizations.weight_norm, "weight norm (parametrizations)"),
        (torch.nn.utils.parametrizations.spectral_norm, "spectral norm (parametrizations)"),
        (torch.nn.utils.spectral_norm, "spectral norm (weight_orig, weight_u)"),
        (lambda layer: torch.nn.utils.prune.l1_unstructured(layer, "weight", amount=1), "pruning (weight_orig, weight_mask)"),
        (torch.nn.utils.parametrizations.orthogonal, "a parametrization"),
    ],
)
def test_a_weight_that_is_written_as_several_is_one_cause(wrap: Callable[[nn.Module], nn.Module], words: str) -> None:
    treated = of(convolutions(wrap))
    assert told(treated, PLAIN).why == f"the checkpoint has {words} on 2 parameters, 0.weight and others, ResNet has the plain weight"
    assert told(PLAIN, treated).why == f"ResNet has {words} on 2 parameters, 0.weight and others, the checkpoint the plain weight"


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_the_old_and_the_new_weight_norm_are_renamed_into_each_other() -> None:
    old, new = convolutions(torch.nn.utils.weight_norm), convolutions(torch.nn.utils.parametrizations.weight_norm)
    error = told(of(old), of(new))
    assert error.why == "the checkpoint has weight norm (weight_g, weight_v), ResNet weight norm (parametrizations) (4 tensors)"
    rename = ast.literal_eval(error.fix.partition("rename=")[2].removesuffix(")"))
    state = {rename.get(key, key): value for key, value in old.state_dict().items()}
    new.load_state_dict(state)
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(old(x), new(x))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("{0}.lora_A.default.weight", "{0}.lora_B.default.weight", "{0}.base_layer.weight"), "LoRA adapters: merge them"),
        (("{0}.qweight", "{0}.qzeros", "{0}.scales", "{0}.g_idx"), "weights quantised by GPTQ or AWQ: it takes the library"),
        (("{0}.scale", "{0}.zero_point"), "weights quantised by torch: build the quantised variant"),
        (("{0}.SCB", "{0}.weight_format"), "weights quantised by bitsandbytes"),
        (("{0}.activation_post_process.scale", "{0}.weight_fake_quant.min_val"), "observers of quantisation-aware training"),
    ],
)
def test_a_treated_network_is_recognised_by_its_keys(keys: tuple[str, ...], words: str) -> None:
    treated = {key: shape for key, shape in PLAIN.items() if key not in ("0.weight", "2.weight")}
    extra = {form.format(layer): Shape((1,), "float32") for layer in ("0", "2") for form in keys}
    error = told(treated | extra, PLAIN)
    assert error.why.startswith(f"{len(extra)} tensors of the checkpoint are {words}")
    assert "\n" not in error.why


def test_keys_that_only_look_like_a_treatment_are_told_as_they_are() -> None:
    error = told(PLAIN | {"0.scale": Shape((1,), "float32"), "alpha": Shape((1,), "float32")}, PLAIN)
    assert "quantised" not in error.why and "LoRA" not in error.why


def test_old_names_of_a_norm_are_renamed() -> None:
    plain = of(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))
    old = {key.replace("1.weight", "1.gamma").replace("1.bias", "1.beta"): shape for key, shape in plain.items()}
    error = told(old, plain)
    assert "what ResNet calls weight is gamma in the checkpoint (1 tensor)" in error.why
    assert "rename={'1.gamma': '1.weight', '1.beta': '1.bias'}" in error.fix


def test_an_auxiliary_head_is_said_to_serve_training_only() -> None:
    error = told(RESNET | {"aux_head.fc.weight": Shape((2, 2), "float32")})
    assert error.why == "aux_head (1 tensor) is in the checkpoint and not in ResNet; an auxiliary head serves training only"


def test_modules_that_only_their_order_tells_apart_are_not_renamed_into_each_other() -> None:
    def attention(*names: str) -> dict[str, Shape]:
        return {f"blocks.{block}.{name}.weight": Shape((8, 8), "float32") for block in range(2) for name in names}

    error = told(attention("key", "query", "value"), attention("q_proj", "k_proj", "v_proj"))
    assert "blocks.0.key in the checkpoint may be blocks.0.q_proj in ResNet: their order alone says so" in error.why
    assert "rename=" not in error.fix


def test_blocks_of_one_shape_are_renamed_by_their_numbers() -> None:
    old = {f"layers.{block}.fc.weight": Shape((8, 8), "float32") for block in range(3)}
    new = {f"blocks.{block}.fc.weight": Shape((8, 8), "float32") for block in range(3)}
    rename = ast.literal_eval(told(old, new).fix.partition("rename=")[2].removesuffix(")"))
    moved = [after + key.removeprefix(before) for key in old for before, after in rename.items() if key.startswith(before)]
    assert moved == list(new)
