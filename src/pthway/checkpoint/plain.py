"""Inert values as plain Python data that can be shown and written as JSON."""

from typing import Final, final

from pthway.formats import limits
from pthway.formats.tensors import CompositeSpec, TensorSpec
from pthway.formats.values import Global, Opaque, PickledDict, PickledSet, is_sequence

MAX_SHOWN: Final = 1000
"""Entries of one list or dictionary that are turned into data; more are counted."""

MAX_VALUES: Final = 200_000
"""Values of one file that are turned into data: a shared one is shown wherever it stands, which may be 1000**8 times."""

_ARGUMENTS: Final = 8
"""Arguments that are shown of the call that makes an object; a date has seven."""

_LONG_BITS: Final = 256
"""Integers are shown up to this length; decimal conversion of long ones costs quadratic time."""

_PATHS: Final = ("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.Path", "pathlib.PurePosixPath", "pathlib.PureWindowsPath")


@final
class Room:
    """How many more values may be shown. Who shows several values of one file passes the same room for all."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def holds(self, count: int) -> bool:
        """Whether there is room for a container of so many values, which is then taken."""
        self.left -= 1 + min(count, MAX_SHOWN)
        return self.left >= 0


def plain(value: object, depth: int = 8, room: Room | None = None) -> object:
    """*value* as dictionaries, lists, texts and numbers.

    Tensors and objects become a short text in ``<…>``; what is nested deeper than *depth*, or more than *room* holds, is shown as ``…``.
    """
    room = room or Room()
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, PickledDict | PickledSet | Opaque) or is_sequence(value):
        return _nested(value, depth, room) if depth else "…"
    return _leaf(value)


def _leaf(value: object) -> object:
    match value:
        case int():
            return value if value.bit_length() < _LONG_BITS else f"<integer of {value.bit_length()} bits>"
        case complex():
            return str(value)
        case bytes():
            return f"<{len(value):,} bytes>"
        case TensorSpec() | CompositeSpec():
            return f"<tensor {value.dtype} {list(value.shape)}>"
    return f"<{value if isinstance(value, Global) else type(value).__name__}>"


def _nested(value: object, depth: int, room: Room) -> object:
    match value:
        case PickledDict():
            return _dictionary(value.pairs, depth, room)
        case PickledSet():
            return _sequence(value.members, depth, room)
        case Opaque():
            return _object(value, depth, room)
        case list() | tuple():
            return _sequence(value, depth, room)
    raise TypeError(value)


def _dictionary(pairs: list[tuple[object, object]], depth: int, room: Room) -> dict[str, object]:
    if not room.holds(len(pairs)):
        return {"…": f"{len(pairs):,} more"}
    shown = {_key(key, room): plain(value, depth - 1, room) for key, value in pairs[:MAX_SHOWN]}
    if len(pairs) > MAX_SHOWN:
        shown["…"] = f"{len(pairs) - MAX_SHOWN:,} more"
    return shown


def _key(key: object, room: Room) -> str:
    return key[: limits.MAX_KEY_LENGTH] if isinstance(key, str) else str(plain(key, 2, room))


def _sequence(values: list[object] | tuple[object, ...], depth: int, room: Room) -> list[object]:
    if not room.holds(len(values)):
        return [f"{len(values):,} more"]
    shown = [plain(value, depth - 1, room) for value in values[:MAX_SHOWN]]
    return [*shown, f"{len(values) - MAX_SHOWN:,} more"] if len(values) > MAX_SHOWN else shown


def _object(value: Opaque, depth: int, room: Room) -> object:
    name = str(value.call)
    if name in _PATHS:
        return "/".join(part for part in value.arguments if isinstance(part, str)).replace("//", "/")
    if isinstance(value.state, PickledDict):
        return {"<class>": name, **_dictionary(value.state.pairs, depth, room)}
    if value.pairs:
        return {"<class>": name, **_dictionary(value.pairs, depth, room)}
    simple = all(isinstance(argument, str | int | float | bool | None) for argument in value.arguments)
    shown = ", ".join(_short(argument) for argument in value.arguments[:_ARGUMENTS]) if simple else ""
    return f"<{name}({shown})>" if shown else f"<{name}>"


def _short(value: object) -> str:
    return repr(value[: limits.MAX_KEY_LENGTH]) if isinstance(value, str) else str(_leaf(value) if isinstance(value, int) else value)
