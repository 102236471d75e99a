"""``pthway find``: the class in a source tree that a weights file belongs to, without running any of it."""

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from pthway import _lazy
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.summary import shown
from pthway.cli import NO, screen

_EVERY = 0.1
"""Seconds between two reports of the progress."""


def run(options: Namespace) -> int:
    """Rank the classes of a source tree by how well they fit the file. The exit code is 1 if none does."""
    checkpoint = open_checkpoint(options.file)
    state = checkpoint.choose(options.weights)
    source = _lazy.load("pthway.architecture.source.finding")
    sought = source.Sought(state.tensors, tuple(state.metadata or ()), state.module)
    progress = _Progress()
    try:
        found = source.find(options.folders, sought, top=options.top, progress=progress)
    finally:
        progress.clear()
    if options.json:
        screen.write_json(_as_data(found))
    else:
        _print(found, options.file)
    if not found.groups:
        return NO
    return _load(options, found) if options.load else 0


class _Progress:
    """What is being done, on stderr, if a person watches."""

    def __init__(self) -> None:
        self.watched, self.last = screen.person_watches(), time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say how far it is, a few times a second."""
        now = time.monotonic()
        if self.watched and now - self.last > _EVERY:
            self.last = now
            screen.overwrite(f"{what}: {done:,} of {total:,}")

    def clear(self) -> None:
        """Leave nothing behind."""
        if self.watched:
            screen.overwrite("")


def _print(found: Any, path: Path) -> None:
    words = _lazy.load("pthway.architecture.source.reasons")
    equal = len(_tied(found))
    rows = []
    for place, group in enumerate(found.groups, 1):
        rank = "1=" if 1 < equal >= place else str(place)
        first = group.first
        where = f"{words.shortest(first.cls.home.path)}:{first.cls.outline.line}"
        rows.append((rank, f"{first.score:.3f}", shown(first.cls.name), shown(where), shown("; ".join(_reasons(words, group)))))
    if rows:
        screen.table(("rank", "score", "class", "file and line", "reasons"), rows)
    members = sum(len(group.members) for group in _tied(found))
    if members > 1:
        screen.note(f"{members} classes fit equally well; names and shapes do not tell which of them was trained")
    if found.groups:
        screen.note(shown(f'to load it: pthway.load("{path}", "{words.spelling(found.groups[0].first)}")'))
    else:
        error = _lazy.load("pthway.architecture.source.decision:nothing_fits")(found, path, "the folder")
        screen.print_error(error)
    if found.left_out:
        screen.note(f"{len(found.left_out)} files were left out (--json lists them with the reasons)")


def _tied(found: Any) -> Any:
    return _lazy.load("pthway.architecture.source.ranking:tied")(found.groups)


def _reasons(words: Any, group: Any) -> list[str]:
    others = [f"{each.cls.name} ({words.shortest(each.cls.home.path)}:{each.cls.outline.line})" for each in group.members[1:]]
    return [*words.reasons(group.first), *([f"the same names are made by {', '.join(others)}"] if others else [])]


def _as_data(found: Any) -> dict[str, object]:
    words = _lazy.load("pthway.architecture.source.reasons")
    equal = len(_tied(found))
    return {
        "found": [
            {
                "rank": 1 if place < equal else place + 1,
                "score": group.first.score,
                "prefix": group.first.prefix,
                "reasons": words.reasons(group.first),
                "tensors": group.first.fit._asdict(),
                "classes": [
                    {
                        "class": each.cls.name,
                        "file": str(each.cls.home.path),
                        "line": each.cls.outline.line,
                        "architecture": words.spelling(each),
                    }
                    for each in group.members
                ],
            }
            for place, group in enumerate(found.groups)
        ],
        "tie": equal > 1 or (equal == 1 and len(found.groups[0].members) > 1),
        "files": found.files,
        "network_classes": found.classes,
        "left_out": {str(path): reason for path, reason in found.left_out.items()},
    }


def _load(options: Namespace, found: Any) -> int:
    """Import the winner, solve its arguments, and verify that every tensor has its place."""
    where = ", ".join(map(str, options.folders))
    winner = _lazy.load("pthway.architecture.source.decision:decide")(found, options.file, where)
    name = _lazy.load("pthway.architecture.source.reasons:spelling")(winner)
    factory = _lazy.load("pthway.architecture.resolve:resolve_in")(options.folders, name).factory
    model = _lazy.load("pthway.model:load", extra="torch")(options.file, factory, weights=options.weights)
    rows = [("loaded", shown(name))]
    rows += [("argument", shown(str(argument))) for argument in model.arguments.values()]
    screen.facts([*rows, ("signature", shown(str(model.signature)))])
    return 0
