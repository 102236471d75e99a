"""Which values one argument may take: what the annotation, the default and the source's own use of it say."""

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, NoneType
from typing import Any, Final

from torch import nn

from pthway.architecture.annotation import Said, annotations, said
from pthway.architecture.constructor import NEVER_TRIED, REQUIRED, Parameter
from pthway.architecture.usage import Read, Usage, usage

WHOLE: Final = 7
"""The number that stands for any, where an argument may be a number or absent."""
LENGTHS: Final = (3, 4, 2, 1, 5)
"""What lists of unknown length start with."""
ELEMENTS: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)
"""Distinct, and small because they may be depths."""
NORMS: Final = (nn.BatchNorm2d, nn.InstanceNorm2d, nn.LayerNorm, nn.BatchNorm1d, nn.Identity)
ACTIVATIONS: Final = (nn.ReLU, nn.PReLU)
"""Of the usual ones, only one has a weight."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that one slot may take; integers beside them are solved, not tried."""

    starts: tuple[object, ...]
    """Where a search may begin, likeliest first: the author's default alone where there is one."""
    choices: tuple[object, ...] = ()
    """Values to try in its place."""
    required: bool = False
    """Whether the author leaves no value for it."""
    fields: Mapping[str, "Domain"] = field(default_factory=dict)
    """The slots inside a configuration, by their whole name."""


def domains(factory: Callable[..., Any], parameters: Mapping[str, Parameter]) -> dict[str, Domain]:
    """Return the domain of each of *parameters*, and of every field of the configurations among them."""
    hints, home = annotations(factory), _Home.of(factory)
    found: dict[str, Domain] = {}
    for name, parameter in parameters.items():
        domain = _domain(name, said(hints.get(name)) if name in hints else Said(), parameter.default, usage(factory, name), home)
        found |= {name: domain, **domain.fields}
    return found


@dataclass(frozen=True, slots=True)
class _Home:
    """The module that defines the architecture, whose classes may be arguments."""

    factory: Callable[..., Any]
    names: Mapping[str, Any]

    @classmethod
    def of(cls, factory: Callable[..., Any]) -> "_Home":
        while isinstance(factory, partial):
            factory = factory.func
        module = sys.modules.get(getattr(factory, "__module__", "") or "")
        names = vars(module) if module else factory.__globals__ if isinstance(factory, FunctionType) else {}
        return cls(factory, names)

    def classes(self, usage: Usage) -> tuple[object, ...]:
        """Return the module classes that may be passed, those with all the attributes that are read from it."""
        own = [
            value
            for name, value in self.names.items()
            if isinstance(value, type) and issubclass(value, nn.Module) and value is not self.factory and value.__name__ == name
        ]
        return tuple(value for value in own if all(hasattr(value, name) for name in usage.attributes))


def _domain(slot: str, told: Said, default: object, used: Usage, home: _Home) -> Domain:
    name = slot.rpartition(".")[2].strip("[]'").rpartition("'")[2]
    if name in NEVER_TRIED:
        return Domain((), required=True) if default is REQUIRED else Domain((default,))
    if dataclasses.is_dataclass(default) and not isinstance(default, type):
        return _record(slot, type(default), default, used, home)
    record = told.record or _used_as(used, told, default)
    if record is not None and (default is REQUIRED or default is None):
        domain = _record(slot, record, REQUIRED, used, home)
        return (
            domain
            if default is REQUIRED
            else dataclasses.replace(domain, starts=(None, *domain.starts), choices=domain.starts, required=False)
        )
    choices: list[object] = [*told.choices, *used.choices]
    if bool in told.plain or isinstance(default, bool) or (default is REQUIRED and _only_tested(told, used)):
        choices += [False, True]
    if used.called or told.callable or (isinstance(default, type) and default is not REQUIRED):
        choices += NORMS if "norm" in name else ACTIVATIONS if "act" in name else home.classes(used)
    if NoneType in told.plain or default is None:
        choices += [None, *_instead_of_nothing(told, used, choices)]
    if default is not REQUIRED:
        return Domain((default,), tuple(choices))
    sequences = _sequences(told, used) if told.sequence or used.sequence else ()
    whole = (WHOLE,) if int in told.plain or not (choices or sequences) else ()
    starts = (0.0,) if told.plain == {float} else (*whole, *choices, *sequences)
    return Domain(tuple(starts), tuple(choices), required=True)


