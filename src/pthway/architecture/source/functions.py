"""Functions of Python and of torch that constructors call, as far as they matter for what modules there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pthway.architecture.source.iteration import rounds
from pthway.architecture.source.limits import MAX_TEXT, MAX_UNROLLED
from pthway.architecture.source.values import (
    UNKNOWN,
    Call,
    Choice,
    Class,
    Data,
    Instance,
    Items,
    Module,
    Partial,
    Table,
    Value,
    Weight,
    choice,
    distinct,
)

if TYPE_CHECKING:
    from pthway.architecture.source.interpreter import Interpreter


def outside(run: Interpreter, name: str, call: Call) -> Value:
    """Return what a function outside the tree gives; `UNKNOWN` if nothing is known of it."""
    last = name.rpartition(".")[2]
    if name.startswith("torch."):
        if last in ("Parameter", "UninitializedParameter", "Buffer"):
            return _parameter(call)
        if last in _NORMED:
            return _normed(call.get(0, "module"), _NORMED[last] if "parametrizations" not in name else _PARAMETRIZED, call)
        if last in ("QuantStub", "DeQuantStub"):
            return Module(last)
        if last in _FILLED:
            return Data(_shape(call))
        if last in ("zeros_like", "ones_like", "rand_like", "randn_like", "empty_like", "tensor", "arange", "linspace", "full", "eye"):
            return Data()
        return call.get(0, "obj") if last in ("script", "compile") else UNKNOWN
    if last in ("partial", "deepcopy", "copy", "OrderedDict"):
        known = FUNCTIONS.get(last)
        return UNKNOWN if known is None else known(run, call)
    return UNKNOWN


_FILLED: Final = frozenset(("zeros", "ones", "empty", "rand", "randn", "Tensor", "FloatTensor"))
_NORMED: Final = {
    "weight_norm": {"weight_g": "weight", "weight_v": "weight"},
    "spectral_norm": {"weight_orig": "weight", "weight_u": "", "weight_v": ""},
}
"""What these functions of torch.nn.utils put in the place of ``weight``."""
_PARAMETRIZED: Final = {"parametrizations": ""}


def _parameter(call: Call) -> Value:
    data = call.get(0, "data")
    return Weight(data.shape) if isinstance(data, Data) else Weight()


def _shape(call: Call) -> tuple[int | None, ...] | None:
    given = call.arguments
    if "size" in call.keywords and isinstance(call.keywords["size"], Items):
        given = call.keywords["size"]
    elif len(given.items) == 1 and isinstance(given.items[0], Items):
        given = given.items[0]
    if given.rest or (len(given.items) == 1 and type(given.items[0]) is not int):
        return None
    return tuple(value if type(value) is int else None for value in given.items)


def _normed(module: Value, instead: dict[str, str], call: Call) -> Value:
    if isinstance(module, Choice):
        return choice(_normed(option, instead, call) for option in module.options)
    name = call.get(1, "name", "weight")
    if not isinstance(module, Module) or name != "weight" or "weight" not in module.parts:
        return UNKNOWN
    parts = {name: part for name, part in module.parts.items() if name != "weight"}
    for name, like in instead.items():
        whole = like and name != "weight_g"
        parts[name] = Module("ModuleDict", open=True) if name == "parametrizations" else module.parts["weight"] if whole else Weight()
    return Module(module.kind, parts, module.optional, module.open, module.home)


def _first(_run: Interpreter, call: Call) -> Value:
    return call.arguments.items[0] if call.arguments.items else UNKNOWN


def _items(value: Value) -> Items:
    if isinstance(value, Items):
        return value
    given, more = rounds(value)
    return Items(given, () if more is None else (more,))


def _list(_run: Interpreter, call: Call) -> Value:
    return _items(call.arguments.items[0]) if call.arguments.items else Items()


def _reversed(_run: Interpreter, call: Call) -> Value:
    items = _items(call.get(0, ""))
    return Items((), items.every()) if items.rest else Items(items.items[::-1])


def _range(_run: Interpreter, call: Call) -> Value:
    bounds = call.arguments.items
    if call.arguments.rest or not 1 <= len(bounds) <= 3 or not all(type(bound) is int for bound in bounds):  # noqa: PLR2004
        return Items((), (UNKNOWN,))
    if len(bounds) == 3 and bounds[2] == 0:  # noqa: PLR2004  # its step
        return Items()
    numbers = range(*bounds)
    return Items(tuple(numbers)) if len(numbers) <= MAX_UNROLLED else Items((), (UNKNOWN,))


def _len(_run: Interpreter, call: Call) -> Value:
    value = call.get(0, "")
    if isinstance(value, Items) and not value.rest:
        return len(value.items)
    if isinstance(value, Table) and not value.rest:
        return len(value.entries)
    if isinstance(value, Module) and value.kind in ("Sequential", "ModuleList", "ModuleDict") and not value.optional and not value.open:
        return len(value.parts)
    return UNKNOWN


def _enumerate(_run: Interpreter, call: Call) -> Value:
    items, start = _items(call.get(0, "")), call.get(1, "start", 0)
    count = start if type(start) is int else None
    numbered = tuple(Items((UNKNOWN if count is None else count + at, item)) for at, item in enumerate(items.items))
    return Items(numbered, tuple(Items((UNKNOWN, item)) for item in items.rest))


def _zip(_run: Interpreter, call: Call) -> Value:
    columns = [_items(value) for value in call.arguments.items]
    if not columns or call.arguments.rest:
        return Items((), (UNKNOWN,))
    sure = min(len(column.items) for column in columns)
    rows = tuple(Items(tuple(column.items[at] for column in columns)) for at in range(sure))
    if all(column.rest or len(column.items) > sure for column in columns):
        return Items(rows, (Items(tuple(choice((*column.items[sure:], *column.rest)) for column in columns)),))
    return Items(rows)


def _dict(_run: Interpreter, call: Call) -> Value:
    given = call.arguments.items[0] if call.arguments.items else Table()
    rest: tuple[Value, ...] = (UNKNOWN,) if call.open else ()
    if isinstance(given, Table):
        return Table({**given.entries, **call.keywords}, (*given.rest, *rest))
    entries: dict[Value, Value] = {}
    for pair in _items(given).every():
        if isinstance(pair, Items) and len(pair.items) == 2 and isinstance(pair.items[0], str) and "*" not in pair.items[0]:  # noqa: PLR2004
            entries[pair.items[0]] = pair.items[1]
        else:
            rest = distinct((*rest, pair.items[-1] if isinstance(pair, Items) and pair.items else UNKNOWN))
    return Table({**entries, **call.keywords}, rest)


def _partial(_run: Interpreter, call: Call) -> Value:
    if not call.arguments.items:
        return UNKNOWN
    rest = Call(Items(call.arguments.items[1:], call.arguments.rest), call.keywords, call.open)
    return Partial(call.arguments.items[0], rest)


def _setattr(_run: Interpreter, call: Call) -> Value:
    if len(call.arguments.items) == 3:  # noqa: PLR2004  # holder, name, value
        holder, name, value = call.arguments.items
        if isinstance(holder, Instance):
            text = name if isinstance(name, str) else "*"
            holder.set(text, value, optional="*" in text)
    return None


def _isinstance(run: Interpreter, call: Call) -> Value:
    value, kinds = call.get(0, ""), call.get(1, "")
    names = {kind.name for kind in (kinds.items if isinstance(kinds, Items) else (kinds,)) if hasattr(kind, "name")}
    plain = {bool: "bool", int: "int", float: "float", str: "str"}
    if type(value) in plain and names and names <= {"int", "float", "str", "bool", "list", "tuple", "dict"}:
        return plain[type(value)] in names or (type(value) is bool and "int" in names)
    if value is None:
        return False
    if isinstance(value, Items) and names and names <= {"int", "float", "str", "bool"}:
        return False
    if isinstance(value, Items) and {"list", "tuple"} <= names:
        return True
    if isinstance(value, Module) and isinstance(kinds, Class) and value.home is not None:
        return kinds in run.library.line(value.home)
    return UNKNOWN


def _getattr(run: Interpreter, call: Call) -> Value:
    return run.attribute(call.get(0, ""), call.get(1, ""), call.get(2, "", UNKNOWN))


def _number(kind: Callable[[float], int | float | bool]) -> Callable[[Interpreter, Call], Value]:
    def convert(_run: Interpreter, call: Call) -> Value:
        value = call.get(0, "", 0)
        try:
            return kind(value) if isinstance(value, bool | int | float) else UNKNOWN
        except (OverflowError, ValueError):
            return UNKNOWN

    return convert


def _extreme(pick: Callable[[list[float]], float]) -> Callable[[Interpreter, Call], Value]:
    def find(_run: Interpreter, call: Call) -> Value:
        given = call.arguments
        if len(given.items) == 1 and isinstance(given.items[0], Items):
            given = given.items[0]
        known = bool(given.items) and not given.rest and all(isinstance(value, int | float) for value in given.items)
        return pick(list(given.items)) if known else UNKNOWN

    return find


def _sum(_run: Interpreter, call: Call) -> Value:
    items, start = _items(call.get(0, "")), call.get(1, "start", 0)
    if isinstance(start, Items):
        total = start
        for item in items.items:
            total = total.plus(_items(item))
        return total
    known = not items.rest and all(isinstance(value, int | float) for value in (*items.items, start))
    return sum(items.items, start) if known else UNKNOWN


def _str(_run: Interpreter, call: Call) -> Value:
    value = call.get(0, "", "")
    return str(value)[:MAX_TEXT] if isinstance(value, str | int) else "*"


def _map(run: Interpreter, call: Call) -> Value:
    if len(call.arguments.items) != 2:  # noqa: PLR2004  # function, values
        return UNKNOWN
    callee, values = call.arguments.items
    items = _items(values)
    return Items(
        tuple(run.call(callee, Call(Items((item,)))) for item in items.items),
        tuple(run.call(callee, Call(Items((item,)))) for item in items.rest),
    )


FUNCTIONS: Final[dict[str, Callable[[Interpreter, Call], Value]]] = {
    "range": _range,
    "len": _len,
    "list": _list,
    "tuple": _list,
    "sorted": lambda run, call: Items((), _list(run, call).every()),
    "reversed": _reversed,
    "enumerate": _enumerate,
    "zip": _zip,
    "map": _map,
    "dict": _dict,
    "OrderedDict": _dict,
    "partial": _partial,
    "deepcopy": _first,
    "copy": _first,
    "setattr": _setattr,
    "getattr": _getattr,
    "isinstance": _isinstance,
    "int": _number(int),
    "float": _number(float),
    "bool": _number(bool),
    "abs": _number(abs),
    "round": _number(round),
    "max": _extreme(max),
    "min": _extreme(min),
    "sum": _sum,
    "str": _str,
}
"""Functions that are called by a bare name, and those of the standard library under their last name."""
