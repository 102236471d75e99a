"""What a loop goes through."""

from pthway.architecture.source.limits import MAX_UNROLLED
from pthway.architecture.source.values import NUMBER, UNKNOWN, Items, Module, Table, Value, choice


def rounds(value: Value) -> tuple[tuple[Value, ...], Value | None]:
    """Return the values of the rounds that a loop over *value* surely has, and what any more of them have; None if there are none."""
    if isinstance(value, Table):
        return _bounded(Items(tuple(value.entries), (UNKNOWN,) if value.rest else ()))
    if isinstance(value, Module):
        known = tuple(part for name, part in value.parts.items() if name.isdigit())
        more = (value.parts[NUMBER],) if NUMBER in value.parts else ()
        return _bounded(Items(known, (*more, *((UNKNOWN,) if value.open else ()))))
    return _bounded(value) if isinstance(value, Items) else ((), UNKNOWN)


def _bounded(items: Items) -> tuple[tuple[Value, ...], Value | None]:
    if len(items.items) > MAX_UNROLLED:
        return (), choice(items.every())
    return items.items, choice(items.rest) if items.rest else None
