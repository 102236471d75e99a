"""The golden file holds what the manifest means, in its types and shapes; and outputs beside it are told apart as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pthway.bundle import open_bundle
from pthway.bundle.golden import compare
from pthway.bundle.manifest import Tolerance
from pthway.errors import BundleRefused
from tests.bundle import made

Arrays = dict[str, Any]


def spoiled(folder: Path, change: Callable[[Arrays], object]) -> Path:
    arrays = load_file(folder / "golden.safetensors")
    change(arrays)
    save_file(arrays, folder / "golden.safetensors")
    made.hash_again(folder, "golden.safetensors")
    return folder


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda arrays: arrays.pop("1/outputs/y"), "lacks 1/outputs/y"),
        (lambda arrays: arrays.update(more=np.zeros(3)), "holds more, which the manifest does not name"),
        (lambda arrays: arrays.update({"2/inputs/x": arrays["2/inputs/x"].astype(np.float64)}), "in the type F64, where float32 is meant"),
        (lambda arrays: arrays.update({"2/inputs/x": np.zeros((2, 5), np.float32)}), r"in the shape \(2, 5\)"),
        (lambda arrays: arrays.update({"2/inputs/x": np.zeros(4, np.float32)}), r"in the shape \(4,\)"),
        (lambda arrays: arrays.update({"2/outputs/y": np.zeros((3, 3), np.float32)}), r"2/outputs/y in the shape \(3, 3\)"),
        (lambda arrays: arrays.update({"2/outputs/y": np.zeros((2, 3, 1), np.float32)}), r"2/outputs/y in the shape \(2, 3, 1\)"),
        (lambda arrays: arrays.update({"2/outputs/y": np.zeros((2, 3), np.int64)}), "in the type I64, where float32 is meant"),
    ],
)
def test_arrays_that_the_manifest_does_not_mean_are_refused(folder: Path, change: Callable[[Arrays], object], match: str) -> None:
    opened = open_bundle(spoiled(folder, change))
    with pytest.raises(BundleRefused, match=match):
        opened.records()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (2**40).to_bytes(8, "little") + b"{",
        (2).to_bytes(8, "little") + b"[]",
        (80).to_bytes(8, "little") + b'{"2/inputs/x":{"dtype":"F32","shape":[9000000000,4],"data_offsets":[0,8]}}'.ljust(80) + bytes(8),
        (80).to_bytes(8, "little") + b'{"2/inputs/x":{"dtype":"F8_E4M3","shape":[2,4],"data_offsets":[0,8]}}'.ljust(80) + bytes(8),
    ],
)
def test_a_golden_file_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "golden.safetensors").write_bytes(content)
    made.hash_again(folder, "golden.safetensors")
    opened = open_bundle(folder)
    with pytest.raises(BundleRefused, match=r"golden\.safetensors"):
        opened.records()


def told(expected: Any, got: Any) -> str:
    compared = compare({"y": expected}, {} if got is None else {"y": got}, {"y": Tolerance(absolute=1e-5, relative=1e-4)})
    return str(compared.deviation or "")


def test_what_differs_as_a_whole_is_told_as_such() -> None:
    expected = np.ones((2, 3), np.float32)
    assert told(expected, np.ones((3, 2), np.float32)) == "y is float32 (3, 2), recorded float32 (2, 3)"
    assert told(expected, np.ones((2, 3))) == "y is float64 (2, 3), recorded float32 (2, 3)"
    assert told(expected, None) == "y is missing"


def test_a_difference_counts_from_just_beyond_the_tolerance() -> None:
    expected = np.array([100.0], np.float32)
    assert told(expected, np.array([100.00999], np.float32)) == ""
    assert told(expected, np.array([100.0102], np.float32)).startswith("y[0] is 100.0102")


def test_nan_and_infinity_agree_with_themselves_alone() -> None:
    special = np.array([np.nan, np.inf, -np.inf], np.float32)
    assert told(special, special) == ""
    for wrong in ([0, np.inf, -np.inf], [np.nan, -np.inf, -np.inf], [np.nan, np.nan, -np.inf], [np.nan, np.inf, 3e38]):
        assert "recorded" in told(special, np.array(wrong, np.float32))
    assert "recorded" in told(np.zeros(1, np.float32), np.array([np.nan], np.float32))
