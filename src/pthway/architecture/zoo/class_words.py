"""What the index says of a checkpoint that classes of transformers have, in words."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pthway.architecture.zoo.classes import Classed

NAMED: Final = 4
"""Classes that are named in a row before the rest is counted."""
SHOWN: Final = 12
"""Settings that are shown in a row before the rest is counted."""
LONGEST: Final = 40
"""Characters of a value that is shown."""


def class_facts(found: Sequence[Classed], tensors: int) -> list[tuple[str, str]]:
    """Return what is known of a checkpoint that is of a class of transformers, as label and text."""
    first = found[0]
    alone = sum(len(each.members) for each in found) == 1
    rows = [(("is" if alone else "one of") if at == 0 else "", named(each)) for at, each in enumerate(found)]
    rows.append(("because", f"all {tensors - len(first.left_out):,} tensors agree in name, and in shape with these settings"))
    rows.append(("settings", listed(first.solution.settings)))
    rows += [("", f"{text} = {size}, together") for text, size in shared(first)]
    if first.undecided:
        rows.append(("open", f"{listed(first.undecided)}: the library's values; the weights do not show them"))
    if first.left_out:
        rows.append(("left out", f"{len(first.left_out)} buffers that older releases saved: {', '.join(first.left_out[:NAMED])}"))
    return rows


def named(found: Classed) -> str:
    """Return the names of the classes that share a template."""
    spelled = list(dict.fromkeys(member.spelling for member in found.members))
    more = f" and {len(spelled) - NAMED} more classes" if len(spelled) > NAMED else ""
    same = ", whose weights have the same names and sizes" if len(spelled) > 1 else ""
    return ", ".join(spelled[:NAMED]) + more + same


def listed(settings: Mapping[str, Any]) -> str:
    """Return settings as they are passed, the first of them and how many more there are."""
    told = [f"{name}={_short(value)}" for name, value in settings.items()]
    return ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "")


def passed(settings: Mapping[str, Any]) -> str:
    """Return settings as a line of Python passes them, those of parts of the configuration in a dictionary."""
    plain = "".join(f", {name}={value!r}" for name, value in settings.items() if "." not in name)
    dotted = {name: value for name, value in settings.items() if "." in name}
    return plain + (f", **{dotted!r}" if dotted else "")


def shared(found: Classed) -> list[tuple[str, int]]:
    """Return what several settings make together that the weights show only as one size."""
    return [(text.partition("#")[0].replace("&", " and "), size) for text, size in list(found.solution.products.items())[:NAMED]]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
