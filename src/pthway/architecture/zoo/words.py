"""What the index says of a checkpoint, in words."""

from collections.abc import Mapping, Sequence
from typing import Final

from pthway.architecture.causes import find_causes
from pthway.architecture.difference import Shaped, compare
from pthway.architecture.zoo.index import Index
from pthway.architecture.zoo.lookup import INPUT_CHANNELS, Exact, Reading, comparable
from pthway.architecture.zoo.nearest import Relative
from pthway.architecture.zoo.sizes import CHANNELS, CLASSES

NAMED: Final = 4
"""Networks that are named in a row before the rest is counted."""
CAUSES: Final = 4
"""Differences that are told of the nearest relative."""


def exact_facts(index: Index, found: Exact, tensors: int) -> list[tuple[str, str]]:
    """Return what is known of a checkpoint of which every tensor is explained, as label and text."""
    networks = found.networks
    rows = [("is", names(networks[0]))] if len(networks) == 1 else []
    for at, network in enumerate(networks if len(networks) > 1 else ()):
        rows.append(("one of" if at == 0 else "", names(network) + _settings(index, network)))
    rows.append(("because", f"all {tensors:,} tensors agree in name and shape"))
    if found.ruled_out:
        rows.append(
            ("", f"{_networks(found.ruled_out)} of these weights can be ruled out: their modules are not those that _metadata notes")
        )
    first = found.readings[0]
    if first.classes is not None:
        rows.append(("classes", _count(first.classes, first.row.classes, first.evidence[CLASSES])))
    if first.channels not in (None, first.row.channels, INPUT_CHANNELS):
        rows.append(("channels", _count(first.channels, first.row.channels or INPUT_CHANNELS, first.evidence[CHANNELS])))
    return rows


def relative_facts(relatives: Sequence[Relative], tensors: Mapping[str, Shaped]) -> list[tuple[str, str]]:
    """Return what a checkpoint contains or resembles that is no network of the index, as label and text."""
    rows: list[tuple[str, str]] = []
    for at, each in enumerate(relatives):
        label = "contains" if each.contained else "nearest"
        rows.append((label if at == 0 or label != _label(relatives[at - 1]) else "", _relation(each)))
        if at == 0:
            rows += [("differs" if line == 0 else "", text) for line, text in enumerate(differences(each, tensors))]
    return rows


def separations(index: Index, found: Exact) -> str:
    """Return by which settings the networks of a group differ, such as ``timm:resnet50: aa_layer=None``; one line each."""
    return "\n       ".join(names(network) + _settings(index, network) for network in found.networks)


def names(readings: Sequence[Reading]) -> str:
    """Return the names of one network, with what its builder has to be passed besides classes and channels."""
    spelled = [spelling(reading) for reading in readings]
    more = f" and {len(spelled) - NAMED} more names" if len(spelled) > NAMED else ""
    same = ", the same network" if len(spelled) > 1 else ""
    return ", ".join(spelled[:NAMED]) + more + same


def spelling(reading: Reading) -> str:
    """Return the name of a network with the arguments of its variant, such as ``torchvision:fcn_resnet50(aux_loss=True)``."""
    passed = ", ".join(f"{name}={value!r}" for name, value in reading.row.arguments.items())
    return reading.row.spelling + (f"({passed})" if passed else "")


def differences(relative: Relative, tensors: Mapping[str, Shaped]) -> list[str]:
    """Return in words where a checkpoint and its relative part, few lines."""
    counted = comparable(tensors)
    below = {name[len(relative.prefix) :]: tensors[name] for name in counted if name.startswith(relative.prefix)}
    causes = find_causes(relative.expected, below, compare(relative.expected, below), relative.rows[0].name)
    lines = [cause.text for cause in causes[:CAUSES]]
    if len(causes) > CAUSES:
        lines.append(f"and {sum(len(cause.keys) for cause in causes[CAUSES:]):,} more tensors in {len(causes) - CAUSES} more modules")
    rest = len(counted) - len(below)
    return lines + [f"{rest:,} tensors do not stand below {relative.prefix!r}"] * (rest > 0)


def _settings(index: Index, network: Sequence[Reading]) -> str:
    group = network[0].row.group
    if group is None:
        return ""
    numbers = {reading.number for reading in network}
    told = [
        f"{setting}={value}"
        for setting, values in index.separations[group].items()
        for value, rows in values.items()
        if numbers & set(rows)
    ]
    return f": {', '.join(told)}" if told else ""


def _relation(relative: Relative) -> str:
    spelled = [row.spelling for row in relative.rows]
    more = f" and {len(spelled) - NAMED} more" if len(spelled) > NAMED else ""
    place = f" below {relative.prefix!r}" if relative.prefix else ""
    share = f"{relative.shared:,} of its {relative.of_network:,} tensors, {relative.coverage:.0%} of the file's {relative.of_file:,}"
    return f"{' or '.join(spelled[:NAMED])}{more}{place}: {share}"


def _label(relative: Relative) -> str:
    return "contains" if relative.contained else "nearest"


def _count(found: int | None, default: int | None, evidence: str) -> str:
    return f"{found} ({evidence})" + (f"; the library's own number is {default}" if default not in (None, found) else "")


def _networks(count: int) -> str:
    return "1 more name" if count == 1 else f"{count} more names"
