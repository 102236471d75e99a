"""Names and shapes, and where those of a class and those of a checkpoint part."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

BATCH_COUNTER: Final = "num_batches_tracked"
"""BatchNorm counts batches since torch 0.4.1; older files lack the counter, and evaluation never reads it."""
EXTRA_STATE: Final = "_extra_state"
"""A module's own value in its state dict, of any kind; files hold it only where the module gave one."""


class Shaped(Protocol):
    """Anything with the shape and the dtype of a tensor."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, outermost first."""
        ...

    @property
    def dtype(self) -> str:
        """Torch's short name, such as ``float32``."""
        ...


@dataclass(frozen=True, slots=True)
class Shape:
    """One entry of the state dict of a module."""

    shape: tuple[int, ...]
    dtype: str
    """torch's short name, such as ``float32``; empty where `free`."""
    free: bool = False
    """Whether any shape fits: a lazy module's parameter, or a module's extra state."""
    tied: str | None = None
    """The first key that names the same tensor, where several do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What keeps a class and a checkpoint from fitting, key by key, and what was let pass."""

    missing: tuple[str, ...] = ()
    """Keys that the class has and the checkpoint lacks."""
    unexpected: tuple[str, ...] = ()
    """Keys that the checkpoint has and the class lacks."""
    differing: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    """Keys on both sides with two shapes: the class's, then the checkpoint's."""
    tolerated: Mapping[str, str] = field(default_factory=dict)
    """Keys that the checkpoint lacks without fault, each with the reason."""

    @property
    def fits(self) -> bool:
        """Whether every key is there with its shape."""
        return not self.count

    @property
    def count(self) -> int:
        """How many keys do not fit."""
        return len(self.missing) + len(self.unexpected) + len(self.differing)

    @property
    def distance(self) -> tuple[int, int, int]:
        """How far from fitting: keys, then dimensions that differ, then by how much in all."""
        pairs = [(a, b) for ours, theirs in self.differing.values() for a, b in zip(ours, theirs, strict=False) if a != b]
        return self.count, len(pairs), sum(abs(a - b) for a, b in pairs)

    def __str__(self) -> str:
        parts = (
            (len(self.differing), "with another shape"),
            (len(self.missing), "missing from the checkpoint"),
            (len(self.unexpected), "only in the checkpoint"),
        )
        return ", ".join(f"{count} {text}" for count, text in parts if count) or "nothing differs"


def compare(expected: Mapping[str, Shape], found: Mapping[str, Shaped]) -> Difference:
    """Return where *expected* (of a class) and *found* (in a checkpoint) part.

    Dtypes are not compared: loading converts or keeps them, and says so. A missing batch counter, extra state, or
    tensor that the class ties to one that is present is tolerated and named. A scalar fits a file's ``[1]``, as in
    torch.
    """
    twins = _twins(expected)
    excuses = {key: _excuse(key, shape, twins, found) for key, shape in expected.items() if key not in found}
    differing = {
        key: (shape.shape, found[key].shape) for key, shape in expected.items() if key in found and not _agree(shape, found[key].shape)
    }
    return Difference(
        tuple(key for key, excuse in excuses.items() if excuse is None),
        tuple(key for key in found if key not in expected),
        differing,
        {key: excuse for key, excuse in excuses.items() if excuse is not None},
    )


def _agree(shape: Shape, other: tuple[int, ...]) -> bool:
    return shape.free or shape.shape == other or (shape.shape == () and other == (1,))


def _twins(expected: Mapping[str, Shape]) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key, shape in expected.items():
        if shape.tied:
            groups[shape.tied].append(key)
    return groups


def _excuse(key: str, shape: Shape, twins: Mapping[str, list[str]], found: Mapping[str, Shaped]) -> str | None:
    last = key.rpartition(".")[2]
    if last == BATCH_COUNTER:
        return "files from before torch 0.4.1 lack this counter, and evaluation never reads it"
    if last == EXTRA_STATE:
        return "a module's own extra state, which the file does not hold as a tensor"
    twin = next((other for other in twins.get(shape.tied or "", ()) if other in found), None)
    return f"tied to {twin}, which is present" if twin else None
