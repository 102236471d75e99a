"""What a module leaves in its state dict, as numbers that can be compared and solved for."""

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from pthway.architecture.difference import Shape, Shaped

PRESENT: Final = -1
CHILDREN: Final = -2

Feature = tuple[str, int]
"""A key and one of its dimensions; a key and `PRESENT`; or a numbered prefix (``layers.``) and `CHILDREN`."""
Features = Mapping[Feature, int]

_NUMBER: Final = re.compile(r"\d+")


def features(tensors: Mapping[str, Shaped]) -> dict[Feature, int]:
    """Return every size in *tensors*: dimensions, the presence of keys, the count of numbered children of prefixes."""
    found: dict[Feature, int] = {}
    children: dict[str, set[str]] = defaultdict(set)
    for key, tensor in tensors.items():
        found[key, PRESENT] = 1
        if not (isinstance(tensor, Shape) and tensor.free):
            found.update({(key, dimension): size for dimension, size in enumerate(tensor.shape)})
        for prefix, number in _numbers(key):
            children[prefix].add(number)
    found.update({(prefix, CHILDREN): len(numbers) for prefix, numbers in children.items()})
    return found


@lru_cache(maxsize=50_000)
def _numbers(key: str) -> tuple[tuple[str, str], ...]:
    return tuple((key[: match.start()], match.group()) for match in _NUMBER.finditer(key))


def moved(before: Features, after: Features) -> dict[Feature, int]:
    """Return by how much each feature changed; an absent one counts as 0."""
    return {
        feature: after.get(feature, 0) - before.get(feature, 0)
        for feature in dict.fromkeys((*after, *before))
        if after.get(feature, 0) != before.get(feature, 0)
    }
