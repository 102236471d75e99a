"""Rectangles whose areas are given, filling a rectangle, each as near to a square as comes easily.

After M. Bruls, K. Huizing and J. van Wijk, Squarified Treemaps, 2000.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


def squarified(sizes: Sequence[float], box: Box) -> list[Box]:
    """A part of *box* for each of *sizes*, which are positive and in falling order; its area is the size's share."""
    scale = box.width * box.height / sum(sizes)
    areas = [size * scale for size in sizes]
    boxes: list[Box] = []
    start = 0
    while start < len(areas):
        side = min(box.width, box.height)
        stop, total = start + 1, areas[start]
        while stop < len(areas) and _worst(areas[start], areas[stop], total + areas[stop], side) <= _worst(
            areas[start], areas[stop - 1], total, side
        ):
            total += areas[stop]
            stop += 1
        box = _row(areas[start:stop], total, box, boxes)
        start = stop
    return boxes


def _worst(largest: float, smallest: float, total: float, side: float) -> float:
    """The longest ratio of sides in a row of this total area along a side of this length."""
    return max(side * side * largest / (total * total), total * total / (side * side * smallest))


def _row(areas: Sequence[float], total: float, box: Box, boxes: list[Box]) -> Box:
    """Put a row along the shorter side of *box*, and return what is left of it."""
    upright = box.width >= box.height
    depth = total / (box.height if upright else box.width)
    at = box.y if upright else box.x
    for area in areas:
        length = area / depth
        boxes.append(Box(box.x, at, depth, length) if upright else Box(at, box.y, length, depth))
        at += length
    if upright:
        return Box(box.x + depth, box.y, max(box.width - depth, 0.0), box.height)
    return Box(box.x, box.y + depth, box.width, max(box.height - depth, 0.0))
