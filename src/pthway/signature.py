"""The named inputs and outputs of a network, with types and symbolic shapes; a bundle's manifest holds them as they are."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

Dim = int | str
BATCH: Final = "batch"


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of one dimension with which the network was seen to run."""

    low: Annotated[int, Meta(ge=0)]
    high: int | None
    """The largest; None where no end was found."""
    multiple: Annotated[int, Meta(ge=1)] = 1
    """What the size has to be a multiple of."""

    def holds(self, size: int) -> bool:
        """Whether a dimension of this size runs."""
        return self.low <= size and (self.high is None or size <= self.high) and size % self.multiple == 0

    def __str__(self) -> str:
        if self.low == self.high:
            return str(self.low)
        span = f"{self.low} to {self.high}" if self.high is not None else f"from {self.low}"
        return span + (f", multiples of {self.multiple}" if self.multiple > 1 else "")


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """One input of a network."""

    name: str
    """As the parameter of ``forward`` is named."""
    shape: tuple[Dim, ...] | None
    """Sizes where they are fixed, names where they are free; one of them is ``"batch"``. None where it is not known."""
    dtype: str | None
    """Torch's short name, such as ``float32``; None where it is not known."""
    limits: Annotated[Mapping[int, Limit], Meta(extra_json_schema={"propertyNames": {"pattern": "^(0|[1-9][0-9]?)$"}})] = {}
    """What is known of sizes, by dimension: how small a free one may be, and which others a fixed one might have been."""
    vocabulary: Annotated[int, Meta(ge=1)] | None = None
    """Token ids lie below this number; None for inputs that are no ids."""
    because: str = ""
    """The evidence in words."""

    @property
    def batch(self) -> int | None:
        """Which dimension counts the samples."""
        return self.shape.index(BATCH) if self.shape is not None and BATCH in self.shape else None

    @property
    def sample(self) -> tuple[Dim, ...] | None:
        """The shape of one sample."""
        if self.shape is None or self.batch is None:
            return None
        return (*self.shape[: self.batch], *self.shape[self.batch + 1 :])

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of *shape*, batch included, is one that the network runs with, as far as is known."""
        if self.shape is None:
            return True
        if len(shape) != len(self.shape):
            return False
        return all(self._takes(axis, size) for axis, size in enumerate(shape))

    def _takes(self, axis: int, size: int) -> bool:
        if self.shape is None or self.shape[axis] == BATCH:
            return True
        limit = self.limits.get(axis)
        if limit is not None:
            return limit.holds(size)
        return isinstance(self.shape[axis], str) or self.shape[axis] == size

    def __str__(self) -> str:
        ids = f" ids below {self.vocabulary}" if self.vocabulary is not None else ""
        return f"{self.name}: {self.dtype or 'unknown'}{ids} {written(self.shape)}"


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """One output of a network."""

    name: str
    shape: tuple[Dim, ...]
    """As for inputs; a name that no input has stands for a size that depends on the input's."""
    dtype: str

    @property
    def batch(self) -> int | None:
        """Which dimension counts the samples; None if it is not one answer a sample."""
        return self.shape.index(BATCH) if BATCH in self.shape else None

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {written(self.shape)}"


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """What a network takes and gives."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...] = ()
    """Empty where they are not known."""
    notes: tuple[str, ...] = ()
    """What could not be found out and why, and what was chosen among several possibilities."""

    def __str__(self) -> str:
        taken = ", ".join(map(str, self.inputs)) or "nothing"
        given = ", ".join(map(str, self.outputs)) or "unknown"
        return "\n".join([f"{taken} → {given}", *(f"  {note}" for note in self.notes)])


def written(shape: tuple[Dim, ...] | tuple[int, ...] | None) -> str:
    """*shape* as it is shown: ``(batch, 3, 28, 28)``."""
    if shape is None:
        return "(shape unknown)"
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
