"""The oracle is torch: what it saved is read back equal, data and all, by both serialisations."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pthway.checkpoint.arrays import NUMPY_TYPES, array
from pthway.checkpoint.torch_tensors import tensor
from pthway.formats import Container, open_container
from pthway.formats.tensors import DTYPES, TensorSpec
from pthway.formats.values import PickledDict

SAVED = [name for name in DTYPES if isinstance(getattr(torch, name, None), torch.dtype) and not name.startswith("q")]
"""Every dtype that torch can save and that is not quantised."""


def raw(value: torch.Tensor) -> bytes:
    """The bytes of a tensor in row-major order, whatever its dtype."""
    dense = value.resolve_conj().resolve_neg().contiguous()
    return bytes(dense.untyped_storage())[dense.storage_offset() * dense.element_size() :][: dense.numel() * dense.element_size()]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """A tensor of any dtype: dense, a view, transposed, expanded, zero-size or scalar."""
    dtype = getattr(torch, draw(st.sampled_from(SAVED)))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    size = torch.Size(shape).numel() * dtype.itemsize + 8 * dtype.itemsize
    seed = draw(st.integers(0, 2**31))
    random = torch.Generator().manual_seed(seed)
    content = torch.randint(0, 2 if dtype == torch.bool else 256, (size,), dtype=torch.uint8, generator=random)
    flat = torch.empty(0, dtype=dtype).set_(content.untyped_storage(), 0, (size // dtype.itemsize,), (1,))
    offset = draw(st.integers(0, 8))
    made = flat.as_strided(shape, torch.empty(shape, device="meta").stride(), offset)
    match draw(st.sampled_from(["as it is", "transposed", "strided", "expanded"])):
        case "transposed" if made.dim() > 1:
            return made.transpose(0, -1)
        case "strided" if made.dim() and made.shape[0] > 1:
            return made[::2]
        case "expanded":
            return made.unsqueeze(0).expand(3, *made.shape)
    return made


plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")) | st.binary(max_size=40)
)
names = st.text(st.characters(codec="utf-8"), max_size=12)


class Saved:
    """A structure to save. Printing some of torch's tensors raises, so its own description does not."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Saved({described(self.value)})"


def described(value: object) -> str:
    """*value* in words."""
    match value:
        case torch.Tensor():
            return f"{value.dtype}{list(value.shape)} stride {value.stride()} offset {value.storage_offset()}"
        case dict():
            return "{" + ", ".join(f"{key!r}: {described(entry)}" for key, entry in value.items()) + "}"
        case list() | tuple():
            return type(value).__name__ + "[" + ", ".join(map(described, value)) + "]"
    return repr(value)


@dataclass
class Slot:
    """Stands for a tensor of the pool while the structure is drawn, since hypothesis prints what it draws from."""

    index: int


def filled(value: Any, pool: list[torch.Tensor]) -> Any:
    """*value* with the slots replaced by tensors."""
    match value:
        case Slot():
            return pool[value.index]
        case dict():
            return type(value)((key, filled(entry, pool)) for key, entry in value.items())
        case list() | tuple():
            return type(value)(filled(entry, pool) for entry in value)
    return value


@st.composite
def structures(draw: st.DrawFn) -> Saved:
    """Random nested containers; some tensors appear twice, and some are views of another."""
    pool = draw(st.lists(tensors(), min_size=1, max_size=4))
    pool += [t.flatten()[: max(1, t.numel() // 2)] for t in pool if t.numel() and t.is_contiguous()]
    leaves = st.builds(Slot, st.integers(0, len(pool) - 1)) | plain
    drawn = draw(
        st.recursive(
            leaves,
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(names, inner, max_size=4)
                | st.dictionaries(names, inner, max_size=4).map(OrderedDict)
                | st.tuples(inner, inner)
                | st.dictionaries(st.integers(), inner, max_size=3)
            ),
            max_leaves=12,
        )
    )
    return Saved(filled(drawn, pool))


def assert_same(read: object, saved: object, container: Container) -> None:
    """*read*, as inert values, says the same as *saved*."""
    match saved:
        case torch.Tensor():
            assert isinstance(read, TensorSpec)
            assert (read.shape, read.stride, read.offset) == (tuple(saved.shape), saved.stride(), saved.storage_offset())
            assert f"torch.{read.dtype}" == str(saved.dtype)
            blocks: dict[str, torch.UntypedStorage] = {}
            assert raw(tensor(container, read, "t", blocks)) == raw(saved)
            if read.dtype in NUMPY_TYPES:
                assert array(container, read, "t").tobytes() == raw(saved)
        case dict():
            assert isinstance(read, PickledDict)
            assert [key for key, _ in read.pairs] == list(saved)
            for (_, value), expected in zip(read.pairs, saved.values(), strict=True):
                assert_same(value, expected, container)
        case list() | tuple():
            assert isinstance(read, list | tuple)
            assert type(read) is type(saved) and len(read) == len(saved)
            for value, expected in zip(read, saved, strict=True):
                assert_same(value, expected, container)
        case _:
            assert read == saved and type(read) is type(saved)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(structures(), st.booleans())
def test_what_torch_saves_is_read_back_equal(tmp_path: Path, saved: Saved, legacy: bool) -> None:
    path = tmp_path / "saved.pth"
    try:
        torch.save(saved.value, path, _use_new_zipfile_serialization=not legacy)
        expected = torch.load(path, weights_only=True)
    except Exception:  # noqa: BLE001  # torch itself cannot, and raises what it likes: nothing to compare with
        return
    container = open_container(path)
    assert_same(container.parts.root, expected, container)


@pytest.mark.parametrize("name", SAVED)
def test_every_dtype_survives(name: str, tmp_path: Path) -> None:
    content = torch.arange(64, dtype=torch.uint8) % (2 if name == "bool" else 64)
    made = content.view(getattr(torch, name)) if name != "bool" else content.bool()
    torch.save({"t": made}, tmp_path / "t.pth")
    container = open_container(tmp_path / "t.pth")
    assert_same(container.parts.root, {"t": made}, container)


def test_shared_storage_stays_shared(tmp_path: Path) -> None:
    base = torch.arange(12.0)
    torch.save({"all": base, "part": base[3:6]}, tmp_path / "t.pth")
    container = open_container(tmp_path / "t.pth")
    assert isinstance(container.parts.root, PickledDict)
    blocks: dict[str, torch.UntypedStorage] = {}
    read = {str(k): tensor(container, v, str(k), blocks) for k, v in container.parts.root.pairs if isinstance(v, TensorSpec)}
    read["part"][0] = -1
    assert read["all"][3] == -1
    assert torch.load(tmp_path / "t.pth")["all"][3] == 3, "the file must not change"


def test_conjugate_and_negative_views_are_applied(tmp_path: Path) -> None:
    z = torch.tensor([1 + 2j, 3 - 4j])
    for saved in (z.conj(), z.conj().imag):
        torch.save(saved, tmp_path / "t.pth")
        expected = torch.load(tmp_path / "t.pth")
        container = open_container(tmp_path / "t.pth")
        spec = container.parts.root
        assert isinstance(spec, TensorSpec) and (spec.conjugate or spec.negative)
        assert torch.equal(tensor(container, spec, "t", {}).resolve_conj().resolve_neg(), expected)
        assert array(container, spec, "t").tolist() == expected.tolist()
