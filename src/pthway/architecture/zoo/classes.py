"""Which classes of transformers have exactly the weights of a checkpoint, and with which settings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pthway.architecture.difference import Shaped
from pthway.architecture.zoo.lookup import comparable
from pthway.architecture.zoo.settings import Shapes, Solution, solution
from pthway.architecture.zoo.templates import Member, Templates

OLD_BUFFERS: Final = ("position_ids", "inv_freq", "masked_bias")
"""Last parts of names that older releases saved, and that later ones compute."""
OLD_NAMES: Final = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Ends of names as the first releases wrote them."""
TRAINING: Final = (
    *("dropout", "drop_path", "drop_rate", "layerdrop", "pdrop", "initializer", "init_std", "init_range", "use_cache", "mask_time"),
    *("mask_feature", "loss", "cost", "coefficient", "gradient_checkpointing"),
)
"""Parts of names of settings that play no role when a trained network is evaluated."""


class Classed(NamedTuple):
    """Classes that have exactly the weights of a checkpoint, with the same settings."""

    members: tuple[Member, ...]
    solution: Solution
    undecided: Mapping[str, Any]
    """Settings of the first class that leave no trace in the weights and may change its answers → the library's own value."""
    training: Mapping[str, Any]
    """Those that leave no trace either and matter in training alone."""
    left_out: tuple[str, ...]
    """Buffers of the checkpoint that older releases saved."""


def classes(templates: Templates, tensors: Mapping[str, Shaped]) -> tuple[Classed, ...]:
    """Return every class whose weights are *tensors*, name by name and shape by shape, for some settings."""
    for shapes, left_out in _readings(comparable(tensors)):
        found = []
        for number in templates.having(shapes):
            solved = solution(templates.lines(number), shapes)
            if solved is not None:
                found.append(_classed(templates, tuple(templates.members[number]), solved, left_out))
        if found:
            return tuple(found)
    return ()


def _readings(shapes: Shapes) -> Iterator[tuple[Shapes, tuple[str, ...]]]:
    yield shapes, ()
    old = tuple(name for name in shapes if name.rpartition(".")[2] in OLD_BUFFERS)
    renamed = {modern(name): shape for name, shape in shapes.items() if name not in old}
    if len(renamed) == len(shapes) - len(old) and renamed.keys() != shapes.keys():
        yield renamed, old


def modern(name: str) -> str:
    """Return the name that a tensor has since the second major release of the library."""
    for end, now in OLD_NAMES.items():
        if name.endswith(end):
            return name.removesuffix(end) + now
    return name


def _classed(templates: Templates, members: tuple[Member, ...], solved: Solution, left_out: tuple[str, ...]) -> Classed:
    found = solved.settings
    entries = {name.rpartition(".")[0] for name in found if name.rpartition(".")[2].isdigit()}
    rest = {name: value for name, value in templates.settings(members[0]).items() if name not in found}
    for name in entries & rest.keys():
        if all(f"{name}.{at}" in found for at in range(len(rest[name]))):
            del rest[name]
    training = {name: value for name, value in rest.items() if any(part in name for part in TRAINING)}
    undecided = {name: value for name, value in rest.items() if name not in training}
    return Classed(members, solved, undecided, training, left_out)


def nested(settings: Mapping[str, Any], library: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with dotted names as a tree, to be passed to a configuration.

    *library* has the library's own values as a tree: entries of lists that *settings* lacks are taken from there, and what type a part
    or a number is of. Trees among the settings are followed.
    """
    tree: dict[str, Any] = {}
    for name, value in flat(settings):
        *path, last = name.split(".")
        place = int(last) if last.isdigit() else None
        if place is not None:
            *path, last = path
        at, own = tree, library
        for part in path:
            own = own.get(part) or {}
            at = at.setdefault(part, {"model_type": own["model_type"]} if "model_type" in own else {})
        if place is None:
            at[last] = float(value) if isinstance(own.get(last), float) and type(value) is int else value
        else:
            at[last] = _replaced(at.get(last, own.get(last, [])), place, value)
    return tree


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of a tree by dotted name; a dictionary with other keys, such as numbers of classes, is a value."""
    for name, value in settings.items():
        if isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _replaced(entries: Sequence[Any], place: int, value: Any) -> list[Any]:
    return [value if at == place else each for at, each in enumerate(entries)]