def _instead_of_nothing(told: Said, used: Usage, choices: list[object]) -> list[object]:
    if told.sequence or used.sequence:
        return list(_sequences(told, used))
    return [] if choices or told.callable or (told.plain and int not in told.plain) else [WHOLE]


def _only_tested(told: Said, used: Usage) -> bool:
    return used.tested and not (told.plain or told.sequence or used.sequence or used.choices or used.called)


def _sequences(told: Said, used: Usage) -> tuple[object, ...]:
    kind = told.sequence or list
    lengths = (told.length,) if told.length else (used.least, *(each for each in LENGTHS if each > used.least)) if used.least else LENGTHS
    inner = said(told.element) if told.element is not None else Said()
    if inner.sequence:
        return tuple(kind([inner.sequence(ELEMENTS[: inner.length or 2])] * length) for length in lengths)
    if inner.choices or inner.plain == {bool}:
        return tuple(kind([(*inner.choices, False)[0]] * length) for length in lengths)
    return tuple(kind((ELEMENTS * (length // len(ELEMENTS) + 1))[:length]) for length in lengths)


# --- configurations ---------------------------------------------------------------------------------------------------


def _used_as(used: Usage, told: Said, default: object) -> type | None:
    """Return the kind of configuration that the source reads from the argument, if it is one."""
    if told.plain or told.sequence or told.callable or told.choices or used.called:
        return None
    if used.attributes and default in (REQUIRED, None):
        return _Both if used.keys else Namespace
    return dict if used.keys else None


class _Both(Namespace):
    """A configuration that is read both ways, as Lightning's hyper-parameters are."""

    def __getitem__(self, name: str) -> object:
        return getattr(self, name)

    def get(self, name: str, default: object = None) -> object:
        """Return the value of *name*, as a dictionary does."""
        return getattr(self, name, default)


def _record(slot: str, kind: type, default: object, used: Usage, home: _Home) -> Domain:
    fields: dict[str, Domain] = {}
    values: dict[str, object] = {}
    for name, told, usual, usages in _fields(kind, default, used):
        inner = f"{slot}[{name!r}]" if kind is dict else f"{slot}.{name}"
        domain = _domain(inner, told, usual, usages, home)
        fields |= {inner: domain, **domain.fields}
        if domain.starts:
            values[name] = domain.starts[0]
    if default is not REQUIRED:
        return Domain((default,), fields=fields)
    try:
        made = kind(**values)
    except Exception:  # noqa: BLE001 - the user's own class, which may refuse what it is tried with
        return Domain((), required=True, fields=fields)
    return Domain(
        (made,), required=bool(not dataclasses.is_dataclass(kind) or any(each.required for each in fields.values())), fields=fields
    )


def _fields(kind: type, default: object, used: Usage) -> list[tuple[str, Said, object, Usage]]:
    if dataclasses.is_dataclass(kind):
        hints = annotations(kind)
        found = []
        for each in dataclasses.fields(kind):
            if each.init:
                usual = getattr(default, each.name) if default is not REQUIRED else _default_of(each)
                read = used.attributes.get(each.name, Read(Usage()))
                found.append((each.name, said(hints.get(each.name)), usual, read.usage))
        return found
    reads = {**used.keys, **({} if kind is dict else used.attributes)}
    return [(name, Said(), REQUIRED if read.default is ... else read.default, read.usage) for name, read in reads.items()]


def _default_of(each: "dataclasses.Field[Any]") -> object:
    if each.default is not dataclasses.MISSING:
        return each.default
    return REQUIRED if each.default_factory is dataclasses.MISSING else each.default_factory()
