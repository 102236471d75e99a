"""Makes the index of the classes of transformers from the installed release: ``make zoo-index``.

Every class is built without weights in a small configuration, then with one setting changed at a time, and then with many: which sizes
and numbers of layers follow which setting is read off, and checked. The same release gives the same bytes.
"""

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from re import fullmatch

import torch
import transformers
import zoo_classes
import zoo_file
from zoo_classes import Refused, Template

from pthway.architecture.zoo.index import names_hash
from pthway.architecture.zoo.templates import FORM, Member, line, starred

OUTPUT = Path(__file__).parent.parent / "src" / "pthway" / "architecture" / "zoo" / FORM.file
LIBRARIES = ("transformers", "torch")


def surveyed(names: Sequence[str]) -> tuple[list[Template], dict[str, str]]:
    """Return the templates of classes of one configuration, and why those that are missing are."""
    found, refused = [], {}
    for name in names:
        try:
            found += zoo_classes.survey(name)
        except Refused as reason:
            refused[name] = str(reason)
    return found, refused


def prepare() -> None:
    """Make a process quiet, and leave the other cores to the others."""
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)


def encoded(templates: Sequence[Template], libraries: dict[str, str]) -> bytes:
    """Return the bytes of the index: classes with the same lines and the same tied names share a template."""
    kinds = {template.kind: template.settings for template in templates}
    order = list(kinds)
    shared: dict[tuple[tuple[str, ...], frozenset[str]], list[Member]] = {}
    for each in templates:
        shared.setdefault((tuple(sorted(each.lines)), each.tied), []).append(Member(each.name, order.index(each.kind), each.saved))
    hashes = sorted({(names_hash(names), number) for number, (lines, tied) in enumerate(shared) for names in _names(lines, tied)})
    texts = ["\n".join(lines) for lines, _ in shared] + [json.dumps(settings, default=str) for settings in kinds.values()]
    packed = zoo_file.paged(texts)
    head = {
        "libraries": libraries,
        "members": list(shared.values()),
        "hashes": len(hashes),
        "pages": [(len(page), count) for page, count in packed],
    }
    return FORM.packed(head, zoo_file.owned("Q", hashes), [page for page, _ in packed])


def _names(lines: Sequence[str], tied: frozenset[str]) -> list[set[str]]:
    names = {starred(line(text).parts) for text in lines}
    return [names, names - tied] if names & tied else [names]


def main() -> None:
    """Write the index, and say what is not in it and why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default=".*", metavar="PATTERN", help="a regular expression for the names of classes, such as Bert.*")
    options = parser.parse_args()
    prepare()
    jobs: dict[str, list[str]] = {}
    for name, built in zoo_classes.classes().items():
        if fullmatch(options.only, name):
            jobs.setdefault(built.config_class.__name__, []).append(name)
    with get_context("spawn").Pool(options.processes, initializer=prepare, maxtasksperchild=40) as pool:
        answers = pool.map(surveyed, [jobs[kind] for kind in sorted(jobs)], chunksize=4)
    templates = [template for found, _ in answers for template in found]
    refused = {name: reason for _, reasons in answers for name, reason in reasons.items()}
    data = encoded(templates, {library: version(library).partition("+")[0] for library in LIBRARIES})
    options.output.write_bytes(data)
    sys.stdout.write(f"{len({each.name for each in templates})} classes in {len(data):,} bytes; {len(refused)} cannot be built:\n")
    for reason, count in Counter(refused.values()).most_common():
        sys.stdout.write(f"{count:5} {reason}: {', '.join(name for name, why in refused.items() if why == reason)}\n")


if __name__ == "__main__":
    main()
