"""The types of TorchScript, as far as the translation asks for them."""

import ast
from typing import Final, NamedTuple


class Type(NamedTuple):
    """A type with those inside it; the empty name stands for any."""

    name: str = ""
    inside: tuple["Type", ...] = ()

    @property
    def element(self) -> "Type":
        """What an entry of a list or a value of a dictionary is."""
        return self.inside[-1] if self.name in ("List", "Dict") and self.inside else ANY

    @property
    def is_number(self) -> bool:
        """Whether it is an int, a float or a bool."""
        return self.name in ("int", "float", "bool")


ANY: Final = Type()
TENSOR: Final = Type("Tensor")
INT: Final = Type("int")
FLOAT: Final = Type("float")
BOOL: Final = Type("bool")
STR: Final = Type("str")
NONE: Final = Type("NoneType")
DEVICE: Final = Type("Device")
DTYPE: Final = Type("dtype")
"""torch's types of numbers: integers in TorchScript, which must not be compared with integers in Python."""
TENSORS: Final = Type("List", (TENSOR,))
SIZES: Final = Type("List", (INT,))

_WRITTEN: Final = {"Tensor": "torch.Tensor", "int": "int", "float": "float", "bool": "bool", "str": "str", "NoneType": "None"}
_GENERIC: Final = {"List": "list", "Dict": "dict", "Tuple": "tuple"}


def read(node: ast.expr | None, depth: int = 12) -> Type:
    """The type of an annotation; `ANY` for one that is not understood."""
    match node if depth else None:
        case ast.Name(id=name):
            return Type(name)
        case ast.Constant(value=None):
            return NONE
        case ast.Attribute():
            return Type(dotted(node))
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=inside)):
            return Type(name, tuple(read(each, depth - 1) for each in inside))
        case ast.Subscript(value=ast.Name(id=name), slice=inside):
            return Type(name, (read(inside, depth - 1),))
    return ANY


def dotted(node: ast.expr | None) -> str:
    """A chain of names such as ``__torch__.Net``; empty for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def written(of: Type) -> str:
    """The type as an annotation in Python; empty for one that Python has no plain name for."""
    inside = [written(each) for each in of.inside]
    if not all(inside):
        return ""
    if of.name == "Optional" and inside:
        return inside[0] if inside[0].endswith("None") else f"{inside[0]} | None"
    if of.name in _GENERIC:
        return f"{_GENERIC[of.name]}[{', '.join(inside)}]" if inside else _GENERIC[of.name]
    return _WRITTEN.get(of.name, "")
