"""The gate draws the same examples every time, so that it says something about the change; `make test` draws new ones."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

import pthway

settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")


DEMO = Path(pthway.__file__).parent / "demo"


@pytest.fixture(scope="session")
def digits_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network of the demo as a bundle with a program for ONNX Runtime and eager torch. Packed once: not to be changed."""
    model = pthway.load(DEMO / "digits.pth", f"{DEMO / 'digitnet.py'}:DigitNet")
    path = tmp_path_factory.mktemp("bundles") / "digits.bundle"
    pthway.pack(model, path, programs=["onnxruntime", "eager"])
    return path
