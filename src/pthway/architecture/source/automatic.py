"""Which network the automatic classes of transformers build: ``AutoModel.from_config(config)``.

That library's protocol is followed as far as data in the tree tells it. A class of configurations has a text ``model_type``; an automatic
class has a ``_model_mapping``, which holds a table of ``model_type`` and the name of a class; ``sub_configs_defaults`` (once
``sub_configs``) of a configuration says which of its fields are configurations, of which class or by default of which ``model_type``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pthway.architecture.source.values import UNKNOWN, Call, Class, Instance, Items, Table, Typed, Value, choice, each

if TYPE_CHECKING:
    from pthway.architecture.source.interpreter import Interpreter

_BUILDING: Final = frozenset(("from_config", "_from_config"))
_MAPPING: Final = "_model_mapping"
_TYPE: Final = "model_type"


def builds(run: Interpreter, holder: Value, name: str) -> bool:
    """Whether ``holder.name(…)`` builds a network from a configuration."""
    if name not in _BUILDING or not isinstance(holder, Class):
        return False
    return run.library.is_module(holder) or run.member(holder, _MAPPING, None) is not UNKNOWN


def built(run: Interpreter, holder: Class, call: Call) -> Value:
    """Return the network that it builds; `UNKNOWN` if the tree does not tell."""
    config = call.get(0, "config")
    if run.library.is_module(holder):
        return run.call(holder, Call(Items((config,))))
    names = _names(run, holder)
    return choice(run.call(network, Call(Items((option,)))) for option in each(config) for network in _networks(run, names, option))


def _names(run: Interpreter, automatic: Class) -> Table:
    """Return the class names of the networks that *automatic* builds, by the ``model_type`` of their configurations."""
    mapping = run.member(automatic, _MAPPING, None)
    names = mapping.attributes.get(_MAPPING) if isinstance(mapping, Instance) else None
    return names if isinstance(names, Table) else Table()


def _networks(run: Interpreter, names: Table, config: Value) -> Iterator[Value]:
    """Yield the classes of networks for one configuration; `UNKNOWN` where it may be another that the tree does not tell."""
    if not isinstance(config, Typed | Instance):
        yield UNKNOWN
        return
    kind = run.member(config.cls, _TYPE, None)
    found = names.entries.get(kind) if isinstance(kind, str) else None
    for name in found.items if isinstance(found, Items) else (found,):
        yield _called(run, name, config.cls) if isinstance(name, str) else UNKNOWN
    if isinstance(config, Typed) and run.library.redefined(config.cls, _TYPE):
        yield UNKNOWN


def _called(run: Interpreter, name: str, near: Class) -> Value:
    """Return the class of this name that the package of the configuration exports, or the only one of the tree."""
    package = run.library.files.get(near.home.path.parent / "__init__.py")
    exported = None if package is None else run.library.definition(package, name)
    found = [exported] if isinstance(exported, Class) else run.library.classes_of.get(name, [])
    return found[0] if len(found) == 1 else UNKNOWN


def part(run: Interpreter, config: Class, name: str) -> Value:
    """Return the configuration that the field *name* of another one holds; `UNKNOWN` if it is none, or may be any."""
    for attribute in ("sub_configs_defaults", "sub_configs"):
        table = run.member(config, attribute, None)
        if isinstance(table, Table) and name in table.entries:
            return _specified(run, table.entries[name])
    return UNKNOWN


def _specified(run: Interpreter, given: Value) -> Value:
    """Return what a class, or an object that names it with a default type, says of a configuration."""
    told = given.attributes if isinstance(given, Instance) else {"config_class": given}
    cls, kind, optional = told.get("config_class"), told.get(_TYPE), told.get("optional")
    absent = (None,) if optional is True else ()
    if isinstance(cls, Class) and run.member(cls, _TYPE, None) is not UNKNOWN:
        return choice((Typed(cls), *absent))
    usual = run.library.with_constant(_TYPE, kind) if isinstance(kind, str) else []
    return choice((*map(Typed, usual), *absent, UNKNOWN)) if usual else UNKNOWN
