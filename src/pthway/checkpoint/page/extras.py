"""What else is in the file, as a tree that opens and closes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pthway.checkpoint.page.markup import Markup, element, joined

ENTRIES: Final = 5_000
"""Entries of the tree; the others are counted."""

CHARACTERS: Final = 20_000
"""Of one text, such as a settings file or source code."""

_LINE: Final = 120
"""Characters of a value that stands beside its name."""


def extras(values: Mapping[str, object]) -> Markup:
    """Everything beside the weights: epoch, metrics, settings, the optimizer's state. Nothing if there is nothing."""
    if not values:
        return joined()
    budget = _Budget()
    entries = list(_entries(values.items(), budget))
    left = element("p", f"{budget.left_out:,} entries are not shown; pthway inspect --json has all.", class_="aside")
    heading = element("h2", "Also in the file")
    return element("section", heading, element("ul", *entries, class_="tree"), *([left] if budget.left_out else []), class_="extras")


class _Budget:
    """How many entries may still be shown."""

    def __init__(self) -> None:
        self.rest, self.left_out = ENTRIES, 0

    def spend(self) -> bool:
        """Whether there is one more."""
        self.rest -= 1
        self.left_out += self.rest < 0
        return self.rest >= 0


def _entries(pairs: Iterable[tuple[object, object]], budget: _Budget) -> Iterator[Markup]:
    for name, value in pairs:
        if budget.spend():
            yield element("li", _entry(str(name), value, budget))


def _entry(name: str, value: object, budget: _Budget) -> Markup:
    label = element("span", name, class_="key")
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        inside = list(_entries(pairs, budget))
        size = element("span", f" {len(value):,} {'entry' if len(value) == 1 else 'entries'}", class_="aside")
        return element("details", element("summary", label, size), element("ul", *inside))
    text = str(value)
    if len(text) > _LINE or "\n" in text:
        return _long(label, text)
    return joined(label, " ", element("span", text, class_="value"))


def _long(label: Markup, text: str) -> Markup:
    lines = text[:CHARACTERS].split("\n")
    body = [part for line in lines for part in (line, Markup("\n"))]
    left = f" {len(text):,} characters" + (f", {CHARACTERS:,} of them shown" if len(text) > CHARACTERS else "")
    return element("details", element("summary", label, element("span", left, class_="aside")), element("pre", *body))
