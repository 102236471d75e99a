"""Builds the checkpoints of find.py: run by the Python of an environment that has torchvision, timm, transformers and facenet-pytorch.

    python benchmarks/zoo_checkpoints.py FOLDER COUNT SEED

Each checkpoint is the state dict of a network that a library's own class made, with another number of classes or layers, drawn at
random; its tensors have their shapes and one number each, so that a file is small. `index.json` tells which class made which file,
and which could not be built.
"""

import importlib
import inspect
import json
import random
import resource
import sys
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

FACENET = 2
MAX_EXPANSION, MAX_UNCHECKED = 15, 64 * 2**20
"""pthway reads a tensor that repeats its storage as often as this, or is smaller."""
MEMORY = 10 * 2**30
"""Bytes of address space that building may take."""
LARGEST = 3_000
"""Tensors of a network; larger ones take long to build and teach nothing more."""


def torchvision_networks(draw: random.Random) -> Iterator[Callable[[], nn.Module]]:
    """One builder of each class of networks."""
    models = importlib.import_module("torchvision.models")
    families: dict[str, list[str]] = defaultdict(list)
    for name in models.list_models():
        builder = models.get_model_builder(name)
        if "quantization" not in builder.__module__:
            families[builder.__module__].append(name)
    for names in families.values():
        yield lambda names=names: _torchvision(models, draw.choice(names), draw)


def _torchvision(models: Any, name: str, draw: random.Random) -> nn.Module:
    settings = {"weights": None, "num_classes": draw.choice((7, 21, 91))}
    accepted = inspect.signature(models.get_model_builder(name)).parameters
    if "weights_backbone" in accepted:
        settings["weights_backbone"] = None  # nothing is downloaded
    try:
        return models.get_model(name, **settings)
    except TypeError:
        return models.get_model(name, weights=None)  # it has no classes


def timm_networks(draw: random.Random) -> Iterator[Callable[[], nn.Module]]:
    """One model of each file of timm."""
    timm = importlib.import_module("timm")
    for family in sorted(timm.list_modules()):
        names = timm.list_models(module=family)
        if names:
            yield lambda names=names: timm.create_model(draw.choice(names), num_classes=draw.choice((0, 7, 100, 1000)))


def transformers_networks(draw: random.Random) -> Iterator[Callable[[], nn.Module]]:
    """A class of each kind of configuration: the bare model, or one with a head."""
    transformers = importlib.import_module("transformers")
    automatic = importlib.import_module("transformers.models.auto.modeling_auto")
    heads = [getattr(automatic, name) for name in dir(automatic) if name.startswith("MODEL_") and name.endswith("_MAPPING")]
    for config_class in sorted(automatic.MODEL_MAPPING.keys(), key=lambda each: each.__name__):
        yield lambda config_class=config_class: _transformer(draw, config_class, heads, transformers)


def _transformer(draw: random.Random, config_class: Any, heads: list[Any], transformers: Any) -> nn.Module:
    del transformers
    found = [mapping[config_class] for mapping in heads if config_class in mapping.keys()]  # noqa: SIM118  # its own kind of mapping
    classes = sorted(
        {each for entry in found for each in (entry if isinstance(entry, tuple) else (entry,))}, key=lambda each: each.__name__
    )
    config = config_class()
    for name in ("num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers", "n_layer"):
        if isinstance(getattr(config, name, None), int):
            try:
                setattr(config, name, draw.randint(2, 4))
            except (AttributeError, ValueError):
                continue
    if hasattr(config, "layer_types") and config.layer_types:
        config.layer_types = config.layer_types[: config.num_hidden_layers]
    return draw.choice(classes)(config)


def facenet_networks(draw: random.Random) -> Iterator[Callable[[], nn.Module]]:
    """The two networks of facenet-pytorch that hold weights of their own."""
    del draw
    facenet = importlib.import_module("facenet_pytorch.models.inception_resnet_v1")
    parts = importlib.import_module("facenet_pytorch.models.mtcnn")
    yield lambda: facenet.InceptionResnetV1(classify=True, num_classes=31)
    yield lambda: parts.RNet(pretrained=False)


LIBRARIES = {
    "torchvision": torchvision_networks,
    "timm": timm_networks,
    "transformers": transformers_networks,
    "facenet_pytorch": facenet_networks,
}


def small(state: OrderedDict[str, Any]) -> OrderedDict[str, Any]:
    """The same names, shapes and module list, in tensors that hold one number each."""
    found: OrderedDict[str, Any] = OrderedDict((name, _of_shape(value)) for name, value in state.items() if isinstance(value, torch.Tensor))
    vars(found)["_metadata"] = vars(state)["_metadata"]
    return found


def _of_shape(like: torch.Tensor) -> torch.Tensor:
    """A tensor that repeats one number; its storage is as large as readers want it for a tensor of that size."""
    stored = like.numel() // MAX_EXPANSION if like.numel() * like.element_size() > MAX_UNCHECKED else 0
    return torch.zeros(1 + stored, dtype=like.dtype)[:1].reshape([1] * like.ndim).expand(like.shape)


def build(make: Callable[[], nn.Module]) -> nn.Module:
    """A module without memory for its weights, or with it where its constructor computes with them."""
    try:
        with torch.device("meta"):
            return make()
    except (RuntimeError, NotImplementedError):
        return make()


def main() -> None:
    """Write the checkpoints and their index."""
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warnings.simplefilter("ignore")
    draw = random.Random(seed)
    torch.set_grad_enabled(False)  # torch's signature
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # the default of some configurations is a network of many gigabytes
    index, failed = [], []
    makers = {name: list(of(draw)) for name, of in LIBRARIES.items()}
    for makers_of in makers.values():
        draw.shuffle(makers_of)
    shares = {"torchvision": count * 2 // 10, "timm": count * 4 // 10, "facenet_pytorch": FACENET}
    shares["transformers"] = count - sum(shares.values())
    for library, share in shares.items():
        made = 0
        for make in makers[library]:
            if made == share:
                break
            try:
                module = build(make)
                state = small(module.state_dict())
            except Exception as cause:  # noqa: BLE001  # whatever a library's constructor raises
                failed.append(f"{library}: {type(cause).__name__}: {cause}"[:200])
                continue
            if not 0 < len(state) <= LARGEST:
                continue
            cls = type(module)
            name = f"{library}_{made:03d}_{cls.__name__}.pth"
            torch.save(state, folder / name)
            index.append(
                {"file": name, "library": library, "class": cls.__name__, "source": inspect.getsourcefile(cls), "tensors": len(state)}
            )
            made += 1
            print(name, len(state), file=sys.stderr)
    (folder / "index.json").write_text(json.dumps({"checkpoints": index, "failed": failed}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
