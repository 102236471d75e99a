"""Whether a preparation leads to what the network takes: asked when a bundle is packed, not at its first image."""

from typing import Final

from pthway import _lazy
from pthway.data.images import prepare_image
from pthway.data.intake import batch_shape
from pthway.data.preparation import ColumnPreparation, Preparation
from pthway.errors import InputRefused, UsageError
from pthway.signature import Input, Signature

USUAL: Final = 64
"""Pixels of a side of which nothing is known."""


def require_suitable(preparation: Preparation | None, signature: Signature, *, prepared: bool) -> None:
    """Raise `UsageError` unless what *preparation* makes is what the network takes; with *prepared*, a function stands between them."""
    if preparation is None or prepared:
        return
    if len(signature.inputs) != 1:
        raise UsageError(
            f"A preparation is given, and the network takes {len(signature.inputs)} inputs.",
            "Images and columns are prepared for networks with one input.",
            "Give the prepared arrays by name, or a function of your own (--before)",
        )
    wanted = signature.inputs[0]
    if isinstance(preparation, ColumnPreparation):
        _require_columns(preparation, wanted)
        return
    image = _lazy.load("PIL.Image").new("RGB", _sides(preparation.size, wanted, spare=preparation.resize is not None))
    try:
        array, _ = prepare_image(image, shape=wanted.shape, preparation=preparation)
        batch_shape(array.shape, wanted)
    except InputRefused as refusal:
        raise UsageError(f"The preparation does not lead to what the network takes: {refusal.what}", refusal.why, refusal.fix) from refusal


def _sides(size: tuple[int, int] | None, wanted: Input, *, spare: bool) -> tuple[int, int]:
    """Width and height of an image: larger, and of other proportions, where it will be resized."""
    asked = size or (wanted.shape or ())[2:4]
    height, width = (side if isinstance(side, int) else USUAL for side in (*asked, USUAL, USUAL)[:2])
    return (2 * width + 1, height + 1) if spare else (width, height)


def _require_columns(preparation: ColumnPreparation, wanted: Input) -> None:
    columns = (wanted.shape or ("columns",))[-1]
    for field, numbers in (("mean", preparation.mean), ("std", preparation.std)):
        if numbers is not None and len(numbers) > 1 and isinstance(columns, int) and len(numbers) != columns:
            raise UsageError(
                f"{field} has {len(numbers)} numbers, the network takes {columns} columns.",
                f"{field} holds one number a column, or one for all.",
                f"{field}=(…) with {columns} numbers",
            )
