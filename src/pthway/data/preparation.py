"""How an image becomes numbers: the arithmetic that training fixed and the weights do not tell."""

import math

from msgspec import Struct

from pthway.errors import UsageError


class ImagePreparation(Struct, frozen=True, forbid_unknown_fields=True):
    """(pixels × scale − mean) / std, as torchvision's ToTensor and Normalize do it.

    Raises `UsageError` for numbers that cannot be meant.
    """

    mean: tuple[float, ...] | None = None
    """One number a channel, or one for all; None subtracts nothing. In units of the scaled pixels."""
    std: tuple[float, ...] | None = None
    """One number a channel, or one for all; None divides by nothing."""
    scale: float = 1 / 255
    """What pixels (0 to 255) are multiplied by."""
    resize: bool = False
    """Whether images of another size are brought to the size that the network takes."""

    def __post_init__(self) -> None:
        _check("mean", self.mean, "finite")
        _check("std", self.std, "above 0")
        _check("scale", (self.scale,), "above 0")
        if self.mean and self.std and len(self.mean) != len(self.std) and 1 not in (len(self.mean), len(self.std)):
            raise UsageError(
                f"mean has {len(self.mean)} numbers and std {len(self.std)}.",
                "Both hold one number a channel, or one for all.",
                "Give as many as the image has channels.",
            )

    @property
    def steps(self) -> tuple[str, ...]:
        """The arithmetic in words."""
        inverse = 1 / self.scale
        scaled = f"pixels / {inverse:.6g}" if inverse >= 1 else f"pixels × {self.scale:.6g}"
        mean = () if self.mean is None else (f"minus the mean {_listed(self.mean)}",)
        std = () if self.std is None else (f"divided by the std {_listed(self.std)}",)
        return ("pixels as they are" if self.scale == 1 else scaled, *mean, *std)


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _check(field: str, numbers: tuple[float, ...] | None, rule: str) -> None:
    if numbers is None:
        return
    sound = isinstance(numbers, tuple) and numbers != () and all(_is_number(number) for number in numbers)
    if not sound or (rule == "above 0" and min(numbers) <= 0):
        shown = numbers[0] if field == "scale" else numbers
        raise UsageError(
            f"{field} is {shown!r}.",
            f"It is a number {rule}." if field == "scale" else f"It is a tuple of one number a channel, or of one for all, each {rule}.",
            "scale=1/255" if field == "scale" else f"{field}=(0.5,)",
        )


def _is_number(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
