"""How images and tables become numbers: the arithmetic that training fixed and the weights do not tell."""

import math
from typing import Final, Literal, get_args

from msgspec import Struct

from pthway.errors import UsageError

Resize = Literal["stretch", "shorter", "pad"]
Interpolation = Literal["bilinear", "bicubic"]
Order = Literal["rgb", "bgr"]
BRIGHTEST: Final = 255


class ImagePreparation(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="image"):
    """An image brought to a size, then (pixels × scale − mean) / std, as torchvision's transforms for evaluation do it.

    ``ImagePreparation(size=(224, 224), resize="shorter", shorter=256, crop="center")`` is Resize(256) and CenterCrop(224).
    Raises `UsageError` for what cannot be meant.
    """

    mean: tuple[float, ...] | None = None
    """One number a channel, in the order that the network takes them, or one for all; None subtracts nothing. In units of scaled pixels."""
    std: tuple[float, ...] | None = None
    """One number a channel, or one for all; None divides by nothing."""
    scale: float = 1 / 255
    """What pixels (0 to 255) are multiplied by."""
    size: tuple[int, int] | None = None
    """Height and width of what the network is given; None for those that it takes."""
    resize: Resize | None = None
    """How another size comes to it. ``stretch``: whatever the proportions. ``pad``: as large as fits, the rest filled alike on both sides.
    ``shorter``: the shorter side becomes *shorter* long, the other follows. None refuses images of another size."""
    shorter: int | None = None
    """Pixels of the shorter side before the crop; None for the side of a square *size*."""
    crop: Literal["center"] | None = None
    """What is cut to the size: the middle; None cuts nothing."""
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    """Whether shrinking takes all pixels in, as Pillow does; otherwise as ``torch.nn.functional.interpolate`` and OpenCV do."""
    fill: int = 0
    """The grey (0 to 255) of what ``pad`` adds."""
    order: Order = "rgb"
    """Of the channels."""

    def __post_init__(self) -> None:
        _check_numbers("mean", self.mean, "finite", "channel")
        _check_numbers("std", self.std, "above 0", "channel")
        _check_numbers("scale", (self.scale,), "above 0", "channel")
        _check_lengths(self.mean, self.std, "channel", "the image has channels")
        _check_choices(self)
        _check_size(self)

    @property
    def steps(self) -> tuple[str, ...]:
        """The arithmetic in words."""
        inverse = 1 / self.scale
        scaled = f"pixels / {inverse:.6g}" if inverse >= 1 else f"pixels × {self.scale:.6g}"
        return ("pixels as they are" if self.scale == 1 else scaled, *_shifted(self.mean, self.std))


class ColumnPreparation(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="columns"):
    """(x − mean) / std of each column of a table, as scikit-learn's StandardScaler does it: of all numbers given, arrays too.

    A column is a place of the input's last dimension. Raises `UsageError` for numbers that cannot be meant.
    """

    mean: tuple[float, ...] | None = None
    """One number a column, or one for all; None subtracts nothing."""
    std: tuple[float, ...] | None = None
    """One number a column, or one for all; None divides by nothing."""

    def __post_init__(self) -> None:
        _check_numbers("mean", self.mean, "finite", "column")
        _check_numbers("std", self.std, "above 0", "column")
        _check_lengths(self.mean, self.std, "column", "the table has columns")

    @property
    def steps(self) -> tuple[str, ...]:
        """The arithmetic in words."""
        return _shifted(self.mean, self.std)


Preparation = ImagePreparation | ColumnPreparation


def _shifted(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> tuple[str, ...]:
    first = () if mean is None else (f"minus the mean {_listed(mean)}",)
    return first if std is None else (*first, f"divided by the std {_listed(std)}")


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _check_numbers(field: str, numbers: tuple[float, ...] | None, rule: str, each: str) -> None:
    if numbers is None:
        return
    sound = isinstance(numbers, tuple) and numbers != () and all(_is_number(number) for number in numbers)
    if not sound or (rule == "above 0" and min(numbers) <= 0):
        shown = numbers[0] if field == "scale" else numbers
        raise UsageError(
            f"{field} is {shown!r}.",
            f"It is a number {rule}." if field == "scale" else f"It is a tuple of one number a {each}, or of one for all, each {rule}.",
            "scale=1/255" if field == "scale" else f"{field}=(0.5,)",
        )


def _check_lengths(mean: tuple[float, ...] | None, std: tuple[float, ...] | None, each: str, has: str) -> None:
    if mean and std and len(mean) != len(std) and 1 not in (len(mean), len(std)):
        raise UsageError(
            f"mean has {len(mean)} numbers and std {len(std)}.",
            f"Both hold one number a {each}, or one for all.",
            f"Give as many as {has}.",
        )


def _check_choices(given: ImagePreparation) -> None:
    for field, choices in (
        ("resize", (None, *get_args(Resize))),
        ("crop", (None, "center")),
        ("interpolation", get_args(Interpolation)),
        ("order", get_args(Order)),
        ("antialias", (True, False)),
    ):
        value = getattr(given, field)
        if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
            raise UsageError(f"{field} is {value!r}.", f"It is {_either(choices)}.", f"{field}={choices[-1]!r}")
    if given.crop is not None and given.resize in ("stretch", "pad"):
        raise UsageError(
            f"resize={given.resize!r} and crop={given.crop!r} are asked for.",
            f"After {given.resize} nothing is left to cut.",
            "Leave crop out, or resize='shorter'",
        )


def _either(choices: tuple[object, ...]) -> str:
    return f"{', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}"


def _check_size(given: ImagePreparation) -> None:
    size, shorter, fill = given.size, given.shorter, given.fill
    if size is not None and not (isinstance(size, tuple) and len(size) == 2 and all(_is_side(side) for side in size)):  # noqa: PLR2004
        raise UsageError(f"size is {size!r}.", "It is height and width, in pixels.", "size=(224, 224)")
    if shorter is not None and not (given.resize == "shorter" and _is_side(shorter)):
        raise UsageError(
            f"shorter is {shorter!r} with resize={given.resize!r}.",
            "It is how many pixels the shorter side becomes, and goes with resize='shorter'.",
            "resize='shorter', shorter=256",
        )
    if not _is_number(fill) or not 0 <= fill <= BRIGHTEST or (fill and given.resize != "pad"):
        raise UsageError(
            f"fill is {fill!r} with resize={given.resize!r}.",
            "It is the grey, 0 to 255, of what resize='pad' adds.",
            "resize='pad', fill=114",
        )


def _is_side(side: object) -> bool:
    return isinstance(side, int) and not isinstance(side, bool) and side >= 1


def _is_number(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)


PLAIN_PREPARATION: Final = ImagePreparation()
"""Pixels / 255, and nothing else."""


def of_images(preparation: "Preparation") -> ImagePreparation:
    """What *preparation* does to images; that of columns does nothing to them."""
    return PLAIN_PREPARATION if isinstance(preparation, ColumnPreparation) else preparation
