"""Sparse, quantised and nested tensors: the oracle is torch, which saved them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pthway import errors
from pthway.checkpoint import Checkpoint, open_checkpoint
from pthway.checkpoint.torch_tensors import tensors
from pthway.formats.tensors import CompositeSpec

pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta state"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor"),
]


def opened(value: torch.Tensor, tmp_path: Path, **options: Any) -> Checkpoint:
    torch.save({"t": value}, tmp_path / "t.pth", **options)
    return open_checkpoint(tmp_path / "t.pth")


def read(checkpoint: Checkpoint) -> torch.Tensor:
    return tensors(checkpoint.container, checkpoint.choose().tensors)["t"]


def matrix(dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = (4, 6)) -> torch.Tensor:
    made = torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(7)).to(dtype)
    return made * (made.abs() > 1)


LAYOUTS = {
    "coo": lambda t: t.to_sparse_coo(),
    "coo of one dimension": lambda t: t.to_sparse_coo() if t.dim() < 2 else t.to_sparse(1),
    "csr": lambda t: t.to_sparse_csr(),
    "csc": lambda t: t.to_sparse_csc(),
    "bsr": lambda t: t.to_sparse_bsr((2, 3)),
    "bsc": lambda t: t.to_sparse_bsc((2, 3)),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.complex64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sparse_tensors_are_read(layout: str, dtype: torch.dtype, legacy: bool, tmp_path: Path) -> None:
    value = LAYOUTS[layout](matrix(dtype))
    checkpoint = opened(value, tmp_path, _use_new_zipfile_serialization=not legacy)
    again = read(checkpoint)
    assert again.layout == value.layout and again.dtype == dtype
    assert torch.equal(again.to_dense(), value.to_dense())
    assert torch.equal(torch.from_numpy(checkpoint["t"].numpy().copy()), value.to_dense())


@pytest.mark.parametrize("layout", ["csr", "csc", "bsr", "bsc"])
def test_batches_of_sparse_matrices_are_read(layout: str, tmp_path: Path) -> None:
    one = matrix()
    value = LAYOUTS[layout](torch.stack([one, one * 2]))
    checkpoint = opened(value, tmp_path)
    assert torch.equal(read(checkpoint).to_dense(), value.to_dense())
    assert torch.equal(torch.from_numpy(checkpoint["t"].numpy().copy()), value.to_dense())


def test_indices_that_repeat_are_added_up(tmp_path: Path) -> None:
    value = torch.sparse_coo_tensor(torch.tensor([[0, 0, 1], [1, 1, 0]]), torch.tensor([1.0, 2.0, 4.0]), (2, 2), check_invariants=True)
    checkpoint = opened(value, tmp_path)
    assert checkpoint["t"].numpy().tolist() == value.to_dense().tolist() == [[0, 3], [4, 0]]
    assert not read(checkpoint).is_coalesced()


@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8, torch.qint32])
def test_tensors_of_one_scale_are_read_and_dequantised(dtype: torch.dtype, tmp_path: Path) -> None:
    value = torch.quantize_per_tensor(torch.randn(3, 5, generator=torch.Generator().manual_seed(1)), 0.037, 3, dtype).t()
    checkpoint = opened(value, tmp_path)
    again = read(checkpoint)
    assert torch.equal(again.int_repr(), value.int_repr()) and again.q_scale() == value.q_scale()
    assert (again.q_zero_point(), again.stride()) == (3, value.stride())
    assert torch.equal(torch.from_numpy(checkpoint["t"].numpy().copy()), value.dequantize())


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("zero_type", [torch.int64, torch.float32])
def test_tensors_of_a_scale_each_channel_are_read_and_dequantised(axis: int, zero_type: torch.dtype, tmp_path: Path) -> None:
    made = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    count = made.shape[axis]
    steps, zeros = torch.linspace(0.01, 0.05, count), torch.arange(count).to(zero_type)
    value = torch.quantize_per_channel(made, steps, zeros, axis, torch.quint8)
    checkpoint = opened(value, tmp_path)
    again = read(checkpoint)
    assert torch.equal(again.int_repr(), value.int_repr())
    assert torch.equal(again.q_per_channel_scales(), value.q_per_channel_scales()) and again.q_per_channel_axis() == axis
    assert torch.equal(again.dequantize(), value.dequantize())
    assert torch.equal(torch.from_numpy(checkpoint["t"].numpy().copy()), value.dequantize())


def test_nested_tensors_are_read(tmp_path: Path) -> None:
    value = torch.nested.nested_tensor([torch.arange(6.0).reshape(2, 3), torch.arange(4.0).reshape(1, 4)])
    checkpoint = opened(value, tmp_path)
    assert [t.tolist() for t in read(checkpoint).unbind()] == [t.tolist() for t in value.unbind()]
    (state,) = checkpoint.state_dicts
    assert (state.tensors["t"].shape, state.elements) == ((2,), 10)
    with pytest.raises(errors.UnreadableFile, match="There is no array of this kind"):
        checkpoint["t"].numpy()


def test_jagged_tensors_are_read(tmp_path: Path) -> None:
    value = torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(4, 3)], layout=torch.jagged)
    checkpoint = opened(value, tmp_path)
    assert [t.tolist() for t in read(checkpoint).unbind()] == [t.tolist() for t in value.unbind()]


def test_a_meta_tensor_has_no_numbers(tmp_path: Path) -> None:
    checkpoint = opened(torch.empty(2, 3, device="meta"), tmp_path)
    for ask in (checkpoint["t"].numpy, lambda: read(checkpoint)):
        with pytest.raises(errors.UnreadableFile, match="t is a meta tensor") as caught:
            ask()
        assert "never saved" in caught.value.why


def altered(checkpoint: Checkpoint, change: Any) -> Checkpoint:
    """The checkpoint with the description of its tensor changed, as a hostile pickle would have it."""
    (state,) = checkpoint.state_dicts
    spec = state.tensors["t"]
    assert isinstance(spec, CompositeSpec)
    return Checkpoint(checkpoint.container, (state._replace(tensors={"t": change(spec)}),), {}, checkpoint.safety)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_indices_outside_the_shape_are_refused(layout: str, tmp_path: Path) -> None:
    checkpoint = opened(LAYOUTS[layout](matrix()), tmp_path)
    smaller = altered(checkpoint, lambda spec: spec._replace(shape=(2, 3)))
    for ask in (smaller["t"].numpy, lambda: read(smaller)):
        with pytest.raises(errors.CorruptFile, match=r"t is (sparse, and|a sparse_.* tensor whose parts do not fit)"):
            ask()


def test_a_small_sparse_tensor_of_a_huge_shape_is_not_made_dense(tmp_path: Path) -> None:
    value = torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.ones(1), (2**20, 2**20), check_invariants=True)
    checkpoint = opened(value, tmp_path)
    with pytest.raises(errors.LimitExceeded, match="bytes when it is dense"):
        checkpoint["t"].numpy()
    assert read(checkpoint).shape == (2**20, 2**20)


def test_scales_that_cannot_be_are_refused(tmp_path: Path) -> None:
    made = torch.quantize_per_channel(torch.ones(2, 3), torch.tensor([0.1, 0.2]), torch.tensor([0, 0]), 0, torch.qint8)
    checkpoint = opened(made, tmp_path)
    content = (tmp_path / "t.pth").read_bytes()
    steps = made.q_per_channel_scales().numpy().tobytes()
    assert content.count(steps) == 1
    torch.save({"t": made}, tmp_path / "t.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "t.pth").read_bytes()
    (tmp_path / "t.pth").write_bytes(content.replace(steps, bytes(8) + steps[8:]))
    checkpoint = open_checkpoint(tmp_path / "t.pth")
    for ask in (checkpoint["t"].numpy, lambda: read(checkpoint)):
        with pytest.raises(errors.CorruptFile, match="scales that are not positive"):
            ask()


@pytest.mark.parametrize(
    ("old", "new"), [(b"K\x03\x87", b"K\xff\x87"), (b"G?\xb9\x99\x99\x99\x99\x99\x9a", b"G\xbf\xb9\x99\x99\x99\x99\x99\x9a")]
)
def test_a_zero_point_or_scale_outside_its_type_is_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    value = torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 3, torch.qint8)
    torch.save({"t": value}, tmp_path / "t.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "t.pth").read_bytes()
    assert content.count(old) == 1
    (tmp_path / "t.pth").write_bytes(content.replace(old, new))
    with pytest.raises(errors.CorruptFile, match="none of a quantised tensor"):
        open_checkpoint(tmp_path / "t.pth")


def test_zero_points_of_channels_outside_their_type_are_refused(tmp_path: Path) -> None:
    made = torch.quantize_per_channel(torch.ones(2, 3), torch.tensor([0.1, 0.2]), torch.tensor([5, 6]), 0, torch.qint8)
    torch.save({"t": made}, tmp_path / "t.pth", _use_new_zipfile_serialization=False)
    content, zeros = (tmp_path / "t.pth").read_bytes(), made.q_per_channel_zero_points().numpy().tobytes()
    assert content.count(zeros) == 1
    for value, fits in ((127, True), (128, False), (-128, True), (-129, False)):
        (tmp_path / "t.pth").write_bytes(content.replace(zeros, value.to_bytes(8, "little", signed=True) + zeros[8:]))
        checkpoint = open_checkpoint(tmp_path / "t.pth")
        for ask in (checkpoint["t"].numpy, lambda checkpoint=checkpoint: read(checkpoint)):
            if fits:
                ask()
            else:
                with pytest.raises(errors.CorruptFile, match="zero points outside -128"):
                    ask()


def test_a_jagged_tensor_with_holes_is_described_and_not_read_wrongly(tmp_path: Path) -> None:
    whole = torch.nested.nested_tensor_from_jagged(torch.arange(6.0).reshape(6, 1), torch.tensor([0, 3, 6]), torch.tensor([2, 3]))
    checkpoint = opened(whole, tmp_path)
    with pytest.raises(errors.UnreadableFile, match="nested_jagged_with_holes"):
        read(checkpoint)
    checkpoint = opened(torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(4, 3)], layout=torch.jagged).transpose(1, 2), tmp_path)
    with pytest.raises(errors.UnreadableFile, match="nested_jagged_with_holes"):
        read(checkpoint)
