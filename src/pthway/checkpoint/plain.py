"""Inert values as plain Python data that can be shown and written as JSON."""

from typing import Final, final

from pthway.formats import limits
from pthway.formats.tensors import CompositeSpec, TensorSpec
from pthway.formats.values import Global, Opaque, PickledDict, PickledSet, is_sequence

MAX_SHOWN: Final = 1000
"""Entries of one list or dictionary that are turned into data; more are counted."""

_ARGUMENTS: Final = 8
"""Arguments that are shown of the call that makes an object; a date has seven."""

_LONG_BITS: Final = 256
"""Integers are shown up to this length; decimal conversion of long ones costs quadratic time."""

_PATHS: Final = ("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.Path", "pathlib.PurePosixPath", "pathlib.PureWindowsPath")


@final
class Plain:
    """Turns values into dictionaries, lists, texts and numbers, as many as are shown of one file.

    A file can refer to one list from everywhere, so that it is small and what it says is endless.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = limits.MAX_SHOWN_CHARACTERS

    def of(self, value: object, depth: int = 8) -> object:
        """*value* as plain data.

        Tensors and objects become a short text in ``<…>``; what is nested deeper than *depth*, or is more than is shown, is ``…``.
        """
        self.left -= limits.SHOWN_COST
        if self.left < 0:
            return "…"
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, PickledDict | PickledSet | Opaque) or is_sequence(value):
            return self._nested(value, depth) if depth else "…"
        return _leaf(value)

    def _text(self, value: str) -> str:
        if len(value) > self.left:
            return f"<text of {len(value):,} characters>"
        self.left -= len(value)
        return value

    def _nested(self, value: object, depth: int) -> object:
        match value:
            case PickledDict():
                return self._dictionary(value.pairs, depth)
            case PickledSet():
                return self._sequence(value.members, depth)
            case Opaque():
                return self._object(value, depth)
            case list() | tuple():
                return self._sequence(value, depth)
        raise TypeError(value)

    def _dictionary(self, pairs: list[tuple[object, object]], depth: int) -> dict[str, object]:
        shown = {self._key(key, depth): self.of(value, depth - 1) for key, value in pairs[:MAX_SHOWN]}
        if len(pairs) > MAX_SHOWN:
            shown["…"] = f"{len(pairs) - MAX_SHOWN:,} more"
        return shown

    def _key(self, key: object, depth: int) -> str:
        return self._text(key[: limits.MAX_KEY_LENGTH]) if isinstance(key, str) else str(self.of(key, min(2, depth - 1)))

    def _sequence(self, values: list[object] | tuple[object, ...], depth: int) -> list[object]:
        shown = [self.of(value, depth - 1) for value in values[:MAX_SHOWN]]
        return [*shown, f"{len(values) - MAX_SHOWN:,} more"] if len(values) > MAX_SHOWN else shown

    def _object(self, value: Opaque, depth: int) -> object:
        name = value.name
        if name in _PATHS:
            parts = [part for part in value.arguments[:MAX_SHOWN] if isinstance(part, str)]
            return self._text("/".join(parts).replace("//", "/")) if sum(map(len, parts)) < self.left else "…"
        if isinstance(value.state, PickledDict):
            return {"<class>": name, **self._dictionary(value.state.pairs, depth)}
        if value.pairs:
            return {"<class>": name, **self._dictionary(value.pairs, depth)}
        simple = all(isinstance(argument, str | int | float | bool | None) for argument in value.arguments[:_ARGUMENTS])
        shown = ", ".join(_short(argument) for argument in value.arguments[:_ARGUMENTS]) if simple else ""
        return f"<{name}({shown})>" if shown else f"<{name}>"


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


def _short(value: object) -> str:
    return repr(value[: limits.MAX_KEY_LENGTH]) if isinstance(value, str) else str(_leaf(value) if isinstance(value, int) else value)
