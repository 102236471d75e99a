"""Images of any size to the size that the network takes: resized, padded, cropped."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pthway import _lazy
from pthway.data.preparation import ImagePreparation
from pthway.errors import InputRefused, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[np.float32]
Size = tuple[int | str, int | str]
CUBIC: Final = -0.75
"""The slope that torch and OpenCV interpolate with; Pillow's, which antialiases, is −0.5."""


def fit(planes: "list[Image]", wanted: Size, preparation: ImagePreparation) -> "tuple[list[Image], tuple[str, ...]]":
    """One single-channel image a channel in the size *wanted*, (height, width) where a name is free, and what was done, in words.

    Raises `InputRefused` if another size comes out, and `UsageError` if what is asked for needs a size and there is none.
    """
    steps: list[str] = []
    if preparation.resize == "shorter":
        planes = _shorter(planes, _length(wanted, preparation), preparation, steps)
    elif preparation.resize is not None:
        planes = (_stretched if preparation.resize == "stretch" else _padded)(planes, _fixed(wanted, "resize"), preparation, steps)
    if preparation.crop is not None:
        planes = _cropped(planes, _fixed(wanted, "crop"), steps)
    width, height = planes[0].size
    if not all(isinstance(side, str) or side == found for side, found in zip(wanted, (height, width), strict=True)):
        raise InputRefused(
            f"The image is {height} high × {width} wide{f' after it was {steps[-1]}' if steps else ''}; "
            f"the network takes {wanted[0]} × {wanted[1]}.",
            "Resizing changes what the network sees, so it is done only when asked for, and as it was done in training.",
            'resize="stretch", "shorter" or "pad" of ImagePreparation, --resize on the command line; or give an image of that size.',
        )
    return planes, tuple(steps)


def _fixed(wanted: Size, field: str) -> tuple[int, int]:
    height, width = wanted
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    raise UsageError(
        f"{'Resizing' if field == 'resize' else 'A crop'} is asked for, and the network takes images of any size ({height} × {width}).",
        "Without a size to come to, there is nothing to resize or crop to.",
        f"size=(224, 224), or leave {field} out.",
    )


def _length(wanted: Size, preparation: ImagePreparation) -> int:
    if preparation.shorter is not None:
        return preparation.shorter
    height, width = _fixed(wanted, "resize")
    if height != width:
        raise UsageError(
            f"resize='shorter' is asked for, and the size is {height} × {width}.",
            "Only of a square is it plain how long the shorter side becomes.",
            f"shorter={max(height, width)}",
        )
    return height


def _shorter(planes: "list[Image]", length: int, preparation: ImagePreparation, steps: list[str]) -> "list[Image]":
    """As torchvision's Resize of one number: the longer side is cut to a whole number of pixels."""
    width, height = planes[0].size
    longer = int(length * max(width, height) / min(width, height))
    return _stretched(planes, (longer, length) if height > width else (length, longer), preparation, steps)


def _stretched(planes: "list[Image]", size: tuple[int, int], preparation: ImagePreparation, steps: list[str]) -> "list[Image]":
    if planes[0].size == size[::-1]:
        return planes
    steps.append(f"resized to {size[0]}×{size[1]} ({preparation.interpolation}, {'' if preparation.antialias else 'not '}antialiased)")
    if not preparation.antialias:
        image = _lazy.load("PIL.Image")
        arrays = (_interpolated(np.asarray(plane, np.float32), size, preparation.interpolation) for plane in planes)
        return [image.fromarray(array) for array in arrays]
    kind = _lazy.load("PIL.Image").Resampling[preparation.interpolation.upper()]
    return [plane.resize(size[::-1], kind) for plane in planes]


def _padded(planes: "list[Image]", size: tuple[int, int], preparation: ImagePreparation, steps: list[str]) -> "list[Image]":
    """As Pillow's ImageOps.pad: as large as fits, in the middle."""
    width, height = planes[0].size
    ratio = min(size[0] / height, size[1] / width)
    inner = (size[0], max(1, round(width * ratio))) if ratio == size[0] / height else (max(1, round(height * ratio)), size[1])
    planes = _stretched(planes, inner, preparation, steps)
    if inner == size:
        return planes
    steps.append(f"padded to {size[0]}×{size[1]} with {preparation.fill}")
    place = round((size[1] - inner[1]) / 2), round((size[0] - inner[0]) / 2)
    return [_on_canvas(plane, size, place, preparation.fill) for plane in planes]


def _on_canvas(plane: "Image", size: tuple[int, int], place: tuple[int, int], fill: int) -> "Image":
    canvas: Image = _lazy.load("PIL.Image").new(plane.mode, size[::-1], fill)
    canvas.paste(plane, place)
    return canvas


def _cropped(planes: "list[Image]", size: tuple[int, int], steps: list[str]) -> "list[Image]":
    """As torchvision's CenterCrop, which rounds halves to even numbers; it pads smaller images, which are refused here."""
    width, height = planes[0].size
    if (height, width) == size:
        return planes
    if height < size[0] or width < size[1]:
        raise InputRefused(
            f"The image is {height} high × {width} wide, smaller than the crop of {size[0]} × {size[1]}.",
            "A crop cuts; what is not there cannot be shown to the network.",
            "resize='shorter' (--resize shorter) enlarges it first",
        )
    top, left = round((height - size[0]) / 2), round((width - size[1]) / 2)
    steps.append(f"cropped to the middle {size[0]}×{size[1]}")
    return [plane.crop((left, top, left + size[1], top + size[0])) for plane in planes]


def _interpolated(pixels: Array, size: tuple[int, int], kind: str) -> Array:
    """As ``torch.nn.functional.interpolate`` of decimals with align_corners=False and antialias=False: two or four pixels for each."""
    for axis, length in enumerate(size):
        places, weights = _taps(pixels.shape[axis], length, kind)
        rows = np.moveaxis(pixels, axis, 0)
        summed = sum(weight[:, None] * rows[place] for place, weight in zip(places, weights, strict=True))
        pixels = np.moveaxis(np.asarray(summed, np.float32), 0, axis)
    return np.ascontiguousarray(pixels)


def _taps(length: int, wanted: int, kind: str) -> tuple[list[Any], list[Array]]:
    """Which pixels of a row of *length* each of *wanted* is made of, and with which weights."""
    centres = (np.arange(wanted) + 0.5) * (length / wanted) - 0.5
    if kind == "bilinear":
        centres = centres.clip(0)
    first = np.floor(centres).astype(np.int64)
    part = centres - first
    steps = (0, 1) if kind == "bilinear" else (-1, 0, 1, 2)
    weights = [_weight(np.abs(part - step), kind).astype(np.float32) for step in steps]
    return [(first + step).clip(0, length - 1) for step in steps], weights


def _weight(distance: npt.NDArray[np.float64], kind: str) -> npt.NDArray[np.float64]:
    """Keys (1981), Cubic convolution interpolation for digital image processing, for ``bicubic``."""
    if kind == "bilinear":
        return 1 - distance
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance * distance + 1
    far = ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
    return np.where(distance <= 1, near, far)
