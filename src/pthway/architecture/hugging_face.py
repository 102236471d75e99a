"""Folders as the Hugging Face hub lays them out: a ``config.json`` beside the weights names the class and its settings."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pthway import _lazy
from pthway.architecture.match import Architecture
from pthway.architecture.zoo.library import transformers_class, zoo_architecture
from pthway.errors import ArchitectureNotFound, CorruptFile, NotWeights

CONFIG: Final = "config.json"
WEIGHTS: Final = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""The names of weights in such a folder."""
LARGEST: Final = 4 << 20
"""Bytes of a configuration; the largest have their vocabulary of labels in it."""


def weights_of(folder: Path) -> Path:
    """Return the one file of weights of a folder with a configuration. Raises `NotWeights` if there are several or none."""
    found = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if len(found) != 1:
        listed = f"{len(found)} files of weights: {', '.join(each.name for each in found)}" if found else "no file of weights"
        raise NotWeights(
            f"{folder} has a {CONFIG} and {listed}.",
            "They may hold different numbers; which is meant cannot be seen." if found else f"It would be named {', '.join(WEIGHTS)}.",
            f'Name the file: pthway.load("{found[0] if found else folder / WEIGHTS[0]}")',
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class Configured:
    """What a configuration says of the weights beside it."""

    architecture: Architecture
    arguments: Mapping[str, object]
    named: Callable[[str], str]
    """The name that the class of the installed release has for a name in the file: releases rename parts and still read old files."""


def configured(weights: Path) -> Configured | None:
    """Return what the configuration beside *weights* says; None without one.

    The configuration is data: its ``architectures`` names a class of transformers, or its ``architecture`` a network of timm.
    Code that a folder brings along (``auto_map``) is never run. Raises `ArchitectureNotFound` for a class that the installed
    transformers does not have, `MissingDependency` without the library, and `CorruptFile` for what is no JSON object.
    """
    path = weights.parent / CONFIG
    if weights.name not in WEIGHTS or not path.is_file():
        return None
    config = _read(path)
    if isinstance(config.get("architecture"), str):
        return _of_timm(config)
    names = config.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(config.get("model_type"), str):
        return None
    return _of_transformers(path, str(names[0]), config)


def _of_timm(config: Mapping[str, Any]) -> Configured | None:
    found = zoo_architecture(f"timm:{config['architecture']}")
    passed = {name: config[name] for name in ("num_classes", "global_pool") if config.get(name) is not None}
    extra = config.get("model_args")
    return None if found is None else Configured(found, {**passed, **(extra if isinstance(extra, dict) else {})}, _as_it_is)


def _of_transformers(path: Path, name: str, config: Mapping[str, Any]) -> Configured:
    transformers = _lazy.load("transformers")
    kinds, kind = transformers.CONFIG_MAPPING, config["model_type"]
    built = transformers_class(name)
    if kind not in kinds or built is None:
        own = (
            "Its own code (auto_map) is not run: nothing in a folder of weights is executed."
            if "auto_map" in config
            else "It may be newer."
        )
        raise ArchitectureNotFound(
            f"{path} names the class {name!a} of type {kind!a}, which transformers {transformers.__version__} does not have.",
            own,
            f'pthway.load(path, "file.py:{name if name.isidentifier() else "Name"}") with its code, or install the release that has it.',
        )
    settings = kinds[kind].from_dict({key: value for key, value in config.items() if key != "auto_map"})

    def build() -> Any:
        return built(copy.deepcopy(settings))

    architecture = Architecture(f"transformers:{name}", build, None)
    return Configured(architecture, {}, renaming(architecture, {}))


def _as_it_is(name: str) -> str:
    return name


def renaming(architecture: Architecture, arguments: Mapping[str, object]) -> Callable[[str], str]:
    """Return the renaming that transformers itself applies when it loads (release 5); what it merges or splits is left."""
    if not find_spec("transformers.conversion_mapping"):
        return _as_it_is
    module = _lazy.load("pthway.architecture.build:build")(architecture, arguments).module
    rename, kind = (
        _lazy.load("transformers.core_model_loading:rename_source_key"),
        _lazy.load("transformers.core_model_loading:WeightRenaming"),
    )
    rules = [each for each in _lazy.load("transformers.conversion_mapping:get_model_conversion_mapping")(module) if isinstance(each, kind)]
    own, prefix = module.state_dict(), module.base_model_prefix
    return lambda name: name if name in own else str(rename(name, rules, [], prefix, own)[0])


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST:
        raise CorruptFile(f"{path} has {path.stat().st_size:,} bytes.", f"A configuration has at most {LARGEST:,}.", "Download it again.")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as cause:
        raise CorruptFile(
            f"{path} is no JSON that can be read: {str(cause)[:120]}", "It is a configuration.", "Download it again."
        ) from cause
    if not isinstance(found, dict):
        raise CorruptFile(f"{path} is no JSON object.", "A configuration has names and values.", "Download it again.")
    return found
