"""Methods of lists, dictionaries, texts and modules."""

from collections.abc import Callable
from typing import Final

from pthway.architecture.source.iteration import rounds
from pthway.architecture.source.limits import MAX_TEXT
from pthway.architecture.source.values import (
    ANY,
    NUMBER,
    UNKNOWN,
    Call,
    Data,
    Instance,
    Items,
    Module,
    Table,
    Value,
    Weight,
    choice,
    each,
)

CHANGING: Final = frozenset(
    (
        "append", "extend", "insert", "update", "add_module", "register_module", "register_buffer", "register_parameter", "setdefault",
    )
)  # fmt: skip
"""Methods after which their object has other entries."""


def changed(holder: Value, name: str, call: Call) -> Value | None:
    """Return *holder* after ``holder.name(…)``; an instance changes itself. None if it has no such method."""
    if isinstance(holder, Items):
        return _changed_items(holder, name, call)
    if isinstance(holder, Table):
        return _changed_table(holder, name, call)
    if name.startswith("register") or name == "add_module":
        return _registered(holder, name, call)
    if isinstance(holder, Module):
        return _changed_container(holder, name, call)
    return _grown(holder, call) if name == "append" else None


def _grown(holder: Instance, call: Call) -> Instance:
    """Return the list of modules under construction after another was appended; how many there are before is not followed."""
    value = call.get(0, "module")
    holder.set(NUMBER, choice((holder.attributes.get(NUMBER, value), value)), optional=True)
    return holder


def _changed_items(holder: Items, name: str, call: Call) -> Items | None:
    if name == "append":
        return holder.plus(Items((call.get(0, ""),)))
    if name == "extend":
        given, more = rounds(call.get(0, ""))
        return holder.plus(Items(given, () if more is None else (more,)))
    if name == "insert":
        at, value = call.get(0, ""), call.get(1, "")
        if type(at) is int and not holder.rest:
            entries = list(holder.items)
            entries.insert(at, value)
            return Items(tuple(entries))
        return Items((), (*holder.every(), value))
    return None


def _changed_table(holder: Table, name: str, call: Call) -> Table | None:
    if name == "update":
        given = call.get(0, "", Table())
        more = given if isinstance(given, Table) else Table({}, (UNKNOWN,))
        unknown = (UNKNOWN,) if call.open else ()
        return Table({**holder.entries, **more.entries, **call.keywords}, (*holder.rest, *more.rest, *unknown))
    if name == "setdefault" and isinstance(call.get(0, ""), str):
        return Table({call.get(0, ""): call.get(1, ""), **holder.entries}, holder.rest)
    return None


def _registered(holder: Value, name: str, call: Call) -> Value:
    key, value = call.get(0, "name"), call.get(1, {"register_buffer": "tensor", "register_parameter": "param"}.get(name, "module"))
    text = key if isinstance(key, str) else ANY
    if name == "register_buffer":
        kept = call.get(2, "persistent", True)
        value = None if value is None else Data() if kept is False else Weight(value.shape if isinstance(value, Data) else None)
        doubtful = kept not in (True, False) or ANY in text
    else:
        if name == "register_parameter" and isinstance(value, Data):
            value = Weight(value.shape)
        doubtful = ANY in text
    if isinstance(holder, Instance):
        holder.set(text, value, optional=doubtful)
        return holder
    return holder.having(text, value, optional=doubtful)


def _changed_container(holder: Module, name: str, call: Call) -> Module | None:
    if name == "update":
        given = call.get(0, "")
        if not isinstance(given, Table):
            return Module(holder.kind, holder.parts, holder.optional, open=True, home=holder.home)
        for key, value in given.entries.items():
            holder = holder.having(str(key), value)
        return holder.having(ANY, choice(given.rest), optional=True) if given.rest else holder
    if name not in ("append", "extend"):
        return None
    given, more = ((call.get(0, ""),), None) if name == "append" else rounds(call.get(0, ""))
    for value in given:
        if NUMBER in holder.parts or holder.open:
            holder = holder.having(NUMBER, choice((holder.parts.get(NUMBER, value), value)), optional=True)
        else:
            holder = holder.having(str(len(holder.parts)), value)
    if more is not None:
        holder = holder.having(NUMBER, choice((holder.parts.get(NUMBER, more), more)), optional=True)
    return holder


