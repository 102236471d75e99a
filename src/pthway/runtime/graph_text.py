"""Refuses the text of an exported graph that is more than a graph: reading it with torch would evaluate expressions and look up names."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pthway.errors import BundleRefused

OPERATOR: Final = re.compile(
    r"torch\.ops\.[a-z]\w*\.(?!from_file)(_?[A-Za-z]\w*|__i?(and|or|xor|lshift|rshift)__)(\.[A-Za-z]\w*)?"
    r"|torch\.(sym_[a-z]+|_sym_[a-z]+|_check\w*)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pos|pow|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem|index)"
    r"|math\.(ceil|floor|trunc|sqrt|log2|pow)"
)
"""What a node may call: operators of torch, and arithmetic on sizes."""
SIZES: Final = re.compile(
    r"Symbol|Integer|Rational|Float|Add|Mul|Pow|Max|Min|Mod|Abs|floor|ceiling|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not|Piecewise"
    r"|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|BooleanTrue|BooleanFalse|true|false"
    r"|FloorDiv|ModularIndexing|Where|PythonMod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|LShift|RShift|PowByNatural|FloatPow"
    r"|FloatTrueDiv|IntTrueDiv|TruncToFloat|TruncToInt|RoundToInt|RoundDecimal|ToFloat|Identity"
    r"|IsNonOverlappingAndDenseIndicator|positive|integer|nonnegative|negative|precision|True|False"
)
"""What the expression of a size is made of: functions of sympy and of torch, as both write them."""
EXPRESSION: Final = re.compile(r"'[a-z]+\d+'|[A-Za-z]\w*|\d+(\.\d+)?|[-(),= ]")
CONTAINERS: Final = frozenset(("builtins.tuple", "builtins.list", "builtins.dict", None))
"""Structures of inputs and outputs; for others torch imports what they name."""


def checked(data: bytes, where: str) -> frozenset[str]:
    """The names of the parameters of an exported graph, given as JSON. Raises `BundleRefused` for one that pthway would not write."""
    try:
        graph = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise _refused(where, f"is no JSON: {cause}") from cause
    if not isinstance(graph, Mapping):
        raise _refused(where, "is no exported graph")
    if graph.get("guards_code"):
        raise _refused(where, "brings Python code of its own (guards_code)")
    for key, value in _entries(graph):
        if key in ("target", "as_operator") and isinstance(value, str) and not OPERATOR.fullmatch(value):
            raise _refused(where, f"calls {value!r}, which is no operator of a network")
        if key == "expr_str" and not _is_a_size(value):
            raise _refused(where, f"has the size {value!r}, which is no arithmetic")
        if key in ("in_spec", "out_spec") and value and not _is_plain(value):
            raise _refused(where, f"nests its values in {value!r}")
    return frozenset(value for key, value in _entries(graph) if key == "parameter_name" and isinstance(value, str))


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every object with its value, however deep."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            yield from each.items()
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _is_a_size(text: object) -> bool:
    if not isinstance(text, str):
        return False
    end = 0
    for found in EXPRESSION.finditer(text):
        word = found.group()
        if found.start() != end or (word[0].isalpha() and not SIZES.fullmatch(word)):
            return False
        end = found.end()
    return end == len(text)


def _is_plain(spec: object) -> bool:
    try:
        tree = json.loads(spec) if isinstance(spec, str) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(tree, list) and all(value in CONTAINERS for key, value in _entries(tree) if key == "type")


def _refused(where: str, what: str) -> BundleRefused:
    return BundleRefused(
        f"{where} {what[:300]}.", "Only a graph of torch's operators is read; it could run anything else.", "Do not use this bundle"
    )
