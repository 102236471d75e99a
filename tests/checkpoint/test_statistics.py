"""Statistics of every number, judged by numpy on the whole tensor at once."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pthway
from pthway import errors
from pthway.checkpoint.statistics import Statistics, statistics


def told(folder: Path, state: dict[str, torch.Tensor], **options: Any) -> dict[str, Statistics]:
    torch.save(state, folder / "in.pth", **options)
    checkpoint = pthway.open(folder / "in.pth")
    return statistics(checkpoint.container, checkpoint.choose().tensors)


torch.manual_seed(0)
TENSORS = {
    "single": torch.randn(700, 1000) + 1000,
    "turned": torch.randn(300, 700).t(),
    "double": torch.randn(1000, dtype=torch.float64) * 1e200,
    "half": torch.randn(1000).half(),
    "brain": torch.randn(1000).bfloat16(),
    "eight": torch.randn(1000).to(torch.float8_e4m3fn),
    "long": torch.randint(-(2**62), 2**62, (1000,)),
    "byte": torch.randint(0, 255, (1000,), dtype=torch.uint8),
    "yes": torch.rand(1000) > 0.3,
    "part": torch.randn(1000)[100:200],
    "one": torch.tensor(3.5),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", TENSORS)
def test_they_are_those_of_the_whole_tensor(name: str, legacy: bool, tmp_path: Path) -> None:
    tensor = TENSORS[name]
    found = told(tmp_path, {name: tensor}, _use_new_zipfile_serialization=not legacy)[name]
    exact = tensor.float().numpy() if tensor.dtype in (torch.bfloat16, torch.float8_e4m3fn) else tensor.numpy()
    assert (found.smallest, found.largest) == (exact.min().item(), exact.max().item())
    wide = exact.astype(np.longdouble)
    assert found.mean == pytest.approx(float(wide.mean()), rel=1e-12, abs=1e-12 * float(np.abs(wide).max()))
    assert found.std == pytest.approx(float(wide.std()), rel=1e-9)
    assert (found.nan, found.infinite, found.zeros) == (0, 0, int((exact == 0).sum()))


def test_nan_and_infinity_are_counted_and_left_out_of_the_rest(tmp_path: Path) -> None:
    inf, nan = math.inf, math.nan
    found = told(tmp_path, {"w": torch.tensor([nan, 1.0, inf, -inf, 3.0, 0.0, -0.0, nan, nan]), "n": torch.tensor([nan])})
    assert found["w"] == Statistics(0.0, 3.0, 1.0, pytest.approx(math.sqrt(1.5)), 3, 2, 2)
    assert found["n"] == Statistics(None, None, None, None, 1, 0, 0)


def test_an_empty_tensor_has_none_and_a_sparse_one_is_left_out(tmp_path: Path) -> None:
    found = told(tmp_path, {"empty": torch.zeros(0, 3), "sparse": torch.eye(3).to_sparse()})
    assert found == {"empty": Statistics(None, None, None, None, 0, 0, 0)}


def test_complex_numbers_have_a_mean_and_no_order(tmp_path: Path) -> None:
    values = torch.tensor([1 + 2j, 3 - 4j, 0j])
    found = told(tmp_path, {"z": values, "conjugate": values.conj()})
    assert found["z"] == Statistics(None, None, pytest.approx(values.numpy().mean()), pytest.approx(float(values.numpy().std())), 0, 0, 1)
    assert found["conjugate"].mean == pytest.approx(values.numpy().mean().conjugate())


def test_compressed_archives_are_read_too_and_damage_is_found(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(200_000), "t": torch.ones(300, 200).t()}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as archive, zipfile.ZipFile(tmp_path / "in.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    checkpoint = pthway.open(tmp_path / "in.pth")
    assert [of.mean for of in statistics(checkpoint.container, checkpoint.choose().tensors).values()] == [1.0, 1.0]
    content = bytearray((tmp_path / "plain.pth").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "plain.pth").write_bytes(content)
    checkpoint = pthway.open(tmp_path / "plain.pth")
    with pytest.raises(errors.CorruptFile, match="checksum"):
        statistics(checkpoint.container, checkpoint.choose().tensors)
