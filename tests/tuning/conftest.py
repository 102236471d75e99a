"""A small bundle, packed once, and a cache folder for each test."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import pthway
from pthway.bundle.folder import Bundle

NETWORK = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.second = nn.Linear(32, 4)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))
"""


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "small_network.py").write_text(NETWORK)
    reference = f"{folder / 'small_network.py'}:Small"
    with torch.random.fork_rng():
        torch.manual_seed(7)
        weights = {
            "first.weight": torch.randn(32, 16),
            "first.bias": torch.randn(32),
            "second.weight": torch.randn(4, 32),
            "second.bias": torch.randn(4),
        }
    torch.save(weights, folder / "small.pth")
    example = np.random.default_rng(0).standard_normal((8, 16), dtype=np.float32)
    pthway.pack(pthway.load(folder / "small.pth", reference), folder / "small.bundle", example=example, programs=["onnxruntime", "eager"])
    return folder / "small.bundle"


@pytest.fixture
def bundle(packed: Path) -> Bundle:
    return pthway.open_bundle(packed)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def _torch_threads() -> Iterator[None]:
    """Eager sessions set them for the process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
