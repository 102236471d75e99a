"""Rows 9 to 12: files that are cut, changed, or change while they are read."""

import os
from pathlib import Path

from pthway import errors
from tests.corpus.build import FLOATS, archive, changed, flipped, legacy, members, old_state, state, tensor, torch_zip
from tests.corpus.entry import Entry, Refused, file

ZIP = torch_zip(state())
LEGACY = legacy(old_state())
LARGE = torch_zip(state(("x", tensor())), {"0": FLOATS, "1": bytes(4000)})
AT = ZIP.index(FLOATS)


def shrink(path: Path) -> None:
    os.truncate(path, 40)


def rewrite(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(FLOATS, FLOATS[::-1]))
    os.utime(path, ns=(0, 0))


CUT = Refused(errors.TruncatedFile, "cut off")
CHANGED = Refused(errors.CorruptFile, "changed while it was read|checksum", late=True)

ENTRIES = (
    Entry("zip cut in its first header", 9, file(ZIP[:20]), CUT),
    Entry(
        "zip cut in its pickle", 9, file(ZIP[:100]), Refused(errors.TruncatedFile, r"breaks off in or after the record archive/data\.pkl")
    ),
    Entry(
        "zip cut in a storage", 9, file(ZIP[: AT + 7]), Refused(errors.TruncatedFile, "breaks off in or after the record archive/data/0")
    ),
    Entry("zip cut in its directory", 9, file(ZIP[:-60]), CUT),
    Entry("zip cut in its end", 9, file(ZIP[:-1]), Refused(errors.UnreadableFile, "")),
    Entry("legacy cut in its magic number", 10, file(LEGACY[:9]), Refused(errors.TruncatedFile, "ends after 9 bytes")),
    Entry("legacy cut in its pickle", 10, file(LEGACY[:200]), Refused(errors.TruncatedFile, "ends inside its pickle")),
    Entry("legacy cut in a storage", 10, file(LEGACY[:-5]), Refused(errors.TruncatedFile, "5 are missing")),
    Entry("bit of a storage", 11, file(flipped(ZIP, AT, 3)), Refused(errors.CorruptFile, "archive/data/0 .*checksum", late=True)),
    Entry("bit of the pickle", 11, file(flipped(ZIP, 60)), Refused(errors.CorruptFile, "checksum|pickle")),
    Entry(
        "checksum of a storage",
        11,
        file(archive(changed(members(state()), "data/0", local={"crc": 7}, central={"crc": 7}))),
        Refused(errors.CorruptFile, "checksum", late=True),
    ),
    Entry("zip that shrinks", 12, file(ZIP), CHANGED, meanwhile=shrink),
    Entry("zip that is written anew", 12, file(ZIP), CHANGED, meanwhile=rewrite),
    Entry("legacy that shrinks", 12, file(LEGACY), CHANGED, meanwhile=shrink),
    Entry("legacy that is written anew", 12, file(LEGACY), CHANGED, meanwhile=rewrite),
)
