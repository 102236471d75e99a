"""HTML that texts from a file cannot break out of: what is no `Markup` is escaped, in text and in attributes alike."""

import html
from typing import Final

from pthway.checkpoint.summary import shown

_VOID: Final = ("input",)
"""Elements that have no content and no end."""


class Markup(str):
    """Text that is HTML already. Only this file and the templates of the package make it."""

    __slots__ = ()


def joined(*content: object) -> Markup:
    """The parts one after the other, those that are no `Markup` escaped."""
    return Markup("".join(part if isinstance(part, Markup) else _escaped(part) for part in content))


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """An element around *content*. An attribute's name may end in ``_``; those of value None are left out."""
    given = "".join(f' {name.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for name, value in attributes.items() if value is not None)
    return Markup(f"<{tag}{given}>" if tag in _VOID else f"<{tag}{given}>{joined(*content)}</{tag}>")


def _escaped(value: object) -> str:
    text = str(value)
    return html.escape(text if text.isprintable() else shown(text))
