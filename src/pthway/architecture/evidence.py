"""Says in words from which tensor the value of an argument is known."""

from collections.abc import Mapping
from fractions import Fraction

from pthway.architecture.difference import Shaped
from pthway.architecture.probe import Variation
from pthway.architecture.slots import Number, Slot
from pthway.architecture.trace import CHILDREN, PRESENT, Feature, features


def evidence(name: Slot, number: Number, variations: Mapping[str, Variation], found: Mapping[str, Shaped]) -> str:
    """Return the plainest size that shows *name*, such as ``fc1.weight is [128, 784]: dimension 1 is input_size``."""
    slopes, value = variations[name].slopes, Fraction(number).limit_denominator(1000)
    sizes = features(found)
    others = [each.slopes for other, each in variations.items() if other != name]
    place = {feature: position for position, feature in enumerate(sizes)}

    def rank(feature: Feature) -> tuple[bool, bool, bool, Fraction, int]:
        slope = slopes[feature]
        offset = sizes[feature] != slope * value
        shared = any(feature in other for other in others)
        return shared, feature[1] == CHILDREN, offset, abs(slope - 1), place[feature]

    shown = [feature for feature in slopes if feature in sizes and feature[1] != PRESENT]
    if not shown:
        return "the names of the tensors change with it"
    best = min(shown, key=rank)
    claim = _claim(name, slopes[best], sizes[best] - slopes[best] * value, rank(best)[0])
    key, dimension = best
    if dimension == CHILDREN:
        return f"the checkpoint has {sizes[best]} of {key}…: this {claim}"
    return f"{key} is {list(found[key].shape)}: dimension {dimension} {claim}"


def _claim(name: str, slope: Fraction, offset: Fraction, shared: object) -> str:
    if shared and (offset or slope != 1):
        return f"moves with {name}"
    times = name if slope == 1 else f"{slope} * {name}"
    return f"is {times}" + (f" {'+' if offset > 0 else '-'} {abs(offset)}" if offset else "")