def method(holder: Value, name: str, call: Call) -> Value:
    """Return what ``holder.name(…)`` gives; `UNKNOWN` if nothing is known of it."""
    if isinstance(holder, Table):
        return _TABLE[name](holder, call) if name in _TABLE else UNKNOWN
    if isinstance(holder, Module) and holder.kind in ("ModuleDict", "ParameterDict") and name in ("items", "values", "keys"):
        return _TABLE[name](Table(holder.parts), call)
    if isinstance(holder, Module) and name in ("named_children", "children", "modules"):
        return _children(holder, name)
    if isinstance(holder, str):
        return _text(holder, name, call)
    if isinstance(holder, Items) and name == "pop":
        return choice(holder.every()) if holder.every() else UNKNOWN
    if isinstance(holder, Items) and name == "copy":
        return holder
    if isinstance(holder, Module) and name in ("to", "cuda", "half", "float", "eval", "train", "requires_grad_", "cpu"):
        return holder
    return Data() if isinstance(holder, Data | Weight) else UNKNOWN


def _children(holder: Module, name: str) -> Value:
    parts = {key: part for key, part in holder.parts.items() if any(isinstance(option, Module) for option in each(part))}
    known = {key: part for key, part in parts.items() if key not in holder.optional and ANY not in key}
    rest = (*(part for key, part in parts.items() if key not in known), *((UNKNOWN,) if holder.open or name == "modules" else ()))
    if name == "named_children":
        return Items(tuple(Items(pair) for pair in known.items()), tuple(Items((UNKNOWN, part)) for part in rest))
    return Items(tuple(known.values()), rest)


def _text(holder: str, name: str, call: Call) -> Value:
    if name == "format":
        text = holder
        for value in call.arguments.items:
            text = text.replace("{}", str(value) if isinstance(value, str | int) else ANY, 1)
        for key, value in call.keywords.items():
            text = text.replace(f"{{{key}}}", str(value) if isinstance(value, str | int) else ANY)
        return text.replace("{}", ANY)[:MAX_TEXT] if "{" not in text.replace("{}", "") else ANY
    if ANY in holder:
        return UNKNOWN
    if name in ("lower", "upper", "strip", "title") and not call.arguments.items:
        return getattr(holder, name)()
    given = call.arguments.items
    if name in ("startswith", "endswith") and len(given) == 1 and isinstance(given[0], str):
        return holder.startswith(given[0]) if name == "startswith" else holder.endswith(given[0])
    if name == "replace" and len(given) == 2 and all(isinstance(value, str) for value in given):  # noqa: PLR2004  # old, new
        return holder.replace(*given)[:MAX_TEXT]
    if name == "split" and len(given) == 1 and isinstance(given[0], str) and given[0]:
        return Items(tuple(holder.split(given[0])))
    return UNKNOWN


def _get(holder: Table, call: Call) -> Value:
    key, default = call.get(0, "key"), call.get(1, "default")
    if isinstance(key, str | int) and key in holder.entries:
        return holder.entries[key]
    if isinstance(key, str | int) and not holder.rest:
        return default
    return choice((*(() if isinstance(key, str | int) else holder.entries.values()), *holder.rest, default))


_TABLE: Final[dict[str, Callable[[Table, Call], Value]]] = {
    "get": _get,
    "pop": _get,
    "setdefault": _get,
    "items": lambda holder, _: Items(
        tuple(Items((key, value)) for key, value in holder.entries.items()), tuple(Items((UNKNOWN, value)) for value in holder.rest)
    ),
    "values": lambda holder, _: Items(tuple(holder.entries.values()), holder.rest),
    "keys": lambda holder, _: Items(tuple(holder.entries), (UNKNOWN,) if holder.rest else ()),
    "copy": lambda holder, _: holder,
}
