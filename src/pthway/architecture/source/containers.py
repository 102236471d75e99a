"""What the containers of torch.nn hold."""

from pthway.architecture.source.values import NUMBER, Call, Data, Items, Module, Table, Value, Weight, choice


def sequence(kind: str, items: Items) -> Module:
    """Return a container that numbers *items*; those whose place is not known stand under `NUMBER`."""
    parts = {str(position): item for position, item in enumerate(items.items)}
    if items.rest:
        parts[NUMBER] = choice(items.rest)
    return Module(kind, parts, frozenset((NUMBER,)) if items.rest else frozenset())


def sequential(kind: str, call: Call) -> Module:
    """Return a Sequential of modules, or of names with modules."""
    items = call.arguments
    if len(items.items) == 1 and not items.rest and isinstance(items.items[0], Table):
        return _named(kind, items.items[0])
    return sequence(kind, items)


def listed(kind: str, call: Call) -> Module:
    """Return a ModuleList or ParameterList."""
    given = call.get(0, "modules" if kind == "ModuleList" else "values")
    if given is None:
        return Module(kind)
    if isinstance(given, Items):
        return sequence(kind, Items(tuple(map(_held, given.items)), tuple(map(_held, given.rest))) if kind == "ParameterList" else given)
    if isinstance(given, Module):
        return Module(kind, given.parts, given.optional, given.open)
    return Module(kind, open=True)


def _held(value: Value) -> Value:
    return Weight(value.shape) if isinstance(value, Data) else value


def dictionary(kind: str, call: Call) -> Module:
    """Return a ModuleDict or ParameterDict."""
    given = call.get(0, "modules" if kind == "ModuleDict" else "parameters")
    if given is None:
        return Module(kind)
    return _named(kind, given) if isinstance(given, Table) else Module(kind, open=True)


def _named(kind: str, table: Table) -> Module:
    parts = {name: value for name, value in table.entries.items() if isinstance(name, str)}
    if not table.rest:
        return Module(kind, parts)
    return Module(kind, {**parts, "*": choice(table.rest)}, frozenset(("*",)))
