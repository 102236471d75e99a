"""Makes the index of networks from the installed releases of torchvision and timm: ``make zoo-index``.

Every network is built without its weights, three times: as it comes, with more classes and input channels, and without a head. Those
whose weights have the same names and shapes are compared by their modules' settings, and where these differ by running them.
The same releases give the same bytes.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from re import fullmatch

import torch
import zoo_file
import zoo_survey
import zoo_twins
from zoo_survey import Surveyed

OUTPUT = Path(__file__).parent.parent / "src" / "pthway" / "architecture" / "zoo" / "index.bin"
Compared = tuple[list[int], dict[str, dict[str, list[int]]]]
LIBRARIES = ("torchvision", "timm", "torch")


def surveyed(jobs: Sequence[tuple[str, str]], processes: int) -> list[Surveyed]:
    """Return the rows of all networks, in the order of *jobs*."""
    with get_context("spawn").Pool(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return [row for rows in pool.starmap(zoo_survey.survey, jobs, chunksize=4) for row in rows]


def groups_of(rows: Sequence[Surveyed]) -> list[list[int]]:
    """Return the numbers of rows whose weights have the same names and shapes, two or more."""
    alike: dict[tuple[tuple[str, tuple[str, ...]], ...], list[int]] = {}
    for number, row in enumerate(rows):
        alike.setdefault(tuple(sorted(row.shapes.items())), []).append(number)
    return [numbers for numbers in alike.values() if len(numbers) > 1]


def compared(rows: Sequence[Surveyed], groups: Sequence[Sequence[int]], processes: int) -> list[Compared]:
    """Return for each group which of its rows are one network, and the settings that keep the others apart.

    Networks without their heads are what they are with them, where these were compared; the others are compared themselves.
    """
    headless = [any("num_classes" in rows[number].arguments for number in group) for group in groups]
    with get_context("spawn").Pool(processes, initializer=torch.set_num_threads, initargs=(1,), maxtasksperchild=8) as pool:

        def run(chosen: Sequence[Sequence[int]]) -> list[Compared]:
            return pool.map(zoo_twins.compared, [[rows[number] for number in group] for group in chosen], chunksize=1)

        whole = [group for group, bare in zip(groups, headless, strict=True) if not bare]
        told = dict(zip(map(tuple, whole), run(whole), strict=True))
        derived = {tuple(group): _derived(rows, group, told) for group, bare in zip(groups, headless, strict=True) if bare}
        rest = [list(group) for group, found in derived.items() if found is None]
        told |= {group: found for group, found in derived.items() if found is not None}
        told |= dict(zip(map(tuple, rest), run(rest), strict=True))
    return [told[tuple(group)] for group in groups]


def _derived(rows: Sequence[Surveyed], group: Sequence[int], told: Mapping[tuple[int, ...], Compared]) -> Compared | None:
    names = [rows[number].spelling for number in group]
    for whole, (networks, separations) in told.items():
        place = {rows[number].spelling: at for at, number in enumerate(whole) if not rows[number].arguments}
        if all(name in place for name in names):
            found = [networks[place[name]] for name in names]
            order = sorted(set(found))
            settings = {
                setting: {value: [at for at, name in enumerate(names) if place[name] in places] for value, places in values.items()}
                for setting, values in separations.items()
            }
            return [order.index(number) for number in found], settings if len(order) > 1 else {}
    return None


def main() -> None:
    """Write the index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default=".*", metavar="PATTERN", help="a regular expression for the names, such as timm:resnet.*")
    options = parser.parse_args()
    jobs = [job for job in zoo_survey.jobs() if fullmatch(options.only, ":".join(job))]
    rows = surveyed(jobs, options.processes)
    groups = groups_of(rows)
    told = compared(rows, groups, options.processes)
    separations = [
        {setting: {value: [group[at] for at in places] for value, places in values.items()} for setting, values in named.items()}
        for group, (_, named) in zip(groups, told, strict=True)
    ]
    releases = {library: version(library).partition("+")[0] for library in LIBRARIES}
    data = zoo_file.encoded(rows, groups, [found for found, _ in told], separations, releases)
    options.output.write_bytes(data)
    counted = Counter(len(set(found)) > 1 for found, _ in told)
    sys.stdout.write(
        f"{len(rows)} rows of {len({row.spelling for row in rows})} networks in {len(data):,} bytes; "
        f"{len(groups)} groups share their weights, {counted[False]} of them are one network by several names\n"
    )


if __name__ == "__main__":
    main()
