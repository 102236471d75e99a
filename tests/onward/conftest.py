"""One bundle of a network with source, packed once."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch

import pthway
from tests.bundle import made

NET = """
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self, classes: int = 3) -> None:
            super().__init__()
            self.first = nn.Conv2d(2, 40, 3)
            self.last = nn.Linear(40, classes)
            self.twin = self.last

        def forward(self, image):
            return self.last(torch.tanh(self.first(image)).mean((2, 3)))
"""


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with nothing but eager torch, and a name that two tensors share."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "onward_net.py").write_text(dedent(NET))
    sys.path.insert(0, str(folder))
    try:
        import onward_net  # type: ignore[import-not-found]

        torch.manual_seed(0)
        torch.save(onward_net.Net().state_dict(), folder / "net.pth")
        model = pthway.load(folder / "net.pth", onward_net.Net, labels=["cat", "dog", "owl"])
        pthway.pack(model, folder / "net.bundle", example=torch.randn(5, 2, 8, 8), programs=["eager"])
    finally:
        sys.path.remove(str(folder))
        del sys.modules["onward_net"]
    return folder / "net.bundle"


@pytest.fixture(scope="session")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with nothing but ONNX, and no torch in sight."""
    return made.write(tmp_path_factory.mktemp("portable") / "made.bundle", labels=("no", "yes", 'per"haps\\'))
