"""The real networks of torchvision and timm are recognised, and loaded they give the bits that the libraries' own give."""

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

import pthway
from pthway.architecture.difference import Shape
from pthway.architecture.zoo.index import the_index
from pthway.architecture.zoo.lookup import exact
from pthway.errors import AmbiguousArchitecture, ArchitectureNotFound, PthwayError

pytestmark = pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")  # of GoogLeNet and Inception

OTHER = 77
"""Classes that no network has by default."""
TORCHVISION = sorted(torchvision.models.list_models(module=torchvision.models))
TIMM = sorted(timm.list_models())[::4]
NETWORKS = [f"torchvision:{name}" for name in TORCHVISION] + [f"timm:{name}" for name in TIMM]
SAMPLE = [
    *(f"torchvision:{name}" for name in ("alexnet", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2")),
    *(
        f"torchvision:{name}"
        for name in ("mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t")
    ),
    *(f"timm:{name}" for name in ("resnet10t", "resnet14t", "resnetblur18", "seresnet18", "efficientnet_lite0", "tf_efficientnet_b0")),
    *(f"timm:{name}" for name in ("mobilenetv3_small_050", "tf_mobilenetv3_small_075", "mobilenetv4_conv_small", "ghostnet_050")),
    *(
        f"timm:{name}"
        for name in ("vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224")
    ),
    *(f"timm:{name}" for name in ("regnetx_002", "repvgg_a0", "edgenext_xx_small", "poolformer_s12")),
]


class WithoutFills(TorchFunctionMode):
    """On meta a fill does nothing, and takes most of the time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        fills = name.endswith("_") and not name.startswith("_") and args and isinstance(args[0], torch.Tensor) and args[0].is_meta
        return args[0] if fills and "requires_grad" not in name else func(*args, **(kwargs or {}))


class Weights(NamedTuple):
    """Names and shapes of one network, from the library itself."""

    default: Mapping[str, Shape]
    other: Mapping[str, Shape]
    """With `OTHER` classes."""
    tree: tuple[str, ...]


def builder(name: str) -> Callable[..., nn.Module]:
    library, _, short = name.partition(":")
    if library == "timm":
        return lambda **arguments: timm.create_model(short, pretrained=False, **arguments)
    return lambda **arguments: torchvision.models.get_model(short, weights=None, **arguments)


def on_meta(name: str, **arguments: int) -> nn.Module:
    try:
        with torch.device("meta"), WithoutFills():
            return builder(name)(**arguments)
    except Exception:  # noqa: BLE001 - some constructors compute with what they made
        return builder(name)(**arguments)


def shapes(module: nn.Module) -> dict[str, Shape]:
    return {key: Shape(tuple(value.shape), "float32") for key, value in module.state_dict().items()}


@cache
def weights(name: str) -> Weights:
    module = on_meta(name)
    tree = tuple(module.state_dict()._metadata)  # type: ignore[attr-defined]
    return Weights(shapes(module), shapes(on_meta(name, num_classes=OTHER)), tree)


def classified(name: str) -> bool:
    """Whether the number of classes changes the weights at all: a few encoders of timm have no head to change."""
    return weights(name).default != weights(name).other


def named(tensors: Mapping[str, Shape], tree: tuple[str, ...] | None = None) -> set[str]:
    return {reading.row.spelling for reading in exact(the_index(), tensors, tree).readings}


def test_the_networks_are_enough() -> None:
    assert len(TORCHVISION) >= 80 and len(TIMM) >= 300 and len(SAMPLE) == 30


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_in_the_group_that_is_named_for_its_weights(name: str) -> None:
    assert name in named(weights(name).default)
    assert name in named(weights(name).default, weights(name).tree)
    readings = [reading for reading in exact(the_index(), weights(name).other).readings if reading.row.spelling == name]
    readings = exact(the_index(), weights(name).other).readings
    assert {reading.classes for reading in readings if reading.row.spelling == name} == {OTHER if classified(name) else None}


def test_a_group_is_the_networks_of_the_same_names_and_shapes_and_no_others() -> None:
    def key(name: str) -> frozenset[tuple[str, tuple[int, ...]]]:
        counted = weights(name).other.items()
        return frozenset((key, shape.shape) for key, shape in counted if not key.endswith("num_batches_tracked"))

    alike: dict[object, set[str]] = defaultdict(set)
    for name in NETWORKS:
        alike[key(name)].add(name)
    for name in NETWORKS:
        readings = exact(the_index(), weights(name).other).readings
        built_alike = {reading.row.spelling for reading in readings if not reading.row.arguments}
        assert built_alike & set(NETWORKS) == alike[key(name)]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_loaded_network_gives_the_bits_of_the_librarys_own(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = builder(name)(num_classes=7).eval()
    torch.save(network.state_dict(), tmp_path / "flowers.pth")
    try:
        model = pthway.load(tmp_path / "flowers.pth")
    except AmbiguousArchitecture as several:
        assert name in several.why
        model = pthway.load(tmp_path / "flowers.pth", name)
    size = (getattr(network, "pretrained_cfg", None) or {}).get("input_size", (3, 224, 224))
    images = torch.randn(2, *size)
    with torch.inference_mode():
        assert torch.equal(model(images), network(images))
    assert model.arguments["num_classes"].value == 7


def test_channels_are_found_and_passed_on(tmp_path: Path) -> None:
    network = timm.create_model("mobilenetv3_small_050", num_classes=3, in_chans=1).eval()
    torch.save(dict(network.state_dict()), tmp_path / "m.pth")
    model = pthway.load(tmp_path / "m.pth", "timm:mobilenetv3_small_050")
    images = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(images), network(images))
    assert model.arguments["in_chans"].value == 1


def test_a_published_segmentation_network_is_built_with_its_auxiliary_head(tmp_path: Path) -> None:
    network = torchvision.models.get_model(
        "deeplabv3_mobilenet_v3_large", weights=None, weights_backbone=None, aux_loss=True, num_classes=4
    )
    torch.save(network.state_dict(), tmp_path / "m.pth")
    model = pthway.load(tmp_path / "m.pth")
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(images)["aux"], network.eval()(images)["aux"])


def test_the_index_is_of_the_installed_releases() -> None:
    installed = {library: sys.modules[library].__version__.partition("+")[0] for library in ("timm", "torchvision", "torch")}
    assert the_index().libraries == installed


def test_downloads_are_never_asked_for(tmp_path: Path) -> None:
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), tmp_path / "m.pth")
    with pytest.raises(PthwayError, match="pretrained"):
        pthway.load(tmp_path / "m.pth", "timm:mobilenetv3_small_050", pretrained=True)
    with pytest.raises(ArchitectureNotFound, match="hf-hub"):
        pthway.load(tmp_path / "m.pth", "timm:hf-hub:timm/resnet18")
