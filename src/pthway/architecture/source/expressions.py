"""What the expressions of a constructor are known to be."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pthway.architecture.source.functions import FUNCTIONS, outside
from pthway.architecture.source.iteration import rounds
from pthway.architecture.source.library import MISSING
from pthway.architecture.source.limits import MAX_ITEMS, MAX_NUMBER, MAX_TEXT
from pthway.architecture.source.methods import CHANGING, changed, method
from pthway.architecture.source.values import (
    ANY,
    NUMBER,
    UNKNOWN,
    Builtin,
    Call,
    Choice,
    Class,
    Data,
    File,
    Function,
    Instance,
    Items,
    Module,
    Namespace,
    Super,
    Table,
    Value,
    choice,
    each,
    join,
    same,
    truth,
)

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def evaluate(run: Interpreter, node: ast.expr, frame: Frame) -> Value:
    """Return what *node* is known to be in *frame*."""
    found = _KINDS.get(type(node))
    return UNKNOWN if found is None else found(run, node, frame)


def function_of(node: ast.FunctionDef | ast.Lambda, frame: Frame) -> Function:
    """Return the function that a definition inside a function makes."""
    around = {**(frame.around or {}), **frame.names}
    return Function(frame.home, node, frame.owner, around)


# --- assignment -------------------------------------------------------------------------------------------------------


def assign(run: Interpreter, target: ast.expr, value: Value, frame: Frame) -> None:
    """Give *target* the value."""
    if isinstance(target, ast.Name):
        frame.names[target.id] = value
    elif isinstance(target, ast.Starred):
        assign(run, target.value, value, frame)
    elif isinstance(target, ast.Tuple | ast.List):
        for part, entry in zip(target.elts, _unpacked(value, target.elts), strict=True):
            assign(run, part, entry, frame)
    elif isinstance(target, ast.Attribute):
        holder = evaluate(run, target.value, frame)
        if isinstance(holder, Instance):
            holder.set(target.attr, value)
        elif isinstance(holder, Module):
            assign(run, target.value, holder.having(target.attr, value), frame)
    elif isinstance(target, ast.Subscript):
        holder, key = evaluate(run, target.value, frame), evaluate(run, target.slice, frame)
        if isinstance(holder, Items | Table | Module):
            assign(run, target.value, _with_entry(holder, key, value), frame)


def _unpacked(value: Value, targets: list[ast.expr]) -> list[Value]:
    count = len(targets)
    if isinstance(value, Choice):
        columns = zip(*(_unpacked(option, targets) for option in value.options), strict=True)
        return [choice(column) for column in columns]
    starred = next((at for at, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if not isinstance(value, Items) or value.rest or (len(value.items) != count and starred is None):
        return [choice((*value.every(), UNKNOWN)) if isinstance(value, Items) else UNKNOWN] * count
    if starred is None:
        return list(value.items)
    after = count - starred - 1
    middle = value.items[starred : len(value.items) - after]
    return [*value.items[:starred], Items(middle), *(value.items[len(value.items) - after :] if after else ())][:count]


def _with_entry(holder: Value, key: Value, value: Value) -> Value:
    if isinstance(holder, Items):
        if type(key) is int and -len(holder.items) <= key < len(holder.items):
            entries = list(holder.items)
            entries[key] = value
            return Items(tuple(entries), holder.rest)
        return Items((), (*holder.every(), value))
    if isinstance(holder, Table):
        if isinstance(key, str | int) and ANY not in str(key) and len(holder.entries) < MAX_ITEMS:
            return Table({**holder.entries, key: value}, holder.rest)
        return Table(holder.entries, (*holder.rest, value))
    if isinstance(key, (str, int)):
        return holder.having(str(key), value, optional=ANY in str(key))
    return holder.having(NUMBER if holder.kind in ("Sequential", "ModuleList") else ANY, value, optional=True)


# --- kinds of expressions ---------------------------------------------------------------------------------------------


_PLAIN: Final = (bool, int, float)


def _constant(_run: Interpreter, node: ast.Constant, _frame: Frame) -> Value:
    value = node.value
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return value if value is None or isinstance(value, _PLAIN) else UNKNOWN


def _name(run: Interpreter, node: ast.Name, frame: Frame) -> Value:
    return run.name(node.id, frame)


def _attribute(run: Interpreter, node: ast.Attribute, frame: Frame) -> Value:
    return attribute(run, evaluate(run, node.value, frame), node.attr)


def attribute(run: Interpreter, holder: Value, name: str) -> Value:
    """Return ``holder.name``."""
    if isinstance(holder, Choice):
        return choice(attribute(run, option, name) for option in holder.options)
    if isinstance(holder, Instance):
        return holder.attributes[name] if name in holder.attributes else run.member(holder.cls, name, holder)
    if isinstance(holder, Module):
        if name in holder.parts:
            return holder.parts[name]
        return UNKNOWN if holder.home is None else run.member(holder.home, name, holder)
    if isinstance(holder, Class):
        return run.member(holder, name, None)
    if isinstance(holder, File):
        found = run.known(run.library.attribute(holder.outline, name))
        return UNKNOWN if found is MISSING else found
    if isinstance(holder, Namespace):
        return Namespace(f"{holder.name}.{name}")
    if isinstance(holder, Super):
        return _inherited(run, holder, name)
    return UNKNOWN


def _inherited(run: Interpreter, holder: Super, name: str) -> Value:
    if isinstance(holder.instance, Instance):
        for base in run.following(holder.instance.cls, holder.after):
            if isinstance(base, Class) and name in base.outline.methods:
                return run.member(base, name, holder.instance)
    return UNKNOWN


def _call(run: Interpreter, node: ast.Call, frame: Frame) -> Value:
    run.step()
    if isinstance(node.func, ast.Attribute):
        return _method_call(run, node, node.func, frame)
    callee = evaluate(run, node.func, frame)
    return _called(run, callee, _arguments(run, node, frame), frame)


def _called(run: Interpreter, callee: Value, call: Call, frame: Frame) -> Value:
    if isinstance(callee, Builtin):
        if callee.name == "super":
            return _super(call, frame)
        known = FUNCTIONS.get(callee.name)
        return UNKNOWN if known is None else known(run, call)
    found = outside(run, callee.name, call) if isinstance(callee, Namespace) else UNKNOWN
    return run.call(callee, call) if found is UNKNOWN else found


def _method_call(run: Interpreter, node: ast.Call, func: ast.Attribute, frame: Frame) -> Value:
    holder, name = evaluate(run, func.value, frame), func.attr
    call = _arguments(run, node, frame)
    if name == "__init__" and _initialised(run, holder, call):
        return None
    if name in CHANGING and isinstance(holder, (Instance, Items, Table, Module)):
        after = changed(holder, name, call)
        if after is not None:
            if after is not holder:
                assign(run, func.value, after, frame)
            return method(holder, name, call)
    found = method(holder, name, call)
    return found if found is not UNKNOWN else _called(run, attribute(run, holder, name), call, frame)


def _initialised(run: Interpreter, holder: Value, call: Call) -> bool:
    """Whether this was ``super().__init__(…)`` or ``Base.__init__(self, …)``, which is then followed."""
    if isinstance(holder, Super):
        if isinstance(holder.instance, Instance):
            run.initialise(holder.instance, holder.after, call)
        return True
    first = call.arguments.items[0] if call.arguments.items else None
    if not isinstance(first, Instance):
        return False
    rest = Call(Items(call.arguments.items[1:], call.arguments.rest), call.keywords, call.open)
    line = run.library.line(first.cls)
    if isinstance(holder, Class) and holder in line:
        place = line.index(holder)
        before = line[place - 1] if place else None
        run.initialise(first, before if isinstance(before, Class) else None, rest)
    elif isinstance(holder, Namespace):
        made = run.call(holder, rest)
        if isinstance(made, Module):
            first.take(made)
    return True


def _super(call: Call, frame: Frame) -> Super:
    given = call.arguments.items
    if len(given) == 2 and isinstance(given[0], Class):  # noqa: PLR2004  # super(Class, self)
        return Super(given[1], given[0])
    return Super(frame.instance, frame.owner)


def _arguments(run: Interpreter, node: ast.Call, frame: Frame) -> Call:
    given = _elements(run, node.args, frame)
    keywords: dict[str, Value] = {}
    unknown = False
    for keyword in node.keywords:
        value = evaluate(run, keyword.value, frame)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, Table):
            keywords |= {name: entry for name, entry in value.entries.items() if isinstance(name, str)}
            unknown = unknown or bool(value.rest)
        else:
            unknown = True
    return Call(given, keywords, unknown)


def _elements(run: Interpreter, nodes: list[ast.expr], frame: Frame) -> Items:
    found = Items()
    for node in nodes:
        if isinstance(node, ast.Starred):
            given, more = rounds(evaluate(run, node.value, frame))
            found = found.plus(Items(given, () if more is None else (more,)))
        else:
            found = found.plus(Items((evaluate(run, node, frame),)))
    return found


def _sequence(run: Interpreter, node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Value:
    return _elements(run, node.elts, frame)


def _dictionary(run: Interpreter, node: ast.Dict, frame: Frame) -> Value:
    table = Table()
    for key, value in zip(node.keys, node.values, strict=True):
        entry = evaluate(run, value, frame)
        if key is None:
            merged = entry if isinstance(entry, Table) else Table({}, (UNKNOWN,))
            table = Table({**table.entries, **merged.entries}, (*table.rest, *merged.rest))
        else:
            table = _with_entry(table, evaluate(run, key, frame), entry)
    return table


def _boolean(run: Interpreter, node: ast.BoolOp, frame: Frame) -> Value:
    decisive = isinstance(node.op, ast.Or)
    options: list[Value] = []
    for part in node.values[:-1]:
        value = evaluate(run, part, frame)
        known = truth(value)
        if known is decisive:
            options.append(value)
            return _any_of(options)
        if known is None:
            options += [option for option in each(value) if truth(option) is not (not decisive)]
    return _any_of([*options, evaluate(run, node.values[-1], frame)])


def _any_of(values: list[Value]) -> Value:
    joined = values[0]
    for value in values[1:]:
        joined = join(joined, value)
    return joined


def _not(run: Interpreter, node: ast.UnaryOp, frame: Frame) -> Value:
    value = evaluate(run, node.operand, frame)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return UNKNOWN if known is None else not known
    if isinstance(node.op, ast.USub) and isinstance(value, int | float):
        return -value
    return value if isinstance(value, Data) else UNKNOWN


def _conditional(run: Interpreter, node: ast.IfExp, frame: Frame) -> Value:
    known = truth(evaluate(run, node.test, frame))
    if known is not None:
        return evaluate(run, node.body if known else node.orelse, frame)
    return join(evaluate(run, node.body, frame), evaluate(run, node.orelse, frame))


_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


def _arithmetic(run: Interpreter, node: ast.BinOp, frame: Frame) -> Value:
    left, right = evaluate(run, node.left, frame), evaluate(run, node.right, frame)
    if isinstance(node.op, ast.Add) and isinstance(left, Items) and isinstance(right, Items):
        return left.plus(right)
    if isinstance(node.op, ast.Mult) and (isinstance(left, Items) or isinstance(right, Items)):
        return _multiplied(*((left, right) if isinstance(left, Items) else (right, left)))
    if isinstance(left, str) or (isinstance(right, str) and isinstance(node.op, ast.Add)):
        return _text(node.op, left, right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _number(node.op, left, right)
    data = next((value for value in (left, right) if isinstance(value, Data)), None)
    return UNKNOWN if data is None else data if isinstance(left, int | float) or isinstance(right, int | float) else Data()


def _multiplied(items: Items, times: Value) -> Items:
    if type(times) is int and not items.rest and 0 <= times * len(items.items) <= MAX_ITEMS:
        return Items(items.items * times)
    return Items((), items.every())


def _number(op: ast.operator, left: float, right: float) -> Value:
    if isinstance(op, ast.Pow):
        small = isinstance(left, int) and isinstance(right, int) and 0 <= right < 48 and abs(left) <= 2  # noqa: PLR2004  # powers of two
        return left**right if small else UNKNOWN
    known = _ARITHMETIC.get(type(op))
    if known is None or (right == 0 and not isinstance(op, ast.Add | ast.Sub | ast.Mult)):
        return UNKNOWN
    try:
        result = known(left, right)
    except (OverflowError, ArithmeticError):
        return UNKNOWN
    return result if abs(result) < MAX_NUMBER else UNKNOWN


def _text(op: ast.operator, left: Value, right: Value) -> Value:
    if isinstance(op, ast.Add):
        return f"{shown(left)}{shown(right)}"[:MAX_TEXT]
    if isinstance(op, ast.Mod) and isinstance(left, str):
        parts = iter(right.items if isinstance(right, Items) else (right,))
        text = left
        for mark in ("%d", "%s", "%i"):
            while mark in text:
                text = text.replace(mark, shown(next(parts, UNKNOWN)), 1)
        return text[:MAX_TEXT]
    return UNKNOWN


def shown(value: Value) -> str:
    """Return *value* as a part of a text: itself, or `ANY` where it is not known."""
    return str(value) if isinstance(value, str | int) else ANY


def _formatted(run: Interpreter, node: ast.JoinedStr, frame: Frame) -> Value:
    text = ""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            plain = part.format_spec is None and part.conversion == -1
            text += shown(evaluate(run, part.value, frame)) if plain else ANY
        elif isinstance(part, ast.Constant):
            text += str(part.value)
    return text[:MAX_TEXT]


_COMPARED: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _comparison(run: Interpreter, node: ast.Compare, frame: Frame) -> Value:
    values = [evaluate(run, part, frame) for part in (node.left, *node.comparators)]
    answers = [_compared(op, left, right) for op, left, right in zip(node.ops, values, values[1:], strict=False)]
    if False in answers:
        return False
    return UNKNOWN if None in answers else True


def _compared(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    if isinstance(op, ast.Is | ast.IsNot):
        answer = _identical(left, right)
        return None if answer is None else answer is isinstance(op, ast.Is)
    if isinstance(op, ast.In | ast.NotIn):
        inside = _contained(left, right)
        return None if inside is None else inside is isinstance(op, ast.In)
    plain = (bool, int, float, str)
    if isinstance(left, plain) and isinstance(right, plain) and ANY not in f"{left}{right}":
        try:
            return bool(_COMPARED[type(op)](left, right))
        except TypeError:
            return None
    if isinstance(op, ast.Eq | ast.NotEq):
        answer = _identical(left, right)
        return None if answer is None else answer is isinstance(op, ast.Eq)
    return None


def _identical(left: Value, right: Value) -> bool | None:
    """Whether two values are one; None where it may be either."""
    unsure = (type(UNKNOWN), Builtin)
    lefts, rights = each(left), each(right)
    if any(isinstance(value, unsure) for value in (*lefts, *rights)):
        return None
    answers = {same(a, b) for a in lefts for b in rights}
    return answers.pop() if len(answers) == 1 else None


def _contained(left: Value, right: Value) -> bool | None:
    if not isinstance(left, str | int) or ANY in str(left):
        return None
    if isinstance(right, Table):
        return True if left in right.entries else (None if right.rest else False)
    if isinstance(right, Items):
        if any(same(left, entry) for entry in right.items):
            return True
        return None if right.rest or UNKNOWN in right.items else False
    if isinstance(right, Module) and not right.optional and not right.open:
        return str(left) in right.parts
    return left in right if isinstance(left, str) and isinstance(right, str) else None


def _subscript(run: Interpreter, node: ast.Subscript, frame: Frame) -> Value:
    holder = evaluate(run, node.value, frame)
    if isinstance(node.slice, ast.Slice):
        return _slice(run, holder, node.slice, frame)
    key = evaluate(run, node.slice, frame)
    return choice(_entry(option, key) for option in holder.options) if isinstance(holder, Choice) else _entry(holder, key)


def _entry(holder: Value, key: Value) -> Value:
    if isinstance(holder, Table):
        if isinstance(key, str | int) and key in holder.entries:
            return holder.entries[key]
        return choice((*holder.entries.values(), *holder.rest)) if holder.entries or holder.rest else UNKNOWN
    if isinstance(holder, Module):
        return holder.parts.get(str(key), UNKNOWN) if isinstance(key, str | int) else _any_part(holder)
    if not isinstance(holder, Items):
        return UNKNOWN
    if type(key) is int and (0 <= key < len(holder.items) or (not holder.rest and -len(holder.items) <= key < 0)):
        return holder.items[key]
    return choice((*holder.every(),)) if holder.every() else UNKNOWN


def _any_part(holder: Module) -> Value:
    return choice(holder.parts.values()) if holder.parts and not holder.open else UNKNOWN


def _slice(run: Interpreter, holder: Value, node: ast.Slice, frame: Frame) -> Value:
    bounds = [None if part is None else evaluate(run, part, frame) for part in (node.lower, node.upper, node.step)]
    known = all(bound is None or type(bound) is int for bound in bounds) and bounds[2] != 0
    if isinstance(holder, Items):
        return Items(holder.items[slice(*bounds)]) if known and not holder.rest else Items((), holder.every())
    if isinstance(holder, str) and known and ANY not in holder:
        return holder[slice(*bounds)]
    return UNKNOWN


def _comprehension(run: Interpreter, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, frame: Frame) -> Value:
    return _collected(run, node.generators, frame, lambda: Items((evaluate(run, node.elt, frame),)))


def _table_comprehension(run: Interpreter, node: ast.DictComp, frame: Frame) -> Value:
    def pair() -> Items:
        return Items((Items((evaluate(run, node.key, frame), evaluate(run, node.value, frame))),))

    table: Value = Table()
    pairs = _collected(run, node.generators, frame, pair)
    for entry in pairs.items:
        table = _with_entry(table, *entry.items)
    return Table(table.entries, (*table.rest, *(entry.items[1] for entry in pairs.rest)))


def _collected(run: Interpreter, generators: list[ast.comprehension], frame: Frame, element: Callable[[], Items]) -> Items:
    """Return what a comprehension collects; its names are its own."""
    if not generators:
        return element()
    names: Mapping[str, Value] = dict(frame.names)
    first, *others = generators
    given, more = rounds(evaluate(run, first.iter, frame))
    found = Items()
    for value, sure in [*((value, True) for value in given), *([(more, False)] if more is not None else [])]:
        run.step()
        assign(run, first.target, value, frame)
        passed = [truth(evaluate(run, test, frame)) for test in first.ifs]
        if False not in passed:
            part = _collected(run, others, frame, element)
            found = found.plus(part if sure and None not in passed else Items((), part.every()))
    frame.names = dict(names)
    return found


def _lambda(_run: Interpreter, node: ast.Lambda, frame: Frame) -> Value:
    return function_of(node, frame)


def _walrus(run: Interpreter, node: ast.NamedExpr, frame: Frame) -> Value:
    value = evaluate(run, node.value, frame)
    assign(run, node.target, value, frame)
    return value


_KINDS: Final[dict[type[ast.expr], Callable[[Interpreter, Any, Frame], Value]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dictionary,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _not,
    ast.IfExp: _conditional,
    ast.BinOp: _arithmetic,
    ast.JoinedStr: _formatted,
    ast.Compare: _comparison,
    ast.Subscript: _subscript,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _table_comprehension,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
}
