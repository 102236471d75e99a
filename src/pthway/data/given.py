"""What a caller gives a network, by the names of its inputs: files read, images prepared."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pthway import _lazy
from pthway.data.intake import numbers_of, require_names
from pthway.data.preparation import ColumnPreparation, Preparation, of_images
from pthway.errors import InputRefused
from pthway.signature import Input


def named(x: Any, inputs: Sequence[Input], preparation: Preparation) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What *x* holds for each input, by name, and how it was read, in words.

    *x* is anything for a network with one input, a mapping by name for several, an image, or the path of a file. Raises `InputRefused`
    for names that the network does not have, and as `read_input` does.
    """
    given, steps = read_given(x, inputs, preparation)
    names = [wanted.name for wanted in inputs]
    require_names([*given], names, "Name the inputs so; for inputs that forward may do without: pthway.wrap(module, example={…})")
    return given, steps


def read_given(x: Any, inputs: Sequence[Input], preparation: Preparation) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What *x* holds, by name, whatever the names are, and how it was read, in words. Raises as `read_input` does."""
    steps: tuple[str, ...] = ()
    shape = inputs[0].shape if inputs else None
    images = of_images(preparation)
    if isinstance(x, str | os.PathLike):
        read = _lazy.load("pthway.data.prepare:read_input")(x, shape=shape, preparation=images)
        x, steps = (read.arrays[""] if set(read.arrays) == {""} else read.arrays), read.steps
    elif is_image(x):
        x, steps = _lazy.load("pthway.data.prepare:prepare_image")(x, shape=shape, preparation=images)
    names = [wanted.name for wanted in inputs]
    if not isinstance(x, Mapping):
        if len(names) != 1:
            raise InputRefused(
                f"One input is given to a network that takes {len(names)}: {', '.join(names) or 'none'}.",
                "Several inputs are given by their names.",
                f"model.predict({{{', '.join(f'{name!r}: …' for name in names)}}})",
            )
        x = {names[0]: x}
    if not isinstance(preparation, ColumnPreparation):
        return dict(x), steps
    if len(x) != 1:
        raise InputRefused(
            f"{len(x)} inputs are given: {', '.join(map(str, x))}.",
            "Columns are scaled for networks with one input.",
            "Scale them before, or with a function of your own (--before)",
        )
    scale = _lazy.load("pthway.data.columns:scale_columns")
    return {name: scale(numbers_of(value, name), preparation, name) for name, value in x.items()}, (*steps, *preparation.steps)


def is_image(x: object) -> bool:
    """Whether *x* is an image of Pillow's."""
    # Whoever has an image has imported Pillow.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(x, pillow.Image)
