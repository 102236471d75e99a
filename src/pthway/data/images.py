"""Images to arrays: upright, in the channels and the size that the network takes, channels first."""

import io
import struct
import zlib
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pthway import _lazy
from pthway.data.limits import IMAGE_PIXELS
from pthway.data.preparation import ImagePreparation
from pthway.data.resizing import Size, fit
from pthway.data.source import Source
from pthway.errors import InputRefused, LimitExceeded, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Shape = tuple[int | str, ...]
Array = npt.NDArray[np.float32]

FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP", "GIF")
MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
SPREAD: Final = 257
"""65535 / 255: what brings 16-bit pixels to the range of 8-bit ones."""
ORIENTATION: Final = 0x0112
UPRIGHT: Final = 1
IMAGE_RANK: Final = 4
FLAT_RANK: Final = 2
DAMAGE: Final = (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, OverflowError, struct.error, zlib.error)
"""What Pillow's decoders raise for bytes that are no image; PIL.UnidentifiedImageError is an OSError."""


def read_image(source: Source, *, shape: Shape | None, preparation: ImagePreparation) -> tuple[Array, tuple[str, ...]]:
    """Return the first frame of a PNG, JPEG, BMP, WebP or GIF file as `prepare_image` does.

    Raises `InputRefused` for damaged files and `LimitExceeded` for declared sizes beyond the limit, before a pixel is decoded.
    """
    pillow = _lazy.load("PIL.Image")
    try:
        with pillow.open(io.BytesIO(source.data), formats=FORMATS) as image:
            _check_size(image, source.name)
            frames = ("first frame of several",) if getattr(image, "is_animated", False) else ()
            image.load()
            array, steps = prepare_image(image, shape=shape, preparation=preparation)
    except (InputRefused, LimitExceeded, UsageError) as refusal:
        raise type(refusal)(f"{source.name}: {refusal.what}", refusal.why, refusal.fix) from refusal
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as cause:
        raise _too_large(source.name, str(cause)) from cause
    except DAMAGE as cause:
        raise InputRefused(
            f"{source.name} is a damaged image.", f"The decoder says: {cause}", "Copy it again, or open and save it in an image program."
        ) from cause
    return array, (*frames, *steps)


def prepare_image(image: "Image", *, shape: Shape | None, preparation: ImagePreparation) -> tuple[Array, tuple[str, ...]]:
    """Return the image as float32, (channels, height, width), and what was done, in words.

    Turned as its EXIF orientation says, in as many channels as the shape ("batch", channels, height, width) has (RGB if it does not
    say), resized and cropped as asked for, then (pixels × scale − mean) / std. For a shape ("batch", n), a grey image of n pixels,
    flattened: (n,). Raises `InputRefused` if the size is another then, and for shapes that take no image.
    """
    turned, upright = _upright(image)
    channels, size = _wanted(turned, shape, preparation)
    planes, converted = _planes(turned, channels)
    planes, resized = fit(planes, size, preparation)
    planes, reordered = _reordered(planes, preparation)
    array = _normalise(np.stack([np.asarray(plane, dtype=np.float32) for plane in planes]), preparation)
    steps = (*upright, *converted, *resized, *reordered, *preparation.steps)
    if shape is not None and len(shape) == FLAT_RANK:
        return array.reshape(-1), (*steps, f"flattened to {array.size}")
    return array, steps


def _check_size(image: "Image", name: str) -> None:
    if image.width * image.height > IMAGE_PIXELS:
        raise _too_large(name, f"{image.width} × {image.height} pixels are declared.")


def _too_large(name: str, found: str) -> LimitExceeded:
    return LimitExceeded(f"{name}: {found}", f"Images are read up to {IMAGE_PIXELS:,} pixels.", "Make the image smaller first.")


