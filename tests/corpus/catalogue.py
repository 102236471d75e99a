"""The whole corpus, and the catalogue of hostile inputs that it has to cover."""

from typing import Final

from tests.corpus import archives, damaged, honest, neighbours, not_weights, pickles, tensors, wrappers
from tests.corpus.entry import Entry

ROWS: Final = range(1, 88)
"""Numbers of the catalogue: 1–8 no checkpoint, 9–12 damaged, 13–32 archives, 33–58 pickles, 59–77 tensors, 78–87 neighbours."""

SUBJECTS: Final[dict[str, tuple[Entry, ...]]] = {
    "not weights": not_weights.ENTRIES,
    "damaged": damaged.ENTRIES,
    "archives": archives.ENTRIES,
    "pickles": pickles.ENTRIES,
    "tensors": tensors.ENTRIES,
    "neighbours": neighbours.ENTRIES,
    "honest": honest.ENTRIES,
    "wrappers": wrappers.ENTRIES,
}

CORPUS: Final = tuple(entry for entries in SUBJECTS.values() for entry in entries)
