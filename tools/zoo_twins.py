"""Compares networks whose weights have the same names and shapes: do they compute the same, and if not, by which setting do they differ."""

import dataclasses
import math
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, Final

import torch
from torch import Tensor, nn
from zoo_survey import IMAGE_CHANNELS, Surveyed, factory

from pthway.architecture.build import build
from pthway.architecture.match import Architecture

LARGEST: Final = 130_000_000
"""Parameters of a network that is run to compare it; larger ones are told apart by their settings alone."""
PROBE_CLASSES: Final = 10
SMALL: Final = (96, 128)
"""Heights of images that networks of any size are compared at; those of one size at their own."""
USUAL_SIDE: Final = 224
LONGEST: Final = 60
"""Characters of a setting that is named."""
SETTINGS: Final = 4
"""Settings named for a group at most."""
UNTOLD: Final = frozenset(
    {
        *("training", "num_classes", "in_features", "out_features", "num_features", "head_hidden_size", "pretrained_cfg", "cache_dir"),
        *("pretrained_cfg_overlay", "pretrained_filter_fn", "pretrained_strict", "feature_cfg"),
    }
)
"""Attributes and arguments that the user chooses or that computing does not depend on."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one build of a network tells of it."""

    facts: Mapping[str, str]
    """Class and plain settings of every module, by path."""
    configuration: Mapping[str, str]
    """What the library's function passes to the class, nested settings by dotted name; of timm alone."""
    side: int
    """The usual height of its images, in pixels."""


def compared(group: Sequence[Surveyed]) -> tuple[list[int], dict[str, dict[str, list[int]]]]:
    """Return a number for each member of *group*, the same for those that are one network, and what keeps the others apart.

    One network are those whose modules agree in class and settings throughout, and those that give the same bits for the same
    weights and random images, at two sizes where they take more than one.
    """
    told = [tell(row) for row in group]
    found = networks(group, told)
    return found, separations(group, told, found) if len(set(found)) > 1 else {}


def networks(group: Sequence[Surveyed], told: Sequence[Told]) -> list[int]:
    """Return a number for each member, the same for those that are one network."""
    alike = [next(other for other in range(len(group)) if told[other].facts == told[each].facts) for each in range(len(group))]
    runs = {each: outputs(group[each], told[alike[0]].side) for each in sorted(set(alike))} if len(set(alike)) > 1 else {}
    first: dict[int, int] = {}
    for each in sorted(runs):
        same = (other for other in first if _equal(runs[each], runs[other]))
        first[each] = first.get(next(same, each), each)
    order = sorted({first.get(each, each) for each in alike})
    return [order.index(first.get(each, each)) for each in alike]


def separations(group: Sequence[Surveyed], told: Sequence[Told], found: Sequence[int]) -> dict[str, dict[str, list[int]]]:
    """Return setting → value → positions in *group*: few settings that keep the networks of *found* apart.

    What the library's own functions pass to the class comes first, then what the modules hold.
    """
    heads = {number: _representative(group, found, number) for number in sorted(set(found))}
    open_pairs = set(combinations(heads, 2))
    chosen: dict[str, dict[str, list[int]]] = {}
    for kind in ("configuration", "facts"):
        settings: dict[int, Mapping[str, str]] = {number: getattr(told[position], kind) for number, position in heads.items()}
        while open_pairs and len(chosen) < SETTINGS:
            best = _most_telling(settings, open_pairs)
            if best is None:
                break
            values: dict[str, list[int]] = {}
            for position, number in enumerate(found):
                values.setdefault(settings[number].get(best, "not set"), []).append(position)
            chosen[best] = values
            open_pairs = {pair for pair in open_pairs if settings[pair[0]].get(best) == settings[pair[1]].get(best)}
    return chosen


def _most_telling(told: Mapping[int, Mapping[str, str]], pairs: set[tuple[int, int]]) -> str | None:
    # Networks of which nothing is known this way (another library's) say nothing about the others.
    # A long text, such as the description of all blocks, tells a reader nothing; what differs in it shows in the modules too.
    known = [pair for pair in pairs if told[pair[0]] and told[pair[1]]]
    names = sorted(
        {name for pair in known for number in pair for name in told[number]}, key=lambda name: (name.count("."), len(name), name)
    )
    counts = {name: sum(told[a].get(name) != told[b].get(name) for a, b in known) for name in names}
    names = [name for name in names if all(len(of.get(name, "")) <= LONGEST for of in told.values())]
    best = max(names, key=lambda name: counts[name], default=None)
    return best if best is not None and counts[best] else None


def _representative(group: Sequence[Surveyed], found: Sequence[int], number: int) -> int:
    members = [position for position, each in enumerate(found) if each == number]
    return next((position for position in members if group[position].library == "timm"), members[0])