def _wanted(image: "Image", shape: Shape | None, preparation: ImagePreparation) -> tuple[int, Size]:
    """Channels, and (height, width) where a number is a demand and a name is free."""
    size: Size = preparation.size or ("height", "width")
    if shape is None:
        return 3, size
    if len(shape) == IMAGE_RANK and (shape[1] in MODES or isinstance(shape[1], str)):
        return shape[1] if isinstance(shape[1], int) else 3, preparation.size or (shape[2], shape[3])
    if len(shape) == FLAT_RANK and shape[1] == (prod(preparation.size) if preparation.size else image.width * image.height):
        return 1, size
    rows = len(shape) == FLAT_RANK
    raise InputRefused(
        f"An image of {image.height} × {image.width} pixels is given to a network that takes {_show(shape)}.",
        f"Such a row is filled by a grey image of exactly {shape[1]} pixels; size=(height, width) says which others are brought to."
        if rows
        else "Images go to (batch, 1, 3 or 4 channels, height, width).",
        "Save the numbers in the network's own shape: numpy.save(path, array)",
    )


def _upright(image: "Image") -> tuple["Image", tuple[str, ...]]:
    orientation = image.getexif().get(ORIENTATION, UPRIGHT)
    turned: Image = _lazy.load("PIL.ImageOps").exif_transpose(image)
    return turned, () if orientation == UPRIGHT else ("turned upright (EXIF)",)


def _planes(image: "Image", channels: int) -> tuple[list[Any], tuple[str, ...]]:
    """One single-channel image a channel, pixels 0 to 255: whole numbers, or decimals where the file had 16 bits."""
    mode, size = MODES[channels], f"{image.height}×{image.width}"
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey, opaque = _sixteen_bits(image), _lazy.load("PIL.Image").new("F", image.size, 255)
        return [grey] * min(channels, 3) + [opaque] * (channels == 4), (f"{mode}, {size}", f"16 bits / {SPREAD}")  # noqa: PLR2004  # RGBA
    if image.mode == "F":
        raise InputRefused("The image has decimal pixels (mode F).", "Their range is not known.", "Give its numbers as an array.")
    lost = ("transparency left out",) if channels < 4 and image.has_transparency_data else ()  # noqa: PLR2004  # RGBA
    plain = image.convert("RGBA") if image.mode == "P" and lost else image  # Pillow warns of the direct way
    converted = plain if plain.mode == mode else plain.convert(mode)
    return list(converted.split()), (f"{mode}, {size}", *lost)


def _sixteen_bits(image: "Image") -> Any:
    pixels = np.asarray(image, dtype=np.int64)
    if pixels.min() < 0 or pixels.max() >= 1 << 16:
        raise InputRefused(
            f"The pixels reach from {pixels.min()} to {pixels.max()}.",
            "Whole-number pixels have 8 or 16 bits.",
            "Give its numbers as an array.",
        )
    return _lazy.load("PIL.Image").fromarray((pixels / SPREAD).astype(np.float32))


def _reordered(planes: list[Any], preparation: ImagePreparation) -> tuple[list[Any], tuple[str, ...]]:
    if preparation.order == "rgb":
        return planes, ()
    if len(planes) == 1:
        raise UsageError("order is 'bgr', and the network takes grey images.", "One channel has no order.", "Leave order (--bgr) out.")
    return [*planes[2::-1], *planes[3:]], ("blue, green, red",)


def _normalise(pixels: Array, preparation: ImagePreparation) -> Array:
    array = pixels / np.float32(1 / preparation.scale)  # dividing by 255 is what ToTensor does; multiplying differs in the last bit
    for field, numbers in (("mean", preparation.mean), ("std", preparation.std)):
        if numbers is not None and len(numbers) not in (1, len(array)):
            raise UsageError(
                f"{field} has {len(numbers)} numbers, the image {len(array)} channels.",
                f"{field} holds one number a channel, or one for all.",
                f"{field}=(…) with {len(array)} numbers.",
            )
    if preparation.mean is not None:
        array = array - np.array(preparation.mean, np.float32)[:, None, None]
    if preparation.std is not None:
        array = array / np.array(preparation.std, np.float32)[:, None, None]
    return array


def _show(shape: Shape) -> str:
    return f"({', '.join(str(side) for side in shape)})"
