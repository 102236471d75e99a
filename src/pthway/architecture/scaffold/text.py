"""How a module is laid out in lines of Python."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pthway.architecture.scaffold.case import Layer, Value
from pthway.architecture.scaffold.fold import is_size
from pthway.architecture.scaffold.names import is_attribute, printable, string

INDENT: Final = "    "


class Expression(NamedTuple):
    """A value in one or several lines, with what is remarked on it."""

    lines: tuple[str, ...]
    remark: str = ""

    def ending(self, end: str) -> list[str]:
        """The lines with *end* after the last, then the remark."""
        remark = f"  # {printable(self.remark)}" if self.remark else ""
        return [*self.lines[:-1], f"{self.lines[-1]}{end}{remark}"]


def arguments(layer: Layer, values: list[str]) -> list[str]:
    """The arguments as text, the sizes among them from *values*."""
    return _listed(layer, iter(values))


def sizes(layer: Layer) -> list[str]:
    """The texts of the numbers among the arguments of a layer, in their order."""
    many = (each for _, value in layer.arguments for each in (value if isinstance(value, tuple) else (value,)))
    return [str(each) for each in many if is_size(each)]


def _listed(layer: Layer, sizes: Iterator[str]) -> list[str]:
    texts = [_value(value, sizes) for _, value in layer.arguments]
    named = [f"{name}={text}" for (name, _), text in zip(layer.arguments, texts, strict=True)]
    return texts[: layer.positional] + named[layer.positional :] + [f"dtype=torch.{layer.dtype}"] * (layer.dtype != "float32")


def _value(value: Value, sizes: Iterator[str]) -> str:
    if isinstance(value, Layer):
        return f"nn.{value.kind}({', '.join(_listed(value, sizes))})"
    if isinstance(value, tuple):
        inner = [_value(each, sizes) for each in value]
        return f"({', '.join(inner)}{',' * (len(inner) == 1)})"
    if isinstance(value, str):
        return string(value)
    return next(sizes) if is_size(value) else repr(value)


def framed(before: str, expression: Expression, after: str) -> list[str]:
    """The lines of *expression* with text around them."""
    first, *rest = expression.ending(after)
    return [before + first, *rest]


def repeated(expression: Expression, count: int) -> list[str]:
    """*count* of the same in a container."""
    if len(expression.lines) == 1:
        return expression._replace(lines=(f"*({expression.lines[0]} for _ in range({count}))",)).ending(",")
    inner = expression.ending("")
    return ["*(", *indented(inner, 1), f"{INDENT}for _ in range({count})", "),"]


def indented(lines: Iterator[str] | Sequence[str], depth: int) -> list[str]:
    """*lines*, each further to the right."""
    return [INDENT * depth + line for line in lines]


def numbered(name: str) -> tuple[str, int]:
    """A name without the number at its end, and the number; -1 if it has none that is written as Python writes it."""
    prefix = name.rstrip("0123456789")
    digits = name[len(prefix) :]
    fits = digits and str(int(digits[:9])) == digits and prefix.replace("_", "").isalnum() and prefix.isascii() and is_attribute(name)
    return prefix, int(digits) if fits else -1


def continues(run: list[tuple[str, Expression]], name: str, expression: Expression) -> bool:
    """Whether a module is the next of a *run* that differ in nothing but the number at the end of their names."""
    first, begins = numbered(run[0][0])
    prefix, number = numbered(name)
    return begins >= 0 and (prefix, number) == (first, begins + len(run)) and expression.lines == run[0][1].lines
