from pathlib import Path

import pytest

from tests.bundle import made


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that no test changes."""
    return made.write(tmp_path_factory.mktemp("made") / "made.bundle")


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A folder to spoil."""
    return made.copied(kept, tmp_path / "spoiled.bundle")
