"""The table of the modules, for the page and for notebooks."""

from collections.abc import Mapping, Sequence

from pthway.checkpoint.page.markup import Markup, element
from pthway.checkpoint.tree import Row


def module_table(rows: Sequence[Row], text: Mapping[str, str], number: Mapping[str, str]) -> Markup:
    """Path, class, tensors, numbers and settings, or shapes where no class is known; cells have the attributes *text* or *number*."""
    classes = any(row.kind for row in rows)
    names = ("module", "class", "tensors", "numbers", "settings") if classes else ("module", "tensors", "numbers", "type", "shapes")
    columns = [number if name in ("tensors", "numbers") else text for name in names]
    heads = [element("th", name, scope="col", **column) for name, column in zip(names, columns, strict=True)]
    lines = []
    for row in rows:
        name, tensors, numbers = row.path or row.name, f"{row.tensors:,}", f"{row.elements:,}"
        told = (name, row.kind, tensors, numbers, row.settings) if classes else (name, tensors, numbers, ", ".join(row.dtypes), row.shapes)
        lines.append(element("tr", *(element("td", value, **column) for value, column in zip(told, columns, strict=True))))
    return element("table", element("thead", element("tr", *heads)), element("tbody", *lines))
