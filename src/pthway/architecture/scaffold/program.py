"""The module tree of a TorchScript archive, from the text of its program. The text is searched, never run."""

import re
from ast import literal_eval
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pthway.architecture.difference import Shaped
from pthway.architecture.scaffold.told import MAX_LEVELS, Held

MAX_MODULES: Final = 20_000
"""Modules of a tree; a text in which classes hold each other could ask for any number."""

_CLASS: Final = re.compile(r"^class (\w+)\(Module\):\n((?:  .*\n|\n)*)", re.MULTILINE)
_CHILD: Final = re.compile(r'^  (?:(\w+)|__annotations__\["([^"\\]*)"\]) (?::|=) (__torch__\.[\w.]+)$', re.MULTILINE)
_CONSTANT: Final = re.compile(r"^  (\w+) : Final\[[\w\[\], .]+\] = ([^\n]{1,200})$", re.MULTILINE)
_BUFFERS: Final = re.compile(r"^  __buffers__ = \[(.*)\]$", re.MULTILINE)
_NAME: Final = re.compile(r'"([^"]*)"')
_FOLDER: Final = "code/"
_MANGLED: Final = re.compile(r"___torch_mangle_\d+\.")


class _Class(NamedTuple):
    """A class of the program."""

    children: tuple[tuple[str, str], ...]
    """Name and class of every module in it."""
    buffers: frozenset[str]
    settings: Mapping[str, object] | None
    """What stands in it as constants; None in a program that was traced, which has them in its calls alone."""


def modules_of(texts: Mapping[str, str], tensors: Mapping[str, Shaped]) -> dict[str, Held] | None:
    """Every module by its path, with its class; None for a file without a program, or whose program has other names than *tensors*."""
    classes = {
        name: found for path, text in texts.items() if path.startswith(f"{_FOLDER}__torch__") for name, found in _classes(path, text)
    }
    within = {kind for found in classes.values() for _, kind in found.children}
    roots = [name for name in classes if name not in within]
    count = [0]
    for root in roots:
        held = dict(_walk(classes, root, "", MAX_LEVELS, count))
        if held and all(name.rpartition(".")[0] in held for name in tensors):
            return held
    return None


def _classes(path: str, text: str) -> Iterator[tuple[str, _Class]]:
    home = path.removeprefix(_FOLDER).removesuffix(".py").replace("/", ".")
    for name, body in _CLASS.findall(text):
        children = tuple((plain or quoted, kind) for plain, quoted, kind in _CHILD.findall(body))
        buffers = _BUFFERS.search(body)
        settings = {name: _literal(value) for name, value in _CONSTANT.findall(body)}
        yield f"{home}.{name}", _Class(children, frozenset(_NAME.findall(buffers[1])) if buffers else frozenset(), settings or None)


def _literal(text: str) -> object:
    """A constant of the program; an ellipsis, which is no setting, for what is none of Python's literals."""
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ...


def _walk(classes: Mapping[str, _Class], name: str, path: str, levels: int, count: list[int]) -> Iterator[tuple[str, Held]]:
    found = classes.get(name)
    count[0] += 1
    if found is None or not levels or count[0] > MAX_MODULES:
        return
    yield path, Held(_MANGLED.sub("", name).removeprefix("__torch__."), found.settings, found.buffers)
    for child, kind in found.children:
        yield from _walk(classes, kind, f"{path}.{child}" if path else child, levels - 1, count)
