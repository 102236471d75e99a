"""What a caller gives a network, by the names of its inputs: files read, images prepared."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pthway import _lazy
from pthway.data.intake import require_names
from pthway.data.preparation import ImagePreparation
from pthway.errors import InputRefused
from pthway.signature import Input


def named(x: Any, inputs: Sequence[Input], preparation: ImagePreparation) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What *x* holds for each input, by name, and how it was read, in words.

    *x* is anything for a network with one input, a mapping by name for several, an image, or the path of a file. Raises `InputRefused`
    for names that the network does not have, and as `read_input` does.
    """
    steps: tuple[str, ...] = ()
    shape = inputs[0].shape if inputs else None
    if isinstance(x, str | os.PathLike):
        read = _lazy.load("pthway.data.prepare:read_input")(x, shape=shape, preparation=preparation)
        x, steps = (read.arrays[""] if set(read.arrays) == {""} else read.arrays), read.steps
    elif _is_image(x):
        x, steps = _lazy.load("pthway.data.prepare:prepare_image")(x, shape=shape, preparation=preparation)
    names = [wanted.name for wanted in inputs]
    if not isinstance(x, Mapping):
        if len(names) != 1:
            raise InputRefused(
                f"One input is given to a network that takes {len(names)}: {', '.join(names) or 'none'}.",
                "Several inputs are given by their names.",
                f"model.predict({{{', '.join(f'{name!r}: …' for name in names)}}})",
            )
        return {names[0]: x}, steps
    require_names([*x], names, "Name the inputs so; for inputs that forward may do without: pthway.wrap(module, example={…})")
    return dict(x), steps


def _is_image(x: object) -> bool:
    # Whoever has an image has imported Pillow.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(x, pillow.Image)
