"""Habits of the whole code base: what an import loads, how files are named, what every error is."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pthway import errors
from pthway.errors import PthwayError

SOURCE = Path(errors.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
NAMELESS = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "handler", "processor", "info"}
"""Words that name no thing of the domain."""

PROBE = """
import json, sys
before = set(sys.modules)
{statement}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(json.dumps(sorted(new - sys.stdlib_module_names - {{"pthway"}})))
"""


def third_party_modules(statement: str) -> list[str]:
    """Top-level names of the packages that a new interpreter imports for the statement."""
    child = subprocess.run([sys.executable, "-c", PROBE.format(statement=statement)], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(child.stdout)
    return names


def family(error: type[PthwayError]) -> list[type[PthwayError]]:
    return [error, *(heir for child in error.__subclasses__() for heir in family(child))]


ERRORS = family(PthwayError)


@pytest.mark.parametrize("statement", ["import pthway", "import pthway.errors, pthway.formats", "import pthway; dir(pthway)"])
def test_importing_the_package_loads_nothing_third_party(statement: str) -> None:
    assert third_party_modules(statement) == []


def test_reading_a_checkpoint_does_not_load_torch() -> None:
    demo = SOURCE / "demo" / "digits.pth"
    assert "torch" not in third_party_modules(f"import pthway; str(pthway.open({str(demo)!r}))")


def test_a_server_does_not_load_torch() -> None:
    assert "torch" not in third_party_modules("import pthway; pthway.create_app, pthway.serve, pthway.ServerSettings")


def test_finding_a_class_in_a_source_tree_loads_nothing_third_party() -> None:
    finding = "from pathlib import Path; from pthway.architecture.source.finding import find, Sought"
    assert third_party_modules(f"{finding}; find([Path({str(SOURCE / 'demo')!r})], Sought({{}}))") == []


def test_every_public_name_can_be_had() -> None:
    statement = "import pthway; assert all(getattr(pthway, name) is not None for name in pthway.__all__)"
    assert "torch" in third_party_modules(statement)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_named_after_a_thing_of_the_domain(path: Path) -> None:
    words = set(re.split(r"[_\W]+", str(path.relative_to(SOURCE).with_suffix(""))))
    assert not words & NAMELESS


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_survives_between_processes_with_all_its_parts(error: type[PthwayError]) -> None:
    raised = error("model.pth is odd", "odd files are refused", "pthway inspect model.pth")
    copy = pickle.loads(pickle.dumps(raised))
    assert type(copy) is error
    assert (copy.what, copy.why, copy.fix) == (raised.what, raised.why, raised.fix)
    assert str(copy) == "model.pth is odd\n  why: odd files are refused\n  fix: pthway inspect model.pth"


@pytest.mark.parametrize(
    ("error", "caught_as"),
    [
        (errors.MissingFile, FileNotFoundError),
        (errors.UnreadableFile, pickle.UnpicklingError),
        (errors.UnreadableFile, RuntimeError),
        (errors.EmptyFile, EOFError),
        (errors.TruncatedFile, EOFError),
        (errors.UnsafeFile, pickle.UnpicklingError),
        (errors.AmbiguousWeights, ValueError),
        (errors.Mismatch, RuntimeError),
        (errors.InputRefused, ValueError),
        (errors.MissingDependency, ImportError),
    ],
)
def test_an_error_is_caught_by_what_a_plain_script_catches(error: type[PthwayError], caught_as: type[Exception]) -> None:
    with pytest.raises(caught_as, match="is odd"):
        raise error("model.pth is odd", "odd files are refused", "pthway inspect model.pth")


def test_the_tree_at_the_head_of_errors_is_the_tree_of_the_classes() -> None:
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+)", (errors.__doc__ or "").partition("\n\n")[2], re.MULTILINE)
    built = [error.__name__ for error in ERRORS]
    assert sorted(set(drawn) & set(built)) == sorted(built)
