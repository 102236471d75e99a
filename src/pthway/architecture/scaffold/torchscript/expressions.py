"""Expressions of a TorchScript program as expressions of Python, from an allow-list; everything else is refused by name."""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from pthway.architecture.scaffold.names import is_attribute
from pthway.architecture.scaffold.torchscript import operators
from pthway.architecture.scaffold.torchscript.layers import TRACED, does_nothing
from pthway.architecture.scaffold.torchscript.names import attribute_name, method_name
from pthway.architecture.scaffold.torchscript.nodes import (
    NotTranslatedError,
    Typed,
    arithmetic,
    call,
    constant,
    joined,
    library,
    part_of,
    path,
    same_types,
    text,
    variable,
)
from pthway.architecture.scaffold.torchscript.program import Class, Program, plain
from pthway.architecture.scaffold.torchscript.types import (
    ANY,
    BOOL,
    DEVICE,
    DTYPE,
    FLOAT,
    INT,
    NONE,
    STR,
    TENSOR,
    TENSORS,
    Type,
    dotted,
    read,
)

MAX_NESTED: Final = 60
"""Expressions inside one another; torch writes a few."""

_DEVICE: Final = re.compile(r"(cpu|cuda|meta|mps|xpu)(:\d{1,3})?")
_OVERLOAD: Final = re.compile(r"forward__\d+")


class Uses:
    """What a translated function needs of the file that it stands in."""

    def __init__(self, constants: Mapping[str, int] | None = None) -> None:
        self.functions: dict[str, None] = {}
        """Functions of the program, by their full names, in the order in which they are met."""
        self.tuples: dict[str, None] = {}
        self.constants = dict(constants or {})
        """Constants of the program by name → their number in the class."""
        self.names: set[str] = set()
        """``F`` and ``torch``."""

    def add(self, other: "Uses") -> None:
        """Take in what another function of the same class needs."""
        self.functions |= other.functions
        self.tuples |= other.tuples
        self.constants |= other.constants
        self.names |= other.names


class Context(NamedTuple):
    """What expressions are translated in."""

    program: Program
    functions: Mapping[str, str]
    """Full name → name in the file."""
    tuples: Mapping[str, str]
    """The same for tuples with names and for enumerations."""
    owner: Class | None
    """The module whose method it is."""
    container: Callable[[Class], str]
    """Which container of torch a module is written as; empty for others."""
    same: Callable[[Class], bool]
    """Whether the methods of a traced module, one for each of its calls, all do the same."""
    available: frozenset[str]
    """Attributes of that module that are tensors of the file, or whose value is known."""
    constants: frozenset[str]
    """Constants of the program whose numbers are known."""


