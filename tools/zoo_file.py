"""Writes the index of networks in the layout that `pthway.architecture.zoo.index` describes and reads."""

import lzma
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from zoo_survey import Surveyed

from pthway.architecture.zoo.index import FORM, SKETCH, line_hash, names_hash
from pthway.architecture.zoo.lookup import tree_hash
from pthway.architecture.zoo.packed import BETWEEN
from pthway.architecture.zoo.sizes import is_open, written

PAGE: Final = 160_000
"""Characters of text that are packed together: a lookup unpacks one page."""

Separations = Mapping[str, Mapping[str, Sequence[int]]]


def encoded(
    rows: Sequence[Surveyed],
    groups: Sequence[Sequence[int]],
    networks: Sequence[Sequence[int]],
    separations: Sequence[Separations],
    libraries: Mapping[str, str],
) -> bytes:
    """Return the bytes of the index.

    *groups* holds the numbers of rows with the same weights, *networks* beside it which members are the same network, *separations* what
    keeps the others apart, by the numbers of rows.
    """
    blocks: dict[frozenset[str], list[int]] = {}
    for number, row in enumerate(rows):
        blocks.setdefault(frozenset(row.shapes), []).append(number)
    place = {number: block for block, members in enumerate(blocks.values()) for number in members}
    group = {number: (at, networks[at][position]) for at, members in enumerate(groups) for position, number in enumerate(members)}
    listed = [
        (row.library, row.name, row.arguments, row.classes, row.channels, place[number], tree_hash(row.tree), *group.get(number, (None, 0)))
        for number, row in enumerate(rows)
    ]
    sketched = [number for number, row in enumerate(rows) if "num_classes" not in row.arguments]
    lines = _sketch((number, _constant(rows[number])) for number in sketched)
    names = _sketch((block, rows[members[0]].shapes) for block, members in enumerate(blocks.values()) if set(members) & set(sketched))
    packed = paged([_text([rows[number] for number in members]) for members in blocks.values()])
    head = {
        "libraries": libraries,
        "rows": listed,
        "separations": separations,
        "tensors": [len(members) for members in blocks],
        "sketches": [len(lines), len(names)],
        "pages": [(len(page), count) for page, count in packed],
    }
    hashes = sorted((names_hash(members), block) for block, members in enumerate(blocks))
    columns = [*owned("Q", hashes), *owned("I", lines), *owned("I", names)]
    return FORM.packed(head, columns, [page for page, _ in packed])


def _constant(row: Surveyed) -> list[str]:
    """Return the lines of a row that hold for every number of classes and channels."""
    lines = ((name, written(sizes)) for name, sizes in row.shapes.items())
    return [f"{name} {text}" for name, text in lines if not is_open(text)]


def _sketch(owned: Iterable[tuple[int, Iterable[str]]]) -> list[tuple[int, int]]:
    pairs = ((line, owner) for owner, lines in owned for line in sorted(set(map(line_hash, lines)))[:SKETCH])
    return sorted(pairs)


def owned(kind: str, pairs: Sequence[tuple[int, int]]) -> list["array[int]"]:
    """Return two arrays: hashes, sorted, and beside each the number that it leads to."""
    if any(a > b for a, b in pairwise(pairs)):
        raise ValueError("hashes are looked up by bisection")
    return [array(kind, (value for value, _ in pairs)), array("H", (owner for _, owner in pairs))]


def _text(members: Sequence[Surveyed]) -> str:
    names = list(members[0].shapes)
    shapes = (" ".join(written(row.shapes[name]) for name in names) for row in members)
    return "\n".join(names) + "\n\n" + "\n".join(shapes)


def paged(
    texts: Sequence[str],
    pack: Callable[[bytes], bytes] = lambda data: lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_NONE, 9),
) -> list[tuple[bytes, int]]:
    """Return the texts, packed some together, each page with how many it holds."""
    pages: list[list[str]] = []
    for text in texts:
        if not pages or sum(map(len, pages[-1])) + len(text) > PAGE:
            pages.append([])
        pages[-1].append(text)
    return [(pack(BETWEEN.join(page).encode()), len(page)) for page in pages]
