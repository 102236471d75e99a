"""The published JSON Schema is the one of the classes, and says of a manifest what reading it says."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.bundle import made

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/bundle.schema.json").read_text("utf-8"))


def test_the_published_schema_is_that_of_the_classes() -> None:
    spec = importlib.util.spec_from_file_location("bundle_schema", ROOT / "tools/bundle_schema.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert (ROOT / "docs/bundle.schema.json").read_text("utf-8") == tool.text()


def test_it_is_a_schema_itself() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def objects(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for entry in part.values():
            yield from objects(entry)
    elif isinstance(part, list):
        for entry in part:
            yield from objects(entry)


def test_every_object_of_fixed_fields_takes_no_others() -> None:
    fixed = [part for part in objects(SCHEMA) if "properties" in part]
    assert len(fixed) > 10
    assert all(part["additionalProperties"] is False for part in fixed)


def test_its_patterns_mean_the_same_in_python_and_javascript() -> None:
    """Nothing that only one of them has: no \\Z, no named groups, no possessive quantifiers, no lookbehind."""
    patterns = [part["pattern"] for part in objects(SCHEMA) if isinstance(part.get("pattern"), str)]
    assert len(patterns) >= 4
    for pattern in patterns:
        re.compile(pattern)
        assert not re.search(r"\\[ZAz]|\(\?P|\(\?<|[*+?}]\+|\(\?[aiLmsux]", pattern)


def test_a_manifest_as_it_is_written_is_valid(folder: Path) -> None:
    Draft202012Validator(SCHEMA).validate(made.read(folder))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("surprise",), 1),
        (("signature", "surprise"), 1),
        (("files", "model.onnx", "surprise"), 1),
        (("format",), 2),
        (("name",), "../up"),
        (("name",), "line\n"),
        (("labels",), "one"),
        (("licence",), None),
        (("files", "model.onnx", "sha256"), "0" * 63),
        (("files", "model.onnx", "size"), -1),
        (("functions",), {"between": "m:f"}),
        (("programs", 0, "runtime"), "wasm"),
        (("programs", 0, "milliseconds"), {"one": 1.0}),
        (("programs", 0, "milliseconds"), {"1": 0}),
        (("golden", "tolerances", "y", "absolute"), -1),
        (("reading", "kind"), "guess"),
        (("signature", "inputs", 0, "limits"), {"1": {"low": 1, "high": None, "multiple": 0}}),
    ],
)
def test_a_manifest_that_is_refused_is_not_valid(folder: Path, path: tuple[Any, ...], value: object) -> None:
    told = made.read(folder)
    inner = told
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert not Draft202012Validator(SCHEMA).is_valid(told)


@pytest.mark.parametrize("name", ["format", "signature", "programs", "golden", "files", "notes"])
def test_a_manifest_that_lacks_a_field_is_not_valid(folder: Path, name: str) -> None:
    told = made.read(folder)
    del told[name]
    assert not Draft202012Validator(SCHEMA).is_valid(told)
