"""Inert values as plain Python data that can be shown and written as JSON."""

from typing import Final

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


def plain(value: object, depth: int = 8) -> object:
    """*value* as dictionaries, lists, texts and numbers.

    Tensors and objects become a short text in ``<…>``; what is nested deeper than *depth* is shown as ``…``.
    """
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, PickledDict | PickledSet | Opaque) or is_sequence(value):
        return _nested(value, depth) if depth else "…"
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


def _nested(value: object, depth: int) -> object:
    match value:
        case PickledDict():
            return _dictionary(value.pairs, depth)
        case PickledSet():
            return _sequence(value.members, depth)
        case Opaque():
            return _object(value, depth)
        case list() | tuple():
            return _sequence(value, depth)
    raise TypeError(value)


def _dictionary(pairs: list[tuple[object, object]], depth: int) -> dict[str, object]:
    shown = {_key(key): plain(value, depth - 1) for key, value in pairs[:MAX_SHOWN]}
    if len(pairs) > MAX_SHOWN:
        shown["…"] = f"{len(pairs) - MAX_SHOWN:,} more"
    return shown


def _key(key: object) -> str:
    return key[: limits.MAX_KEY_LENGTH] if isinstance(key, str) else str(plain(key, 2))


def _sequence(values: list[object] | tuple[object, ...], depth: int) -> list[object]:
    shown = [plain(value, depth - 1) for value in values[:MAX_SHOWN]]
    return [*shown, f"{len(values) - MAX_SHOWN:,} more"] if len(values) > MAX_SHOWN else shown


def _object(value: Opaque, depth: int) -> object:
    name = str(value.call)
    if name in _PATHS:
        return "/".join(part for part in value.arguments if isinstance(part, str)).replace("//", "/")
    if isinstance(value.state, PickledDict):
        return {"<class>": name, **_dictionary(value.state.pairs, depth)}
    if value.pairs:
        return {"<class>": name, **_dictionary(value.pairs, depth)}
    simple = all(isinstance(argument, str | int | float | bool | None) for argument in value.arguments)
    shown = ", ".join(_short(argument) for argument in value.arguments[:_ARGUMENTS]) if simple else ""
    return f"<{name}({shown})>" if shown else f"<{name}>"


def _short(value: object) -> str:
    return repr(value[: limits.MAX_KEY_LENGTH]) if isinstance(value, str) else str(_leaf(value) if isinstance(value, int) else value)
