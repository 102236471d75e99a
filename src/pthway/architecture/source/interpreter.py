"""Follows constructors through their source, to say which modules they make. Nothing is executed: values are what can be known."""

import ast
import re
from typing import Final

from pthway.architecture.source import attributes, expressions, statements
from pthway.architecture.source.annotations import declared, typed
from pthway.architecture.source.frame import Frame
from pthway.architecture.source.layers import torch_layer
from pthway.architecture.source.library import MISSING, Constant, Library, brings_tensors, layer_name
from pthway.architecture.source.limits import MAX_ASIDE, MAX_CALLS, MAX_STEPS
from pthway.architecture.source.objects import has_constructor, take_fields
from pthway.architecture.source.outline import Outline, imports, parsed
from pthway.architecture.source.values import (
    BUILDERS,
    UNKNOWN,
    Bound,
    Builtin,
    Call,
    Choice,
    Class,
    Function,
    Instance,
    Items,
    Module,
    Namespace,
    Partial,
    Table,
    Value,
    choice,
    each,
    join,
)

_INSIDE_ITSELF: Final = 3
"""How often a class may be under construction, and a function followed, inside itself."""


class _Exhausted(Exception):
    """The steps of one constructor are spent."""


class Interpreter:
    """Follows the constructors of one library; what a class makes of the same arguments is worked out once."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.steps = 0
        self.most = MAX_STEPS
        self.depth = 0
        self._made: dict[object, Module] = {}
        self._given: dict[object, Value] = {}
        self._built: dict[int, list[Module]] = {}
        self._constants: dict[tuple[int, str], Value] = {}
        self._active: list[int] = []
        self._inside: list[int] = []

    def pattern(self, cls: Class) -> Module:
        """Return what *cls* makes when nothing is known of its arguments."""
        self.steps, self.depth, self._active = 0, 0, []
        return self.construct(cls, Call(open=True))

    def factory_patterns(self, cls: Class) -> list[Module]:
        """Return what the functions of the file that build *cls* make of it, when nothing is known of their own arguments.

        They share the steps of one constructor.
        """
        key = id(cls)
        if key not in self._built:
            found: list[Module] = []
            self.steps = 0
            for name in _users(cls):
                function = self.library.function(cls.home, name, cls.home.functions[name], None)
                self.depth, self._active = 0, []
                try:
                    made = self.invoke(function, Call(open=True)) if isinstance(function, Function) else None
                except (_Exhausted, RecursionError):
                    break
                found += [option for option in each(made) if isinstance(option, Module) and option.home is cls]
            self._built[key] = found
        return self._built[key]

    def step(self) -> None:
        """Count one step. Raises `_Exhausted`."""
        self.steps += 1
        if self.steps > self.most:
            raise _Exhausted

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """Return what *node* is known to be in *frame*."""
        return expressions.evaluate(self, node, frame)

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, callee: Value, call: Call) -> Value:
        """Return what *callee* gives for *call*."""
        self.step()
        if isinstance(callee, Choice):
            return choice(self.call(option, call) for option in callee.options)
        if isinstance(callee, Partial):
            return self.call(callee.callee, _after(callee.call, call))
        if isinstance(callee, Bound):
            return self.invoke(callee.function, call, callee.first)
        if isinstance(callee, Function):
            return self.invoke(callee, call)
        if isinstance(callee, Class):
            return self.construct(callee, call) if self.library.is_module(callee) else self.make(callee, call)
        layer = layer_name(callee)
        return UNKNOWN if layer is None else torch_layer(layer, call)

    def construct(self, cls: Class, call: Call) -> Module:
        """Return the module that ``cls(…)`` makes."""
        key = _key(cls, call)
        if key is not None and key in self._made:
            return self._made[key]
        if self._active.count(id(cls)) >= _INSIDE_ITSELF or len(self._active) > MAX_CALLS:
            return Module(cls.name, open=True, home=cls)
        instance = Instance(cls)
        self._active.append(id(cls))
        try:
            self.initialise(instance, None, call)
        except (_Exhausted, RecursionError):
            instance.open = True
            if len(self._active) > 1:
                raise _Exhausted from None
        finally:
            self._active.pop()
        made = instance.finished()
        if key is not None:
            self._made[key] = made
        return made

    def make(self, cls: Class, call: Call) -> Value:
        """Return the object that ``cls(…)`` makes, of a class that is no network."""
        if self._active.count(id(cls)) >= _INSIDE_ITSELF or len(self._active) > MAX_CALLS:
            return UNKNOWN
        instance = Instance(cls)
        self._active.append(id(cls))
        try:
            if has_constructor(self, cls):
                self.initialise(instance, None, call)
            else:
                take_fields(self, instance, call)
        finally:
            self._active.pop()
        return instance

    def initialise(self, instance: Instance, after: Class | None, call: Call) -> None:
        """Follow the ``__init__`` of the class of *instance*, or the next one that comes after *after*."""
        for base in self.following(instance.cls, after):
            if isinstance(base, Class):
                if "__init__" in base.outline.methods:
                    found = self.library.function(base.home, "__init__", base.outline.methods["__init__"], base)
                    if isinstance(found, Function):
                        self.invoke(found, call, instance)
                    else:
                        instance.open = True  # too long to be followed
                    return
            elif (layer := layer_name(base)) is not None:
                instance.take(torch_layer(layer, call))
                return
            elif brings_tensors(base):
                instance.open = True  # nobody here knows what it brings

    def following(self, cls: Class, after: Class | None) -> tuple[Class | Namespace, ...]:
        """Return the classes in which ``super()`` of *after* looks, or all for None."""
        line = self.library.line(cls)
        places = [at for at, entry in enumerate(line) if entry is after]
        return line[places[0] + 1 :] if places else line

    def invoke(self, function: Function, call: Call, first: Value = MISSING) -> Value:
        """Return what a function of the tree gives for *call*; *first* is its first argument, if a dot gave one."""
        if self.depth >= MAX_CALLS or self._inside.count(id(function.node)) >= _INSIDE_ITSELF:
            return UNKNOWN
        if function.owner is not None and not self.library.builds(function.owner):
            return self._glance(function, call, first)
        if first is not MISSING or function.around is not None or call.open:
            return self._follow(function, call, first)
        key = _key(function, call)
        if key is None:
            return self._follow(function, call, first)
        if key not in self._given:
            self._given[key] = self._follow(function, call, first)
        return self._given[key]

    def _glance(self, function: Function, call: Call, first: Value) -> Value:
        """Follow a method of a class that makes no modules, as long as it is short."""
        before, self.most = self.most, min(self.most, self.steps + MAX_ASIDE)
        try:
            return self._follow(function, call, first)
        except _Exhausted:
            if self.steps > before:
                raise
            return UNKNOWN
        finally:
            self.most = before

    def _follow(self, function: Function, call: Call, first: Value) -> Value:
        frame = Frame(function.home, around=function.around, owner=function.owner)
        if first is not MISSING:
            call = Call(Items((first, *call.arguments.items), call.arguments.rest), call.keywords, call.open)
        self._bind(function, call, frame)
        holders = [value for value in frame.names.values() if isinstance(value, Instance)]
        frame.instance = holders[0] if holders else None
        self.depth += 1
        self._inside.append(id(function.node))
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body, frame)
            ended = statements.follow(self, function.node.body, frame)
        finally:
            self.depth -= 1
            self._inside.pop()
        if not frame.returned:
            return None
        return frame.returned[0] if ended and len(frame.returned) == 1 else _either(frame.returned)

    def _bind(self, function: Function, call: Call, frame: Frame) -> None:
        given = function.node.args
        positional = [*given.posonlyargs, *given.args]
        defaults = dict(zip([parameter.arg for parameter in positional][::-1], given.defaults[::-1], strict=False))
        defaults |= {
            parameter.arg: default for parameter, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is not None
        }
        outside = Frame(function.home, around=function.around)
        keywords = dict(call.keywords)
        for place, name in enumerate(parameter.arg for parameter in (*positional, *given.kwonlyargs)):
            if place < len(positional) and place < len(call.arguments.items):
                value = call.arguments.items[place]
            elif name in keywords:
                value = keywords.pop(name)
            elif place < len(positional) and call.arguments.rest:
                value = choice((*call.arguments.rest, UNKNOWN))
            elif name in defaults:
                default = self.evaluate(defaults[name], outside)
                value = self._hint(function.home, default) if call.open else default
            else:
                value = self._hint(function.home, MISSING) if call.open and place else UNKNOWN
            frame.names[name] = value
        self._declare(function, [*positional, *given.kwonlyargs], frame)
        if given.vararg is not None:
            rest = (UNKNOWN,) if call.open else call.arguments.rest
            frame.names[given.vararg.arg] = Items(call.arguments.items[len(positional) :], rest)
        if given.kwarg is not None:
            frame.names[given.kwarg.arg] = Table(keywords, (UNKNOWN,) if call.open else ())

    def _declare(self, function: Function, parameters: list[ast.arg], frame: Frame) -> None:
        """Take arguments that are not known for what their annotation says, or that of the attribute of the same name."""
        first = next(iter(frame.names.values()), None)
        for parameter in parameters:
            value = frame.names[parameter.arg]
            if value is not UNKNOWN and not (isinstance(value, Choice) and UNKNOWN in value.options):
                continue
            found = typed(self, function.home, parameter.annotation)
            if found is UNKNOWN and isinstance(first, Instance) and parameter.annotation is None:
                found = declared(self, first.cls, parameter.arg)
            if found is not UNKNOWN:
                frame.names[parameter.arg] = found

    def _hint(self, home: Outline, default: Value) -> Value:
        """Return what an argument may be that is not known: its default, if that makes modules, or a class that its file passes about."""
        if default is not MISSING and not isinstance(default, BUILDERS):
            return UNKNOWN
        passed = [self.library.the(home.classes[name]) for name in home.passed]
        given = () if default is MISSING else each(default)
        return choice((*given, *filter(self.library.is_module, passed), UNKNOWN))

    # --- names --------------------------------------------------------------------------------------------------------

    def name(self, name: str, frame: Frame) -> Value:
        """Return what *name* means in *frame*."""
        if name in frame.names:
            return frame.names[name]
        if frame.around is not None and name in frame.around:
            return frame.around[name]
        found = self.known(self.library.definition(frame.home, name))
        if found is MISSING:
            return Namespace({"nn": "torch.nn"}.get(name, name)) if name in ("nn", "torch", "math") else Builtin(name)
        return found

    def imports(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> dict[str, Value]:
        """Return the names that an import inside a function brings."""
        return {name: self.known(self.library.imported(frame.home, what)) for name, what in imports(node).items()}

    def attribute(self, holder: Value, name: Value, default: Value) -> Value:
        """Return ``getattr(holder, name, default)``."""
        if not isinstance(name, str):
            return UNKNOWN
        found = attributes.attribute(self, holder, name)
        return default if found is UNKNOWN and isinstance(holder, Class | Namespace) else found

    def known(self, found: Value) -> Value:
        """Return *found*; of a constant, its value."""
        if not isinstance(found, Constant):
            return found
        key = (id(found.home), found.source)
        if key not in self._constants:
            self._constants[key] = UNKNOWN  # a constant that is made of itself
            node = parsed(found.source)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and self.depth < MAX_CALLS:
                self._constants[key] = self.evaluate(node.value, Frame(found.home))
        return self._constants[key]

    def member(self, cls: Class, name: str, first: Value) -> Value:
        """Return what the class gives for ``first.name``: a bound method, the value of a property, or a constant."""
        for base in self.library.line(cls):
            if not isinstance(base, Class):
                continue
            if name in base.outline.methods:
                found = self.library.function(base.home, name, base.outline.methods[name], base)
                return self._method(found, first, cls) if isinstance(found, Function) else UNKNOWN
            if name in base.outline.constants:
                return self.known(Constant(base.home, base.outline.constants[name].strip()))
        return UNKNOWN

    def _method(self, function: Function, first: Value, cls: Class) -> Value:
        decorators = {getattr(node, "id", getattr(node, "attr", "")) for node in getattr(function.node, "decorator_list", ())}
        if decorators & {"property", "cached_property"}:
            return self.invoke(function, Call(), first)
        if "classmethod" in decorators:
            return Bound(function, cls)
        return function if "staticmethod" in decorators or first is None else Bound(function, first)


def _after(first: Call, second: Call) -> Call:
    return Call(first.arguments.plus(second.arguments), {**first.keywords, **second.keywords}, first.open or second.open)


def _users(cls: Class) -> list[str]:
    """Return the functions of the file that name *cls*, and those that name these."""
    found: dict[str, None] = {}
    waiting = [cls.name]
    while waiting:
        word = re.compile(rf"\b{re.escape(waiting.pop())}\b")
        for name, segment in cls.home.functions.items():
            if name not in found and word.search(segment):
                found[name] = None
                waiting.append(name)
    return list(found)


def _either(values: list[Value]) -> Value:
    joined = values[0]
    for value in values[1:]:
        joined = join(joined, value)
    return joined


class _Changing(Exception):
    """A value that may change is among those that decide an outcome."""


def _key(callee: Class | Function, call: Call) -> object | None:
    """Return what decides the outcome of a call; None if it may change a module under construction."""
    try:
        return callee, _frozen(call)
    except _Changing:
        return None


def _frozen(value: Value) -> object:
    """Return what is equal for values that mean the same. Raises `_Changing`."""
    if isinstance(value, Instance | Bound):
        raise _Changing
    if isinstance(value, Items):
        return Items, tuple(map(_frozen, value.items)), tuple(map(_frozen, value.rest))
    if isinstance(value, Choice):
        return Choice, tuple(map(_frozen, value.options))
    if isinstance(value, Table):
        return Table, tuple((key, _frozen(entry)) for key, entry in value.entries.items()), tuple(map(_frozen, value.rest))
    if isinstance(value, Partial):
        return Partial, _frozen(value.callee), _frozen(value.call)
    if isinstance(value, Call):
        return _frozen(value.arguments), tuple((name, _frozen(entry)) for name, entry in value.keywords.items()), value.open
    return type(value), value
