"""The hyper-parameters that training code left in the file, matched with the arguments by name."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pthway.architecture.constructor import NEVER_TRIED
from pthway.architecture.slots import Slot, inside, same, walk

CALLED: Final = re.compile(
    r"(^|[._])(hyper_?param\w*|hparams|args|arguments|kwargs|config|configuration|cfg|conf|params|opt|opts|options|settings|init_args|"
    r"model_args|model_config|model_kwargs|model_params|arch\w*|flags|metadata|meta)$",
    re.IGNORECASE,
)
"""What training programs call the dictionary that holds them."""
DEPTH: Final = 6


@dataclass(frozen=True, slots=True)
class Stored:
    """A value that the file states."""

    value: object
    where: str
    """Its path in the file."""
    others: tuple[tuple[str, object], ...] = ()
    """Other places of the file that state another value."""


def stored_values(extras: Mapping[str, object], arguments: Mapping[str, object]) -> dict[Slot, Stored]:
    """Return what *extras* (everything in a checkpoint that is no weight) says of the slots of *arguments*, by their last name.

    Dictionaries under the names that training programs use are looked at, and the top of the file; the one with most of the
    names comes first. A text in ``<…>`` stands for an object that was not read, and is no value.
    """
    named = {slot: _last(slot) for slot, _ in walk(arguments) if not slot.endswith("]") or slot.endswith("']")}
    named = {slot: name for slot, name in named.items() if name not in NEVER_TRIED}
    groups = sorted(_groups(_nested(extras)), key=lambda group: -len(group[1].keys() & set(named.values())))
    found: dict[Slot, Stored] = {}
    current = dict(walk(arguments))
    for slot, name in named.items():
        values = [(f"{path}.{name}".lstrip("."), group[name]) for path, group in groups if name in group and _is_plain(group[name])]
        values = [(where, _as(value, current[slot])) for where, value in values]
        if (values and not inside(current[slot], slot)) or (values and isinstance(values[0][1], list | tuple)):
            where, value = values[0]
            found[slot] = Stored(value, where, tuple(other for other in values[1:] if not same(other[1], value)))
    return found


def _groups(
    node: Mapping[str, object], path: str = "", depth: int = DEPTH, *, trusted: bool = True
) -> Iterator[tuple[str, Mapping[str, object]]]:
    if trusted:
        yield path, node
    for name, value in node.items() if depth else ():
        if isinstance(value, Mapping):
            inner = f"{path}.{name}".lstrip(".")
            yield from _groups(value, inner, depth - 1, trusted=bool(CALLED.search(inner)) or (trusted and bool(path)))


def _nested(extras: Mapping[str, object]) -> dict[str, object]:
    """Return *extras*, whose names are paths, as the dictionaries that they came from."""
    root: dict[str, object] = {}
    for path, value in extras.items():
        *outer, last = path.split(".")
        holder = root
        for part in outer:
            inner = holder.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            holder = inner
        else:
            holder[last] = value
    return root


def _last(slot: Slot) -> str:
    return slot.rpartition(".")[2].rpartition("['")[2].removesuffix("']")


def _as(value: object, like: object) -> object:
    """Return a stored list as a tuple where the argument is one: a file's description does not tell them apart."""
    return tuple(value) if isinstance(value, list) and isinstance(like, tuple) else value


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or (isinstance(value, bool | int | float | str) and not (isinstance(value, str) and value.startswith(("<", "…"))))
