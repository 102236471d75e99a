"""Options that say how inputs are prepared and how outputs are read, and what they mean."""

from argparse import ArgumentParser, Namespace
from typing import Any

from pthway import _lazy
from pthway.cli.options import positive
from pthway.errors import UsageError

IMAGES = ("image_size", "resize", "shorter", "crop", "interpolation", "no_antialias", "fill", "bgr", "mean", "std", "scale")
KINDS = ("softmax", "sigmoid", "probabilities", "log-probabilities", "values")


def add_preparation(command: ArgumentParser) -> None:
    """The options of images and of the columns of tables."""
    images = command.add_argument_group("images")
    images.add_argument("--image-size", metavar="SIZE", help="pixels that the network is given, such as 224 or 480x640 (height, width)")
    images.add_argument("--resize", choices=("stretch", "shorter", "pad"), help="how other images come to it; refused without this")
    images.add_argument("--shorter", type=int, metavar="N", help="with --resize shorter: pixels of the shorter side before the crop")
    images.add_argument("--crop", choices=("center",), help="cut the middle out")
    images.add_argument("--interpolation", choices=("bilinear", "bicubic"), help="bilinear without this")
    images.add_argument("--no-antialias", action="store_true", help="shrink as OpenCV does, not as Pillow does")
    images.add_argument("--fill", type=int, metavar="N", help="with --resize pad: the grey around, 0 to 255; 0 without this")
    images.add_argument("--bgr", action="store_true", help="blue, green, red instead of red, green, blue")
    images.add_argument("--mean", metavar="NUMBERS", help="mean of each channel of an image, such as 0.485,0.456,0.406")
    images.add_argument("--std", metavar="NUMBERS", help="standard deviation of each channel of an image")
    images.add_argument("--scale", type=float, metavar="NUMBER", help="what pixels are multiplied by; 1/255 without this")
    tables = command.add_argument_group("tables")
    tables.add_argument("--columns-mean", metavar="NUMBERS", help="mean of each column, which is subtracted")
    tables.add_argument("--columns-std", metavar="NUMBERS", help="standard deviation of each column, which is divided by")


def add_reading(command: ArgumentParser) -> None:
    """The options of the output."""
    group = command.add_argument_group("answers")
    kinds = group.add_mutually_exclusive_group()
    told = ("class scores", "scores of labels that hold or not, each for itself", "probabilities", "their logarithms", "no class scores")
    for kind, words in zip(KINDS, told, strict=True):
        kinds.add_argument(f"--{kind}", dest="reading", action="store_const", const=kind, help=f"the output is {words}")
    group.add_argument("--top", type=positive, metavar="K", help="how many classes are told")
    group.add_argument("--threshold", type=float, metavar="P", help="the probability from which a class is told")


def preparation_of(options: Namespace) -> Any:
    """The preparation that *options* ask for; None if they ask for none."""
    given = {name: value for name in IMAGES if (value := getattr(options, name)) not in (None, False)}
    columns = {name: getattr(options, f"columns_{name}") for name in ("mean", "std")}
    if any(text is not None for text in columns.values()):
        if given:
            option = next(iter(given)).replace("_", "-")
            raise UsageError(f"--{option} is for images, --columns-… for tables.", "The network takes one of the two.", "Leave one out")
        kind = _lazy.load("pthway.data.preparation:ColumnPreparation")
        return kind(**{name: _numbers(f"--columns-{name}", text) for name, text in columns.items()})
    if not given:
        return None
    plain = ("resize", "shorter", "crop", "interpolation", "fill", "scale")
    fields: dict[str, Any] = {name: given[name] for name in plain if name in given}
    fields |= {name: _numbers(f"--{name}", given[name]) for name in ("mean", "std") if name in given}
    if "image_size" in given:
        fields["size"] = _size(given["image_size"])
    if "bgr" in given:
        fields["order"] = "bgr"
    if "no_antialias" in given:
        fields["antialias"] = False
    return _lazy.load("pthway.data.preparation:ImagePreparation")(**fields)


def reading_of(options: Namespace) -> Any:
    """The reading that *options* ask for; None if they ask for none."""
    if options.reading is None and options.top is None and options.threshold is None:
        return None
    return _lazy.load("pthway.data.reading:Reading")(options.reading or "auto", options.top, options.threshold)


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if not all(side.isdecimal() and side.isascii() for side in sides) or len(sides) > 2:  # noqa: PLR2004  # height and width
        raise UsageError(f"--image-size {text} is no size.", "It is one number, or height and width.", "--image-size 224, or 480x640")
    return int(sides[0]), int(sides[-1])


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as cause:
        each = "column" if option.startswith("--columns") else "channel"
        raise UsageError(
            f"{option} {text} is no list of numbers.", f"It has one number a {each}, or one for all.", f"For example: {option} 0.5,0.5,0.5"
        ) from cause
