"""Surveys the networks of the installed libraries: names and shapes of their weights, with what the user's choices change left open."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import timm
import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from pthway.architecture.build import FILLS, build
from pthway.architecture.difference import BATCH_COUNTER
from pthway.architecture.match import Architecture

MORE_CLASSES: Final = 10_007
"""Classes added in the second build. A prime well above any channel step, so that one build shows both."""
MORE_CHANNELS: Final = 2
"""Input channels added in the second build."""
USUAL_CLASSES: Final = 1000
IMAGE_CHANNELS: Final = 3

VARIANTS: Final[Mapping[str, tuple[dict[str, object], ...]]] = {
    **dict.fromkeys(
        ("googlenet", "inception_v3", "quantized_googlenet", "quantized_inception_v3"),
        ({"aux_logits": False}, {"transform_input": True}, {"aux_logits": False, "transform_input": True}),
    ),
    "deeplabv3_mobilenet_v3_large": ({"aux_loss": True},),
    "deeplabv3_resnet50": ({"aux_loss": True},),
    "deeplabv3_resnet101": ({"aux_loss": True},),
    "fcn_resnet50": ({"aux_loss": True},),
    "fcn_resnet101": ({"aux_loss": True},),
}
"""Builds of torchvision with other arguments whose weights are in use: published ones of segmentation have an auxiliary head, and
those of the Inceptions are for images that the network transforms once more."""


class WithoutFills(TorchFunctionMode):
    """Skips what only fills tensors on meta: it does nothing there, and is most of the cost of attention networks."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the tensor as it is where it would be filled."""
        if getattr(func, "__name__", "") in FILLS and args and isinstance(args[0], torch.Tensor) and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One way to build one network, and the names and shapes of its weights."""

    library: str
    name: str
    arguments: Mapping[str, object]
    """What has to be passed to the library besides the number of classes and channels."""
    shapes: Mapping[str, tuple[str, ...]]
    """In the order of the state dict: sizes as text, linear in ``n`` (classes) or ``c`` (input channels) where those decide."""
    classes: int | None
    """The library's default, None where no number of classes can be chosen."""
    channels: int | None
    """The library's default, None where it has no argument for it."""
    tree: tuple[str, ...]
    """Paths of all modules, as ``state_dict()`` notes them in ``_metadata``."""

    @property
    def spelling(self) -> str:
        """Return how pthway names it."""
        return f"{self.library}:{self.name}"


def jobs() -> list[tuple[str, str]]:
    """Return library and name of every network, in the order in which an answer lists them: variants for quantisation after the others."""
    own = sorted(torchvision.models.list_models(), key=lambda name: (name.startswith("quantized_"), name))
    return [("torchvision", name) for name in own] + [("timm", name) for name in sorted(timm.list_models())]


def factory(library: str, name: str) -> Callable[..., nn.Module]:
    """Return the function that builds one network without downloading anything."""
    if library == "timm":
        return lambda **arguments: timm.create_model(name, pretrained=False, **arguments)
    builder = torchvision.models.get_model_builder(name)
    weightless = {each: None for each in ("weights", "weights_backbone") if each in inspect.signature(builder).parameters}
    return lambda **arguments: builder(**{**weightless, **arguments})


def module_of(library: str, name: str, arguments: Mapping[str, object]) -> nn.Module:
    """Return the network without its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.device("meta"), WithoutFills():
                return factory(library, name)(**arguments)
        except Exception:  # noqa: BLE001 - some constructors read what they made; pthway's own way builds those
            return build(Architecture(f"{library}:{name}", factory(library, name), None), arguments).module


def survey(library: str, name: str) -> list[Surveyed]:
    """Return the rows of one network: as it comes, with a head where it comes without, and without its head."""
    if library == "torchvision":
        return [_torchvision(name, arguments) for arguments in ({}, *VARIANTS.get(name, ()))]
    return list(_timm(name))


def _torchvision(name: str, arguments: Mapping[str, object]) -> Surveyed:
    module = module_of("torchvision", name, arguments)
    own = _sizes(module)
    try:
        more = _sizes(module_of("torchvision", name, {**arguments, "num_classes": USUAL_CLASSES + MORE_CLASSES}))
        fewer = _sizes(module_of("torchvision", name, {**arguments, "num_classes": USUAL_CLASSES}))
    except Exception:  # noqa: BLE001 - optical flow has no classes
        more = fewer = own
    default = _default_classes(own, fewer, more)
    shapes = _symbolic(fewer, more, {"n": (USUAL_CLASSES, MORE_CLASSES)})
    return Surveyed("torchvision", name, arguments, _with_stem(shapes), default, None, _tree(module))


def _default_classes(own: dict[str, tuple[int, ...]], at_usual: dict[str, tuple[int, ...]], more: dict[str, tuple[int, ...]]) -> int | None:
    """Return the library's default: where it stands on the line between two builds."""
    for key, sizes in at_usual.items():
        for at, size in enumerate(sizes):
            if more[key][at] != size:
                slope = (more[key][at] - size) // MORE_CLASSES
                return USUAL_CLASSES + (own[key][at] - size) // slope
    return None


