"""JSON inside weights files as inert values: keys that repeat are refused, and so is what would exhaust the parser."""

import json

from pthway.errors import CorruptFile, LimitExceeded
from pthway.formats import limits
from pthway.formats.values import PickledDict


def parse(text: bytes, named: str) -> object:
    """The value of a JSON text: objects as `PickledDict`, arrays as lists.

    *named* begins the message of the `CorruptFile` that is raised for anything that is not one strict JSON value,
    and of the `LimitExceeded` for one of too many values.
    """
    _check_amount(text, named)
    try:
        value: object = json.loads(text.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError) as cause:
        raise _corrupt(named, f"is no JSON that can be read: {str(cause)[:120]}") from cause
    return value


def _check_amount(text: bytes, named: str) -> None:
    """Refuse before parsing what would fill the memory: a list costs thirty times the two bytes that write it."""
    if text.count(b"{") + text.count(b"[") > limits.MAX_JSON_CONTAINERS or text.count(b",") > limits.MAX_JSON_VALUES:
        raise LimitExceeded(
            f"{named} is JSON of {len(text):,} bytes with millions of values.",
            f"At most {limits.MAX_JSON_CONTAINERS:,} lists and objects and {limits.MAX_JSON_VALUES:,} values are read.",
            "Check where the file came from.",
        )
    if len(text) > limits.MAX_WIDE_TEXT and (b"\\u" in text or not text.isascii()):
        raise LimitExceeded(
            f"{named} is JSON of {len(text):,} bytes that are not all ASCII.",
            f"Above {limits.MAX_WIDE_TEXT:,} bytes only ASCII is read: another character can make it four times as large in memory.",
            "Check where the file came from.",
        )


def _pairs(pairs: list[tuple[str, object]]) -> PickledDict:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a key stands twice in one object")
    return PickledDict(pairs=list(pairs))


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _corrupt(named: str, how: str) -> CorruptFile:
    return CorruptFile(f"{named} {how}.", "Two readers could understand it differently, or none at all.", "Download or save it again.")
