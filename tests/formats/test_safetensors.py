"""safetensors files: the header is written by hand here, numbers are compared with torch's, and the format's own rules are kept."""

import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from pthway import errors
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.torch_tensors import tensors
from pthway.formats import limits, open_container

NAMES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32,
    "I16": torch.int16, "I8": torch.int8, "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
    "BOOL": torch.bool, "C64": torch.complex64, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz, "F8_E8M0": torch.float8_e8m0fnu,
}  # fmt: skip


def packed(header: object, data: bytes = b"", pad: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * pad
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8), **more: object) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(NAMES)), st.lists(st.integers(0, 3), max_size=4)), max_size=5), st.integers(0, 9))
def test_tensors_of_every_type_are_read_bit_for_bit(tmp_path: Path, kinds: list[tuple[str, list[int]]], pad: int) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    wanted, data = {}, b""
    for index, (name, shape) in enumerate(kinds):
        dtype = NAMES[name]
        count = torch.Size(shape).numel()
        made = torch.randint(0, 2 if dtype == torch.bool else 256, (count * dtype.itemsize,), dtype=torch.uint8)
        wanted[f"layer.{index}"] = made.view(dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)
        header[f"layer.{index}"] = entry(name, shape, (len(data), len(data) + len(made)))
        data += made.numpy().tobytes()
    container = open_container(write(tmp_path / "m.pth", packed(header, data, pad)))
    specs = dict(container.parts.root.pairs)  # type: ignore[attr-defined]
    assert list(specs) == list(wanted)
    for name, read in tensors(container, specs).items():
        assert (read.dtype, read.shape) == (wanted[name].dtype, wanted[name].shape)
        assert bytes(read.contiguous().flatten().view(torch.uint8).tolist() if read.numel() else []) == bytes(
            wanted[name].flatten().view(torch.uint8).tolist() if read.numel() else []
        )


def test_it_says_who_wrote_it_and_keeps_the_metadata(tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", packed({"__metadata__": {"format": "pt", "epoch": "7"}, "w": entry()}, bytes(8)))
    checkpoint = open_checkpoint(path)
    assert "PyTorch" in checkpoint.container.parts.written_by
    assert checkpoint.extras["epoch"] == "7"
    assert list(checkpoint) == ["w"]


LONG = b"[" * 100_000
REFUSED = {
    "header longer than the file": (struct.pack("<Q", 90) + b"{}", errors.TruncatedFile, "header alone"),
    "header above the cap": (struct.pack("<Q", 2**40) + b"{}", errors.LimitExceeded, "at most|At most"),
    "no object": (struct.pack("<Q", 2) + b"{]", errors.CorruptFile, "no JSON"),
    "key twice": (packed(b'{"a":1,"a":1}'), errors.CorruptFile, "twice"),
    "deep": (packed(b'{"a":' + LONG), errors.CorruptFile, "no JSON"),
    "not UTF-8": (packed(b'{"\xff": 1}'), errors.CorruptFile, "no JSON"),
    "NaN": (packed(b'{"a": NaN}'), errors.CorruptFile, "no JSON"),
    "digits": (packed(b'{"a":' + b"9" * 10_000 + b"}"), errors.CorruptFile, "no JSON"),
    "many lists": (packed(b'{"a":[' + b"[]," * 2_100_000 + b"[]]}"), errors.LimitExceeded, "millions"),
    "field missing": (packed({"a": {"dtype": "F32", "shape": []}}), errors.CorruptFile, "instead of"),
    "field too many": (packed({"a": entry(more=1)}, bytes(8)), errors.CorruptFile, "instead of"),
    "dtype unknown": (packed({"a": entry("F4")}, bytes(8)), errors.UnreadableFile, "element type 'F4'"),
    "shape negative": (packed({"a": entry(shape=(-2,))}, bytes(8)), errors.CorruptFile, "none"),
    "shape fractional": (packed({"a": entry(shape=(2.0,))}, bytes(8)), errors.CorruptFile, "none"),
    "shape boolean": (packed({"a": entry(shape=(True,), offsets=(0, 4))}, bytes(4)), errors.CorruptFile, "none"),
    "65 dimensions": (packed({"a": entry(shape=[1] * 65, offsets=(0, 4))}, bytes(4)), errors.CorruptFile, "65 dimensions"),
    "overflow": (packed({"a": entry(shape=[2**62, 2**62])}, bytes(8)), errors.CorruptFile, "its type and shape need"),
    "wrong product": (packed({"a": entry(shape=[3])}, bytes(8)), errors.CorruptFile, "its type and shape need 12"),
    "offsets reversed": (packed({"a": entry(offsets=(8, 0))}, bytes(8)), errors.CorruptFile, "its type and shape need"),
    "three offsets": (packed({"a": entry(offsets=(0, 4, 8))}, bytes(8)), errors.CorruptFile, "none"),
    "gap at the beginning": (packed({"a": entry(offsets=(8, 16))}, bytes(16)), errors.CorruptFile, "a gap"),
    "gap": (packed({"a": entry(), "b": entry(offsets=(9, 17))}, bytes(17)), errors.CorruptFile, "a gap"),
    "overlap": (packed({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), errors.CorruptFile, "an overlap"),
    "same place twice": (packed({"a": entry(), "b": entry()}, bytes(8)), errors.CorruptFile, "an overlap"),
    "trailing": (packed({"a": entry()}, bytes(9)), errors.CorruptFile, "goes on for 1 bytes"),
    "truncated": (packed({"a": entry()}, bytes(7)), errors.TruncatedFile, "1 are missing"),
    "metadata not text": (packed({"__metadata__": {"a": 1}}), errors.CorruptFile, "not texts"),
    "metadata a list": (packed({"__metadata__": []}), errors.CorruptFile, "no object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_breaks_a_rule_of_the_format_is_refused(name: str, tmp_path: Path) -> None:
    content, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        open_container(write(tmp_path / "m.safetensors", content))


def test_every_prefix_is_refused(tmp_path: Path) -> None:
    content = packed({"a": entry(), "b": entry("U8", [], (8, 9))}, bytes(9))
    path = tmp_path / "m.safetensors"
    for length in range(len(content)):
        with pytest.raises(errors.UnreadableFile):
            open_container(write(path, content[:length]))


def test_every_flipped_bit_of_the_header_is_read_or_refused(tmp_path: Path) -> None:
    content = packed({"a": entry(), "b": entry("U8", [], (8, 9))}, bytes(9))
    for bit in range(8 * (len(content) - 9)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            open_container(write(tmp_path / "m.safetensors", bytes(flipped)))
        except errors.PthwayError:
            continue


def test_tensors_are_read_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({str(number): torch.zeros(1) for number in range(4)}, tmp_path / "m.safetensors", {"format": "pt"})
    monkeypatch.setattr(limits, "MAX_TENSORS", 4)
    assert len(open_checkpoint(tmp_path / "m.safetensors")) == 4
    monkeypatch.setattr(limits, "MAX_TENSORS", 3)
    with pytest.raises(errors.LimitExceeded, match="has 4 tensors"):
        open_checkpoint(tmp_path / "m.safetensors")
