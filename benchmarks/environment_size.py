"""How large what has to be installed to answer is: pthway with ONNX Runtime, beside torch.

Counted are the files of each distribution in this environment, as its own record lists them, with everything that it requires.

    python benchmarks/environment_size.py -o benchmarks/results/environment_size.json
"""

import re
from argparse import Namespace
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measured import MB, answer, context, floors
from packaging.requirements import Requirement

QUESTION = "How large is what has to be installed to answer: pthway with ONNX Runtime, beside torch?"
PRODUCTION = ("numpy", "onnxruntime", "msgspec", "safetensors")
"""What pthway imports where it runs a bundle."""
TORCH = ("torch", "numpy")
SHARE = 0.35
"""Of torch's size."""


def with_requirements(names: tuple[str, ...]) -> list[str]:
    """Those distributions and all that they require here."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.append(name)
        for text in distribution(name).requires or ():
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                waiting.append(wanted.name)
    return sorted(found)


def size(name: str) -> int:
    """Bytes of the files of a distribution."""
    files = distribution(name).files or ()
    paths = [Path(str(file.locate())) for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file())


def own_size() -> int:
    """Bytes of pthway's own files, its compiled ones aside."""
    package = find_spec("pthway")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pthway is not installed in this environment")
    return sum(path.stat().st_size for path in Path(package.origin).parent.rglob("*") if path.is_file() and path.suffix != ".pyc")


def main(_: Namespace) -> dict[str, Any]:
    """Both environments, each with its distributions and their sizes in MB."""
    environments = {way: {name: size(name) / MB for name in with_requirements(names)} for way, names in _WAYS.items()}
    environments["pthway"]["pthway"] = own_size() / MB
    totals = {way: sum(of.values()) for way, of in environments.items()}
    rows = [("installed size / torch", SHARE, totals["pthway"] / totals["torch"])]
    return context(QUESTION, {"units": "MB"}) | {"floors": floors(rows), "totals": totals, "environments": environments}


_WAYS = {"pthway": PRODUCTION, "torch": TORCH}

if __name__ == "__main__":
    answer(QUESTION, main, rounds=1)
