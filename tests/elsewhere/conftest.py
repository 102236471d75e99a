"""These tests need MLflow, Triton's client and the archiver of TorchServe: `make test-onward` runs them in an environment of their own."""

from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore_glob = [] if all(map(find_spec, ("mlflow", "tritonclient", "model_archiver"))) else ["test_*.py"]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.bundle import made

    return made.write(tmp_path_factory.mktemp("made") / "made.bundle", labels=("no", "yes", 'per"haps\\'))
