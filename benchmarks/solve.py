"""Does inference invert construction? The arguments that a network was built with, found again from its weights alone.

Each family of networks is built with drawn arguments, saved, and solved from the names and shapes in the file. Seconds are those of
solving alone, without opening the file or building with weights. Families marked * were written after the solver worked on the others.

    python benchmarks/solve.py                  # to stdout; exit code 1 when a floor was missed
    python benchmarks/solve.py -o solve.json --draws 8
"""

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from measured import HERE, context, tell

sys.path.insert(0, str(HERE.parent))

from tests.architecture.families import FAMILIES
from tests.architecture.inversion import Case, Result, invert

QUESTION = "Are the arguments that a network was built with found again from its weights alone?"
SMALL = 10_000_000
"""Parameters of the networks for which there is a floor of time."""


def promises(cases: list[Case]) -> list[dict[str, Any]]:
    """Each promise, what was measured, and whether it was kept."""
    of = Counter(case.result for case in cases)
    small = [case for case in cases if case.parameters < SMALL]
    families = len({case.family for case in cases})
    rows = [
        ("families, at least", 25, families, families >= 25),
        ("share of cases that are exact, at least", 0.95, of[Result.EXACT] / len(cases), of[Result.EXACT] / len(cases) >= 0.95),
        ("cases that are wrong and not said to be open, at most", 0, of[Result.WRONG], not of[Result.WRONG]),
        (
            "median seconds under 10 M parameters, at most",
            0.5,
            median(case.seconds for case in small),
            median(case.seconds for case in small) <= 0.5,
        ),
    ]
    return [{"floor": name, "limit": limit, "measured": value, "reached": reached} for name, limit, value, reached in rows]


def table(cases: list[Case], unseen: set[str]) -> str:
    """One line a family: how many of its cases came out how, and what a case cost."""
    lines = [f"{'family':<24}{'exact':>7}{'open':>6}{'failed':>8}{'wrong':>7}{'builds':>8}{'median s':>10}{'CPU s':>8}{'longest':>9}"]
    for name in dict.fromkeys(case.family for case in cases):
        of = [case for case in cases if case.family == name]
        counts = Counter(case.result for case in of)
        lines.append(
            f"{name + ('*' if name in unseen else ''):<24}{counts[Result.EXACT]:>7}{counts[Result.AMBIGUOUS]:>6}{counts[Result.FAILED]:>8}"
            f"{counts[Result.WRONG]:>7}{median(case.builds for case in of):>8.0f}{median(case.seconds for case in of):>10.2f}"
            f"{median(case.cpu for case in of):>8.2f}{max(case.seconds for case in of):>9.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, write the JSON, show the table and the floors on stderr."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    parser.add_argument("--draws", type=int, default=8, help="how many arguments are drawn for each family")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cases = [invert(family, seed, Path(folder)) for family in FAMILIES for seed in range(options.draws)]
    result = context(QUESTION, {"draws": options.draws, "units": "seconds"}) | {
        "floors": promises(cases),
        "cases": [asdict(case) for case in cases],
    }
    code = tell(result, options.output)
    print(table(cases, {family.name for family in FAMILIES if family.unseen}), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
