"""The real classes of transformers are recognised from their weights alone, with the settings that they were built with."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

import pthway
from pthway.architecture.difference import Shape
from pthway.architecture.zoo.classes import Classed, classes, flat
from pthway.architecture.zoo.templates import the_templates
from pthway.errors import ArchitectureNotFound

SAMPLE = 130
"""Classes that are drawn; those that refuse other sizes than their own are counted apart."""
WIDTHS = ("hidden_size", "d_model", "n_embd", "dim", "embed_dim")
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers")


class Drawn(NamedTuple):
    """A network of the library with other sizes than the index was made from."""

    name: str
    config: PreTrainedConfig
    own: Mapping[str, Shape]
    saved: Mapping[str, Shape]


def shapes(state: Mapping[str, torch.Tensor]) -> dict[str, Shape]:
    return {name: Shape(tuple(value.shape), "float32") for name, value in state.items() if hasattr(value, "shape")}


def changes(config: PreTrainedConfig, chance: random.Random) -> dict[str, Any]:
    """Return other sizes for the settings of a configuration, halves and thirds: the index was made from multiples."""
    found: dict[str, Any] = {"num_labels": chance.randint(3, 9)}
    for name, value in config.to_dict().items():
        if name in WIDTHS and value % 8 == 0:
            found[name] = value // chance.choice([2, 4])
        elif name in DEPTHS:
            found[name] = chance.choice([2, 3, 5])
        elif name == "vocab_size":
            found[name] = value + chance.randint(1, 99)
        elif name in ("intermediate_size", "d_ff", "encoder_ffn_dim", "hidden_dim"):
            found[name] = value // 2 + 24
        elif name == "max_position_embeddings":
            found[name] = value + 32
    return found


def drawn() -> Iterator[Drawn]:
    chance = random.Random(4)
    indexed = sorted({member.name for members in the_templates().members for member in members})
    for name in chance.sample(indexed, SAMPLE):
        built: type[PreTrainedModel] = getattr(transformers, name)
        kind = built.config_class
        try:
            config = kind(**changes(kind(), chance))
            with torch.device("meta"):
                module = built(config)
        except Exception:  # noqa: BLE001 - the class takes no such sizes
            continue
        state = module.state_dict()
        kept = {key: value for key, value in state.items() if key not in (module.all_tied_weights_keys or {})}
        with torch.device("meta"):
            try:
                saved = revert_weight_conversion(module, kept)
            except Exception:  # noqa: BLE001 - a conversion that looks at numbers
                saved = kept
        yield Drawn(name, config, shapes(state), shapes(saved))


@pytest.fixture(scope="module")
def networks() -> list[Drawn]:
    return list(drawn())


def of(name: str, found: tuple[Classed, ...]) -> Classed | None:
    return next((each for each in found if any(member.name == name for member in each.members)), None)


def wrong(drawn: Drawn, tensors: Mapping[str, Shape]) -> str | None:
    """Return what is wrong with the answer; None for the right class and numbers."""
    found = of(drawn.name, classes(the_templates(), tensors))
    if found is None:
        return f"{drawn.name}: not named"
    config = dict(flat(drawn.config.to_dict())) | {"num_labels": drawn.config.num_labels}
    for setting, value in found.solution.settings.items():
        owner, _, place = setting.rpartition(".")
        expected = config[owner][int(place)] if place.isdigit() else config[setting]
        if expected != value:
            return f"{drawn.name}: {setting} is {expected}, not {value}"
    return None


@pytest.mark.parametrize("view", ["own", "saved"])
def test_classes_are_named_with_the_right_numbers(networks: list[Drawn], view: str) -> None:
    """A few have other kinds of layers or modules at other sizes than the library's own: nobody names them. None is named wrong."""
    mistakes = [mistake for each in networks if (mistake := wrong(each, getattr(each, view)))]
    assert [mistake for mistake in mistakes if "not named" not in mistake] == []
    assert len(networks) - len(mistakes) >= 100
    assert len(mistakes) <= len(networks) // 10, mistakes


# --- loading ----------------------------------------------------------------------------------------------------------

BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 99}
VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 32, "patch_size": 8}


@pytest.mark.parametrize(
    ("name", "config", "saved"),
    [
        ("BertForSequenceClassification", transformers.BertConfig(**BERT, num_labels=3, hidden_act="relu"), False),
        ("ViTForImageClassification", transformers.ViTConfig(**VIT, num_labels=5, layer_norm_eps=1e-5), False),
        ("ViTForImageClassification", transformers.ViTConfig(**VIT, num_labels=5, layer_norm_eps=1e-5), True),
    ],
    ids=["Bert", "ViT", "ViT under its published names"],
)
def test_a_class_is_built_from_what_the_weights_show_and_the_settings_that_are_passed(
    tmp_path: Path, name: str, config: Any, saved: bool
) -> None:
    torch.manual_seed(0)
    network = getattr(transformers, name)(config).eval()
    if saved:
        network.save_pretrained(tmp_path / "folder")
        path = (tmp_path / "folder" / "model.safetensors").rename(tmp_path / "other.safetensors")
    else:
        path = tmp_path / "other.pth"
        torch.save(network.state_dict(), path)
    with pytest.raises(ArchitectureNotFound, match=f"has the weights of .*transformers:{name}"):
        pthway.load(path)
    found = of(name, pthway.identify(path).classes)
    assert found is not None
    passed = {setting: getattr(config, setting) for setting in found.undecided}
    model = pthway.load(path, f"transformers:{name}", **passed)
    given = torch.randn(2, 3, 32, 32) if name.startswith("ViT") else torch.randint(0, 99, (2, 7))
    with torch.inference_mode():
        assert torch.equal(model.module(given)[0], network(given)[0])
    assert model.module.config.num_labels == config.num_labels


def test_the_index_of_classes_is_of_the_installed_release() -> None:
    assert the_templates().libraries["transformers"] == transformers.__version__
