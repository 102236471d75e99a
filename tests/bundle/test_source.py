"""The source in a bundle: run by eager torch alone, from its text alone, with the very arguments that were packed."""

import importlib._bootstrap_external
import importlib.util
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import pthway
from pthway.errors import BundleRefused
from tests.bundle import made

NET = """
    import enum
    from dataclasses import dataclass

    import torch
    from own_parts.shapes import Shape
    from torch import nn


    class Act(enum.Enum):
        RELU = "relu"
        TANH = "tanh"


    @dataclass
    class Config:
        shape: Shape
        act: Act


    class Net(nn.Module):
        def __init__(self, config: Config) -> None:
            super().__init__()
            assert type(config) is Config and type(config.shape) is Shape
            self.first = nn.Linear(4, config.shape.width)
            self.act = torch.relu if config.act is Act.RELU else torch.tanh

        def forward(self, x):
            return self.act(self.first(x))
"""
SHAPES = """
    from dataclasses import dataclass


    @dataclass
    class Shape:
        width: int
"""


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle whose network has a file beside it and takes objects of its own classes."""
    source = tmp_path / "work"
    (source / "own_parts").mkdir(parents=True)
    (source / "own_net.py").write_text(dedent(NET))
    (source / "own_parts/__init__.py").touch()
    (source / "own_parts/shapes.py").write_text(dedent(SHAPES))
    monkeypatch.syspath_prepend(str(source))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    import own_net  # type: ignore[import-not-found]
    from own_parts.shapes import Shape  # type: ignore[import-not-found]

    try:
        config = own_net.Config(Shape(5), own_net.Act.RELU)
        torch.save(own_net.Net(config).state_dict(), tmp_path / "net.pth")
        model = pthway.load(tmp_path / "net.pth", own_net.Net, config=config)
        pthway.pack(model, tmp_path / "net.bundle", programs=["eager"])
    finally:
        for name in ("own_net", "own_parts", "own_parts.shapes"):
            del sys.modules[name]
    return tmp_path / "net.bundle"


def test_objects_of_the_networks_own_classes_are_its_arguments(packed: Path) -> None:
    assert (pthway.open_session(packed).predict(-np.ones((2, 4), np.float32)).array >= 0).all()  # the member RELU was recognised


def test_no_bytecode_is_written_into_a_bundle(packed: Path) -> None:
    pthway.open_session(packed)
    assert sorted(path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file() and "source" in path.parts) == [
        "source/own_net.py", "source/own_parts/__init__.py", "source/own_parts/shapes.py",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["own_net", "own_parts/shapes", "own_parts/__init__"])
def test_bytecode_beside_the_source_is_not_run(packed: Path, name: str) -> None:
    mark = packed.parent / "mark"
    cache = Path(importlib.util.cache_from_source(str(packed / f"source/{name}.py")))
    cache.parent.mkdir(parents=True)
    code = compile(f"open({str(mark)!r}, 'w').close()", "forged", "exec")
    pack: Any = importlib._bootstrap_external._code_to_hash_pyc  # type: ignore[attr-defined]
    cache.write_bytes(pack(code, bytes(8), checked=False))
    pthway.open_session(packed)
    assert not mark.exists()


def test_opening_a_bundle_and_its_other_runtimes_run_none_of_it(packed: Path) -> None:
    mark = packed.parent / "mark"
    (packed / "source/own_net.py").write_text(f"open({str(mark)!r}, 'w').close()")
    made.hash_again(packed, "source/own_net.py")
    pthway.open_bundle(packed).records()
    assert not mark.exists()
    with pytest.raises(BundleRefused, match="cannot be imported"):
        pthway.open_session(packed, runtime="eager")
    assert mark.exists()


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, None])
def test_weights_that_do_not_fit_the_source_are_refused(packed: Path, content: bytes | None) -> None:
    if content is None:
        save_file({"first.weight": np.ones((5, 4), np.float32), "first.bias": np.ones(6, np.float32)}, packed / "weights.safetensors")
    else:
        (packed / "weights.safetensors").write_bytes(content)
    made.hash_again(packed, "weights.safetensors")
    with pytest.raises(BundleRefused, match="do not fit its architecture"):
        pthway.open_session(packed)
