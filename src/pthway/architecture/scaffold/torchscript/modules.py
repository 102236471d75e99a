"""The module tree of a TorchScript program."""

from collections.abc import Iterator, Mapping
from typing import Final

from pthway.architecture.difference import Shaped
from pthway.architecture.scaffold.told import MAX_LEVELS, Held
from pthway.architecture.scaffold.torchscript.layers import traced_settings
from pthway.architecture.scaffold.torchscript.program import Program

MAX_MODULES: Final = 20_000
"""Modules of a tree; a text in which classes hold each other could ask for any number."""


def modules_of(program: Program, tensors: Mapping[str, Shaped], attributes: Mapping[str, object] | None = None) -> dict[str, Held] | None:
    """Every module by its path, with its class; None for a program that has other names than *tensors*.

    *attributes* are values of the modules beside their tensors, by path.
    """
    within = {of.name for held in program.classes.values() for of in held.attributes.values()}
    roots = [name for name, held in program.classes.items() if name not in within and held.is_module]
    values: dict[str, dict[str, object]] = {}
    for path, value in (attributes or {}).items():
        module, _, name = path.rpartition(".")
        values.setdefault(module, {})[name] = value
    count = [0]
    for root in roots:
        held = dict(_walk(program, root, "", values, count))
        if held and all(name.rpartition(".")[0] in held for name in tensors):
            return held
    return None


def _walk(
    program: Program, name: str, path: str, values: Mapping[str, Mapping[str, object]], count: list[int]
) -> Iterator[tuple[str, Held]]:
    found = program.classes[name]
    count[0] += 1
    if path.count(".") >= MAX_LEVELS or count[0] > MAX_MODULES:
        return
    here = values.get(path, {})
    settings = {**here, **found.constants} if found.constants is not None else traced_settings(found)
    yield path, Held(found.kind, settings, found.buffers, found.name, here)
    for child, held in program.children(found):
        if held.is_module:
            yield from _walk(program, held.name, f"{path}.{child}" if path else child, values, count)
