"""The real classes of transformers are recognised from their weights alone, with the settings that they were built with."""

import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from pthway.architecture.difference import Shape
from pthway.architecture.zoo.classes import Classed, classes, flat
from pthway.architecture.zoo.templates import the_templates

SAMPLE = 240
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


def test_classes_are_named_with_the_right_numbers(networks: list[Drawn]) -> None:
    assert len(networks) >= 120
    mistakes = [mistake for each in networks if (mistake := wrong(each, each.own))]
    assert [mistake for mistake in mistakes if "not named" not in mistake] == []
    assert len(mistakes) <= len(networks) // 20, mistakes


def test_classes_are_named_as_they_are_saved_too(networks: list[Drawn]) -> None:
    mistakes = [mistake for each in networks if (mistake := wrong(each, each.saved))]
    assert [mistake for mistake in mistakes if "not named" not in mistake] == []
    assert len(mistakes) <= len(networks) // 20, mistakes
