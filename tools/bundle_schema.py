"""Writes the JSON Schema of a bundle's manifest, from the classes that read it: ``make schema``."""

import json
import sys
from pathlib import Path

from pthway.bundle.manifest import schema

PATH = Path(__file__).parents[1] / "docs/bundle.schema.json"


def text() -> str:
    """The schema as it is kept."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
    sys.stdout.write(f"{PATH} written\n")