def _with_stem(shapes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Mark the input channels of a library without an argument for them: dimension 1 of the first convolution, if that is three."""
    convolution = next((key for key, sizes in shapes.items() if len(sizes) >= 4), None)  # noqa: PLR2004 - out, in, height, width
    if convolution is None or shapes[convolution][1] != str(IMAGE_CHANNELS):
        return shapes
    out, _, *window = shapes[convolution]
    return shapes | {convolution: (out, "c", *window)}


def _timm(name: str) -> Iterator[Surveyed]:
    module = module_of("timm", name, {})
    classes = int(getattr(module, "num_classes", 0) or 0)
    channels = int((getattr(module, "pretrained_cfg", None) or {}).get("input_size", (IMAGE_CHANNELS,))[0])
    if classes == 0:
        yield _timm_row(name, {}, module, 0, channels)
        headed = module_of("timm", name, {"num_classes": USUAL_CLASSES})
        if _sizes(headed).keys() != _sizes(module).keys():
            yield _timm_row(name, {}, headed, USUAL_CLASSES, channels)
        return
    whole = _timm_row(name, {}, module, classes, channels)
    yield whole
    try:
        headless = module_of("timm", name, {"num_classes": 0})
    except Exception:  # noqa: BLE001 - a few cannot be had without a head
        return
    left = _sizes(headless)
    if left.keys() != whole.shapes.keys() and left.items() <= _sizes(module).items():
        shapes = {key: whole.shapes[key] for key in left}
        yield replace(whole, arguments={"num_classes": 0}, shapes=shapes, classes=None, tree=_tree(headless))


def _timm_row(name: str, arguments: Mapping[str, object], module: nn.Module, classes: int, channels: int) -> Surveyed:
    own = _sizes(module)
    wider = {"in_chans": channels + MORE_CHANNELS}
    more_classes = {"num_classes": classes + MORE_CLASSES} if classes else dict(arguments)
    steps = {"n": (classes, MORE_CLASSES)} if classes else {}
    free = True
    try:
        more = _sizes(module_of("timm", name, more_classes | wider))
        steps |= {"c": (channels, MORE_CHANNELS)}
    except Exception:  # noqa: BLE001 - the input channels of some are fixed
        more, free = _sizes(module_of("timm", name, more_classes)), False
    shapes = _symbolic(own, more, steps)
    return Surveyed("timm", name, arguments, shapes, classes or None, channels if free else None, _tree(module))


def _sizes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    state = module.state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if key.rpartition(".")[2] != BATCH_COUNTER and hasattr(value, "shape")}


def _tree(module: nn.Module) -> tuple[str, ...]:
    return tuple(getattr(module.state_dict(), "_metadata", {}))


def _symbolic(
    own: Mapping[str, tuple[int, ...]], more: Mapping[str, tuple[int, ...]], steps: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[str, ...]]:
    """Return the sizes of *own* with those that differ in *more* as lines in the letters of *steps* (value here, and what was added)."""
    if list(own) != list(more):
        raise ValueError("the names of the weights depend on the number of classes or channels")
    return {key: tuple(_size(a, b, steps) for a, b in zip(own[key], more[key], strict=True)) for key in own}


def _size(here: int, there: int, steps: Mapping[str, tuple[int, int]]) -> str:
    if here == there:
        return str(here)
    for letter, (value, step) in sorted(steps.items(), key=lambda item: -item[1][1]):
        slope, rest = divmod(there - here, step)
        if rest == 0 and slope > 0:
            offset = here - slope * value
            return f"{'' if slope == 1 else slope}{letter}" + (f"{offset:+d}" if offset else "")
    raise ValueError(f"a size moves from {here} to {there}, in no proportion to classes or channels")