# --- settings ---------------------------------------------------------------------------------------------------------


def tell(row: Surveyed) -> Told:
    """Return what a build of the network tells of it."""
    with _passed() as passed:
        module = _module(row)
    facts: dict[str, str] = {}
    for path, child in module.named_modules():
        facts[path or "the class"] = type(child).__name__
        for name, value in sorted(vars(child).items()):
            if not name.startswith("_") and name not in UNTOLD and _plain(value):
                facts[f"{path}.{name}".lstrip(".")] = _text(value)
    configuration = dict(_flat("", {name: value for each in passed for name, value in each.items() if name not in UNTOLD}))
    size = (getattr(module, "pretrained_cfg", None) or {}).get("input_size", (3, USUAL_SIDE, USUAL_SIDE))
    return Told(facts, configuration, int(size[-1]))


@contextmanager
def _passed() -> Iterator[list[dict[str, Any]]]:
    """What timm's functions pass to the classes of networks while the block runs."""
    homes = [module for name, module in sorted(sys.modules.items()) if name.startswith("timm.models.")]
    homes = [module for module in homes if hasattr(module, "build_model_with_cfg")]
    original: Callable[..., Any] = homes[0].build_model_with_cfg
    passed: list[dict[str, Any]] = []

    def noting(model_class: type, variant: str, pretrained: bool, *rest: Any, **arguments: Any) -> Any:  # noqa: FBT001 - timm's signature
        passed.append({"class": model_class, **arguments})
        return original(model_class, variant, pretrained, *rest, **arguments)

    for module in homes:
        module.build_model_with_cfg = noting
    try:
        yield passed
    finally:
        for module in homes:
            module.build_model_with_cfg = original


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}".lstrip("."), inner)
    elif not isinstance(value, Tensor):
        yield name, _text(value)


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_plain(each) for each in value)
    return value is None or isinstance(value, bool | int | float | str) or (callable(value) and not isinstance(value, nn.Module))


def _text(value: Any) -> str:
    if isinstance(value, partial):
        return f"{_text(value.func)}({', '.join(f'{name}={_text(each)}' for name, each in value.keywords.items())})"
    if isinstance(value, list | tuple):
        return f"({', '.join(_text(each) for each in value)})"
    return str(getattr(value, "__name__", None) or (type(value).__name__ if callable(value) else value))


# --- answers ----------------------------------------------------------------------------------------------------------


def outputs(row: Surveyed, side: int) -> list[Tensor]:
    """Return the answers to random images of two sizes, the small ones if it takes them; nothing where there are none to compare."""
    module = _module(row, **({"num_classes": PROBE_CLASSES} if row.classes else {}))
    if sum(parameter.numel() for parameter in module.parameters()) > LARGEST:
        return []
    state = {name: filled for name, value in module.state_dict().items() if (filled := _filled(name, value)) is not None}
    module.load_state_dict(state, strict=False, assign=True)
    module.eval()
    found = [answer for pixels in SMALL if (answer := _answer(module, row.channels or IMAGE_CHANNELS, pixels)) is not None]
    if len(found) < len(SMALL):
        answer = _answer(module, row.channels or IMAGE_CHANNELS, side)
        found = [] if answer is None else [answer]
    return found


def _answer(module: nn.Module, channels: int, pixels: int) -> Tensor | None:
    images = torch.randn(2, channels, pixels, pixels, generator=torch.Generator().manual_seed(pixels))
    try:
        with torch.inference_mode():
            answer = module(images)
    except Exception:  # noqa: BLE001 - it takes no such images
        return None
    usable = isinstance(answer, Tensor) and bool(answer.isfinite().all()) and not _deaf(answer)
    return answer if usable else None


def _deaf(answer: Tensor) -> bool:
    """Whether two images gave nearly the same answer, so that to agree would mean little."""
    return float((answer[0] - answer[1]).abs().max()) < 1e-3 * float(answer.abs().max())


def _equal(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return 0 < len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _filled(name: str, value: Tensor) -> Tensor | None:
    """Return weights of a sensible size that depend on name and shape alone; None for what the constructor computed."""
    last = name.rpartition(".")[2]
    if not value.is_floating_point() or not (value.is_meta or last in ("running_mean", "running_var")):
        return None
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if last == "running_var" or (value.ndim <= 1 and last != "bias" and last != "running_mean"):
        return torch.rand(value.shape, generator=generator) + 0.5
    scale = 0.1 if value.ndim <= 1 else 1 / math.sqrt(max(value[0].numel(), 1))
    return torch.randn(value.shape, generator=generator) * scale


def _module(row: Surveyed, **arguments: object) -> nn.Module:
    return build(Architecture(row.spelling, factory(row.library, row.name), None), {**row.arguments, **arguments}).module