class Expressions:
    """Translates the expressions of one function."""

    def __init__(self, context: Context, variables: Mapping[str, str], uses: Uses) -> None:
        self.context = context
        self.variables = variables
        self.uses = uses
        self.types: dict[str, Type] = {}
        self.inlined: dict[str, Typed] = {}
        """Variables that stand for a module or an attribute of one."""
        self.aliases: dict[str, str] = {}
        """Variables that stand for a function → its full name."""
        self.depth = 0

    def of(self, node: ast.expr) -> Typed:
        """The expression in Python. Raises `NotTranslatedError`."""
        self.depth += 1
        if self.depth > MAX_NESTED:
            raise NotTranslatedError(f"expressions inside one another deeper than {MAX_NESTED}")
        found = self._of(node)
        self.depth -= 1
        return found

    def _of(self, node: ast.expr) -> Typed:
        match node:
            case ast.Constant(value=value):
                return constant(value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.of(operand)
                return Typed(ast.UnaryOp(ast.USub(), inner.node), inner.of)
            case ast.Name(id=name):
                return self._name(name)
            case ast.List(elts=elts):
                parts = [self.of(each) for each in elts]
                return Typed(ast.List([each.node for each in parts], ast.Load()), Type("List", (joined([each.of for each in parts]),)))
            case ast.Tuple(elts=elts):
                parts = [self.of(each) for each in elts]
                return Typed(ast.Tuple([each.node for each in parts], ast.Load()), Type("Tuple", tuple(each.of for each in parts)))
            case ast.Dict(keys=keys, values=values):
                return self._dictionary(keys, values)
            case ast.Subscript(value=value, slice=index):
                return self._entry(self.of(value), self.of(index))
            case ast.Attribute(value=value, attr=name):
                return self._attribute(node, value, name)
            case ast.Call(func=func, args=args, keywords=keywords):
                return self._call(func, args, keywords)
        raise NotTranslatedError(f"the expression {type(node).__name__}")

    # --- names and attributes ----------------------------------------------------------------------------------------------

    def _name(self, name: str) -> Typed:
        if name in self.inlined:
            return self.inlined[name]
        if name in self.variables:
            of = self.types.get(name, ANY)
            held = self.context.owner if self.variables[name] == "self" else self.context.program.classes.get(of.name)
            return Typed(variable(self.variables[name]), of, held if held is not None and held.is_module else None)
        if name in ("inf", "nan"):
            return Typed(call(variable("float"), [ast.Constant(name)]), FLOAT)
        raise NotTranslatedError(f"the name {name!a}")

    def _attribute(self, node: ast.Attribute, value: ast.expr, name: str) -> Typed:
        if dotted(node).startswith("CONSTANTS."):
            return self._constant(name)
        if self.is_member(node):
            kind = dotted(node).rpartition(".")[0]
            self.uses.tuples[kind] = None
            return Typed(ast.Attribute(variable(self.context.tuples[kind]), name, ast.Load()), Type(kind))
        return self.attribute(self.of(value), name)

    def is_member(self, node: ast.expr) -> bool:
        """Whether an expression is a member of an enumeration of the program."""
        kind, _, name = dotted(node).rpartition(".")
        held = self.context.program.classes.get(kind)
        return kind in self.context.tuples and held is not None and held.base == "Enum" and name in (held.constants or {})

    def _constant(self, name: str) -> Typed:
        owner = self.context.owner
        if owner is not None and name in self.context.available and name not in owner.attributes:
            return Typed(ast.Attribute(variable("self"), name, ast.Load()), TENSOR)  # of a frozen program: its weights
        number = self.uses.constants.setdefault(name, len(self.uses.constants))
        if owner is None or name not in self.context.constants or f"constant_{number}" in owner.attributes:
            raise NotTranslatedError(f"the tensor {name[:20]!a} among the constants, which is large, or used outside of a module")
        return Typed(ast.Attribute(variable("self"), f"constant_{number}", ast.Load()), TENSOR)

    def attribute(self, base: Typed, name: str) -> Typed:
        """An attribute of a module or of a tuple with names."""
        held = base.owner
        if held is None:
            held = self.context.program.classes.get(base.of.name)
            if held is None or held.base != "NamedTuple" or name not in held.attributes or not attribute_name(name):
                raise NotTranslatedError(f"the attribute {name!a} of what is no module")
            return Typed(ast.Attribute(base.node, name, ast.Load()), held.attributes[name])
        if name == "training":
            return Typed(ast.Attribute(base.node, name, ast.Load()), BOOL)
        if name not in held.attributes:
            raise NotTranslatedError(f"the attribute {name!a}, which its class does not have")
        of = held.attributes[name]
        child = self.context.program.classes.get(of.name)
        if child is not None and child.is_module:
            return Typed(self._access(base, name, held), of, child)
        if isinstance(base.node, ast.Name) and base.node.id == "self" and name not in self.context.available:
            raise NotTranslatedError(f"the attribute {name[:80]!a}, whose value is not plain data")
        return Typed(self._access(base, name, held), of)

    def _access(self, base: Typed, name: str, held: Class) -> ast.expr:
        if name.isdigit() and self.context.container(held):
            return ast.Subscript(base.node, ast.Constant(int(name)), ast.Load())
        if attribute_name(name):
            return ast.Attribute(base.node, name, ast.Load())
        return call(variable("getattr"), [base.node, ast.Constant(name)])

    def _entry(self, base: Typed, index: Typed) -> Typed:
        match base.node:
            case ast.Call(func=ast.Name(id="list"), args=[ast.Attribute(attr="shape") as sizes]):
                return Typed(ast.Subscript(sizes, index.node, ast.Load()), INT)
        node = ast.Subscript(base.node, index.node, ast.Load())
        if base.of.name == "Tuple" and isinstance(index.node, ast.Constant) and isinstance(index.node.value, int):
            inside = base.of.inside
            return Typed(node, inside[index.node.value] if -len(inside) <= index.node.value < len(inside) else ANY)
        return Typed(node, base.of.element)

    def _dictionary(self, keys: Sequence[ast.expr | None], values: Sequence[ast.expr]) -> Typed:
        if any(key is None for key in keys):
            raise NotTranslatedError("a dictionary inside a dictionary")
        told = [self.of(key) for key in keys if key is not None]
        held = [self.of(value) for value in values]
        of = Type("Dict", (joined([each.of for each in told]), joined([each.of for each in held])))
        return Typed(ast.Dict([each.node for each in told], [each.node for each in held]), of)

    # --- calls ---------------------------------------------------------------------------------------------------------------

    def _call(self, func: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> Typed:
        name = self.aliases.get(func.id, "") if isinstance(func, ast.Name) else dotted(func)
        if isinstance(func, ast.Name) and not name:
            return self._builtin(func.id, args, keywords)
        if name.startswith("__torch__."):
            return self._function(name, args, keywords)
        family, _, operator = name.rpartition(".")
        if name.split(".")[0] not in self.variables:
            if family in ("torch", "ops.aten"):
                return self._operator(operator, args, keywords)
            if family == "ops.prim":
                return self._primitive(operator, [self.of(each) for each in args])
        if isinstance(func, ast.Attribute) and not keywords:
            return self._method(self.of(func.value), func.attr, [self.of(each) for each in args])
        raise NotTranslatedError(f"the call of {name[:80]!a}" if name else f"the call of what is a {type(func).__name__}")

    def _builtin(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Typed:
        match name, args:
            case _ if keywords:
                pass
            case (("annotate" | "unchecked_cast"), [of, value]):
                return self._cast(read(of), self.of(value))
            case "uninitialized", [of]:
                return Typed(ast.Constant(None), read(of))
            case (("int" | "float" | "bool" | "str"), [value]):
                return Typed(call(variable(name), [self.of(value).node]), Type(name))
            case "getattr", [value, ast.Constant(value=str(attribute))]:
                return self.attribute(self.of(value), attribute)
        raise NotTranslatedError(f"the call of {name[:80]!a}")

    def _cast(self, of: Type, value: Typed) -> Typed:
        if of.is_number and not value.of.is_number and value.of != DTYPE and not isinstance(value.node, ast.Constant):
            return Typed(call(variable(of.name), [value.node]), of)  # a tensor that becomes a number
        return Typed(value.node, value.of if value.of == DTYPE else of)

    def _method(self, base: Typed, name: str, args: list[Typed]) -> Typed:
        held = base.owner
        self.no_dtypes(args)
        if held is None or name not in held.methods:
            raise NotTranslatedError(f"the method {name[:80]!a} of what is no module")
        result = read(held.methods[name].returns)
        nodes = [each.node for each in args]
        same = TRACED.fullmatch(name) and self.context.same(held)
        if same or name == "forward" or _OVERLOAD.fullmatch(name):
            return Typed(call(base.node, nodes), result)
        if name == "__len__":
            return Typed(call(variable("len"), [base.node]), INT)
        if not method_name(name, held):
            raise NotTranslatedError(f"the method {name[:80]!a}")
        return Typed(call(ast.Attribute(base.node, name, ast.Load()), nodes), result)

    def idle(self, node: ast.expr) -> bool:
        """Whether an expression is the call of a traced method that does nothing: what an Identity leaves."""
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if dotted(node.func).partition(".")[0] not in ("torch", "ops"):
                held = self.of(value).owner
                return held is not None and name in held.methods and does_nothing(held.methods[name])
        return False

    def no_dtypes(self, args: list[Typed]) -> None:
        """Raise where a type of numbers, which the program takes for an integer, would go on into its code."""
        if any(each.of == DTYPE for each in args):
            raise NotTranslatedError("a type of numbers as an integer")

    def _function(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Typed:
        if keywords:
            raise NotTranslatedError(f"names of arguments in the call of {name[:80]!a}")
        given = [self.of(each) for each in args]
        if name in self.context.tuples and self.context.program.classes[name].base == "NamedTuple":
            self.uses.tuples[name] = None
            return Typed(call(variable(self.context.tuples[name]), [each.node for each in given]), Type(name))
        known = self.context.program.functions.get(name)
        if known is None:
            raise NotTranslatedError(f"the function {name[:80]!a}, which the program does not have")
        home, _, short = plain(name).rpartition(".")
        short = operators.OTHER_NAMES.get(short, short)
        if home == "torch.nn.functional" and short in operators.LIBRARY | {*operators.OTHER_NAMES.values()}:
            self.uses.names.add("F")
            return Typed(library(short, known[1], [each.node for each in given]), read(known[1].returns))
        self.no_dtypes(given)
        self.uses.functions[name] = None
        return Typed(call(variable(self.context.functions[name]), [each.node for each in given]), read(known[1].returns))

    # --- operators -------------------------------------------------------------------------------------------------------------

    def _primitive(self, name: str, args: list[Typed]) -> Typed:
        nodes = [each.node for each in args]
        if name in operators.PROPERTIES and len(args) == 1:
            return Typed(ast.Attribute(nodes[0], name, ast.Load()), operators.PROPERTIES[name])
        if name in operators.OF_NUMBERS and args:
            return Typed(call(variable(name), nodes), joined([each.of for each in args]))
        if name == "NumToTensor" and len(args) == 1:
            self.uses.names.add("torch")
            func = path("torch", "tensor") if args[0].of == INT else path("torch", "ops", "prim", name)
            return Typed(call(func, nodes), TENSOR)
        if name == "unchecked_unwrap_optional" and len(args) == 1:
            return args[0]
        raise NotTranslatedError(f"the operator {f'prim::{name}'[:80]!a}")

    def _operator(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Typed:
        if name == "device" and len(args) == 1 and isinstance(args[0], ast.Constant) and _DEVICE.fullmatch(str(args[0].value)):
            return Typed(call(path("torch", "device"), [ast.Constant(args[0].value)]), DEVICE)
        given = [self.of(each) for each in args]
        named = [option for keyword in keywords for option in self._option(keyword)]
        if not keywords or not named:
            spelled = self._spelled(name, given)
            if spelled is not None:
                return spelled
        return self._tensor_operator(name, given, named, numbered=self._is_numbered(keywords))

    def _is_numbered(self, keywords: list[ast.keyword]) -> bool:
        """Whether a type is asked for by a number that is no literal, which ``torch.ops.aten`` takes as it is."""
        types = [each.value for each in keywords if each.arg == "dtype"]
        return any(not isinstance(each, ast.Constant) and self.of(each).of != DTYPE for each in types)

    def _option(self, keyword: ast.keyword) -> list[ast.keyword]:
        """A named argument as Python has it; none where it is what torch takes anyway."""
        value = keyword.value
        match keyword.arg, value:
            case None, _:
                raise NotTranslatedError("arguments out of a dictionary")
            case (("dtype" | "layout" | "device" | "pin_memory" | "memory_format"), ast.Constant(value=None)):
                return []
            case "pin_memory", ast.Constant(value=False):
                return []
            case "layout", ast.Constant(value=0):
                return []
            case "dtype", ast.Constant(value=int(number)) if number in operators.DTYPES:
                return [ast.keyword("dtype", path("torch", operators.DTYPES[number]))]
            case "memory_format", ast.Constant(value=int(number)) if number in operators.MEMORY_FORMATS:
                return [ast.keyword("memory_format", path("torch", operators.MEMORY_FORMATS[number]))]
            case (("layout" | "pin_memory" | "memory_format"), _):
                raise NotTranslatedError(f"the option {keyword.arg}")
            case "alpha", ast.Constant(value=1):
                return []
        told = self.of(value)
        if keyword.arg is None or not is_attribute(keyword.arg):
            raise NotTranslatedError(f"the option {keyword.arg!a}")
        return [ast.keyword(keyword.arg, told.node)]

    def _spelled(self, name: str, args: list[Typed]) -> Typed | None:  # noqa: C901  # one line for each operator
        """An operator that Python has a sign or a function for; None for the others."""
        nodes = [each.node for each in args]
        match name, args:
            case _, [left, right] if name in operators.BINARY:
                return Typed(ast.BinOp(left.node, operators.BINARY[name](), right.node), arithmetic(name, left.of, right.of))
            case "rsub", [left, right]:
                return Typed(ast.BinOp(right.node, ast.Sub(), left.node), arithmetic(name, left.of, right.of))
            case _, [left, right] if name in operators.COMPARISONS:
                left, right = same_types(left, right)
                tensors = name not in ("__is__", "__isnot__") and TENSOR in (left.of, right.of)
                known = name in ("__is__", "__isnot__") or ANY not in (left.of, right.of)
                of = TENSOR if tensors else BOOL if known else ANY
                return Typed(ast.Compare(left.node, [operators.COMPARISONS[name]()], [right.node]), of)
            case "__contains__", [held, each]:
                return Typed(ast.Compare(each.node, [ast.In()], [held.node]), BOOL)
            case "__not__", [value]:
                return Typed(ast.UnaryOp(ast.Not(), value.node), BOOL)
            case "neg", [value]:
                return Typed(ast.UnaryOp(ast.USub(), value.node), value.of)
            case "len", [_]:
                return Typed(call(variable("len"), nodes), INT)
            case "size", [value]:
                return Typed(call(variable("list"), [ast.Attribute(value.node, "shape", ast.Load())]), operators.RETURNS["size"])
            case "size", [value, index]:
                return Typed(ast.Subscript(ast.Attribute(value.node, "shape", ast.Load()), index.node, ast.Load()), INT)
            case "slice", [value, *rest]:
                return part_of(value, rest)
            case "format", [Typed(node=ast.Constant(value=str(template))), *rest] if template.count("{}") == len(rest):
                return Typed(text(template, [each.node for each in rest]), STR)
            case (("append" | "extend" | "insert" | "clear" | "reverse"), [held, *_]):
                return Typed(call(ast.Attribute(held.node, name, ast.Load()), nodes[1:]), NONE)
            case "copy", [held] if held.of.name in ("List", "Dict"):
                return Typed(call(ast.Attribute(held.node, name, ast.Load()), []), held.of)
            case "pop", [held, *_]:
                return Typed(call(ast.Attribute(held.node, name, ast.Load()), nodes[1:]), held.of.element)
            case (("keys" | "values" | "items"), [held]):
                inside = {"keys": held.of.inside[:1], "values": held.of.inside[1:], "items": (Type("Tuple", held.of.inside),)}[name]
                return Typed(call(variable("list"), [call(ast.Attribute(held.node, name, ast.Load()), [])]), Type("List", inside))
            case "list", [Typed(node=ast.Call(func=ast.Name(id="list"))) as made]:
                return made
            case (("list" | "str"), [value]):
                return Typed(call(variable(name), nodes), value.of if name == "list" else STR)
            case (("Int" | "Float" | "Bool" | "IntImplicit" | "FloatImplicit"), [_]):
                plain_name = name.removesuffix("Implicit").lower()
                return Typed(call(variable(plain_name), nodes), Type(plain_name))
            case "__getitem__", [held, index]:
                return self._entry(held, index)
            case "to", [value, *rest]:
                return self._to(value, rest)
        return None

    def _to(self, value: Typed, rest: list[Typed]) -> Typed:
        """``x.to(...)``: the first arguments are a type, a device or another tensor, flags follow."""
        while rest and isinstance(rest[-1].node, ast.Constant) and rest[-1].node.value in (None, False):
            rest = rest[:-1]
        told: list[ast.expr] = []
        for each in rest:
            number = each.node.value if isinstance(each.node, ast.Constant) else None
            if number in operators.DTYPES and not isinstance(number, bool) and each.of == INT:
                told.append(path("torch", operators.DTYPES[int(str(number))]))
            elif each.of in (DTYPE, DEVICE, TENSOR):
                told.append(each.node)
            else:
                raise NotTranslatedError("an argument of aten::to")
        if not told:
            return value
        return Typed(call(ast.Attribute(value.node, "to", ast.Load()), told), TENSOR)

    def _tensor_operator(self, name: str, args: list[Typed], named: list[ast.keyword], *, numbered: bool) -> Typed:
        nodes = [each.node for each in args]
        self.no_dtypes(args)
        if name in ("softmax", "log_softmax") and len(args) == 3:  # noqa: PLR2004  # the type stands third
            nodes, named = nodes[:2], [*named, *self._option(ast.keyword("dtype", nodes[2]))]
        of = operators.RETURNS.get(name, TENSOR)
        in_place = name.endswith("_") and not name.startswith("__") and name[:-1] in operators.IN_PLACE
        if args and args[0].of == TENSOR and not numbered and (name in operators.METHODS or in_place):
            return Typed(call(ast.Attribute(nodes[0], name, ast.Load()), nodes[1:], named), of)
        numbers = numbered or (name in operators.ON_NUMBERS and (not args or args[0].of not in (TENSOR, TENSORS)))
        self.uses.names.add("torch")
        if name in operators.TORCH and not numbers:
            return Typed(call(path("torch", name), nodes, named), of)
        if name in operators.FUNCTIONAL and len(args) <= operators.FUNCTIONAL[name]:
            self.uses.names.add("F")
            return Typed(call(path("F", name), nodes, named), of)
        if name in operators.TORCH | operators.METHODS | operators.GENERIC | operators.FUNCTIONAL.keys() or in_place:
            return Typed(call(path("torch", "ops", "aten", name), nodes, named), ANY if numbers else of)
        raise NotTranslatedError(f"the operator {f'aten::{name}'[:80]!a}")
