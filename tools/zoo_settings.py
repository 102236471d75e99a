"""The settings of a configuration of transformers that may decide sizes, and configurations that differ in some of them."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from transformers import PreTrainedConfig

from pthway.architecture.zoo.classes import nested

SHALLOW: Final = 2
"""Layers of a network that is surveyed, where its configuration lets its depth be chosen."""
LONGEST: Final = 8
"""Entries of a list whose entries are settings of their own."""
LABELS: Final = "num_labels"
UNSIZED: Final = (
    *("token_id", "token_index", "chunk_size", "pretraining_tp", "mask_time", "mask_feature", "random_seed", "output_stride", "mup_"),
    *("loss", "cost", "coefficient", "num_beams", "max_length", "theta", "dropout", "_eps", "epsilon", "temperature", "std", "range"),
)
"""Parts of names of settings that no size depends on; building them would only take time."""
Settings = dict[str, Any]


def defaults(kind: type[PreTrainedConfig]) -> Settings:
    """Return the settings of a default configuration, nested ones by dotted name, those that every configuration has left out."""
    return dict(_flat("", _plain(kind), set(PreTrainedConfig().to_dict()) | {"model_type", "transformers_version"}))


def _flat(prefix: str, settings: Mapping[str, Any], common: set[str]) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if name in common or name.startswith("_") or not isinstance(name, str):
            continue
        if isinstance(value, Mapping) and "model_type" in value:
            yield from _flat(f"{prefix}{name}.", value, common)
        else:
            yield prefix + name, value


def sized(settings: Mapping[str, Any]) -> dict[str, int]:
    """Return the settings that may decide sizes or how many layers there are, the entries of lists by number."""
    found: dict[str, int] = {LABELS: 2}
    for name, value in settings.items():
        if any(part in name for part in UNSIZED):
            continue
        if type(value) is int and value >= 1:
            found[name] = value
        elif isinstance(value, list | tuple) and 1 <= len(value) <= LONGEST and all(type(each) is int and each >= 1 for each in value):
            found |= {f"{name}.{at}": each for at, each in enumerate(value)}
        elif type(value) is float and value >= 1 and value.is_integer():
            found[name] = int(value)
    return found


def is_depth(name: str) -> bool:
    """Whether a setting is, by its name, a number of layers."""
    last = name.rstrip(".0123456789").rpartition(".")[2]
    return last in ("depths", "n_layer", "n_layers", "layers", "depth", "decoder_depth", "num_blocks") or (
        "layers" in last and last.startswith(("num_", "encoder_", "decoder_", "n_")) and "per" not in last
    )


def configuration(kind: type[PreTrainedConfig], changes: Mapping[str, int]) -> PreTrainedConfig:
    """Return a configuration with *changes* made to the defaults; all other settings follow from it as the class derives them."""
    return kind(**nested(changes, _plain(kind)))


@cache
def _plain(kind: type[PreTrainedConfig]) -> Settings:
    return kind().to_dict()
