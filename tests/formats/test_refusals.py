"""What is no weights file, or a damaged or hostile one, gets an error that says what it is and what to do."""

import gzip
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pthway import errors
from pthway.formats import Container, open_container
from pthway.formats.values import PickledDict


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def saved(legacy: bool = False) -> bytes:
    """A small state dict as torch writes it."""
    stream = io.BytesIO()
    torch.save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def repacked(change: Callable[[str, bytes], bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The small state dict with its records changed; None leaves one out."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved())) as old, zipfile.ZipFile(stream, "w", compression) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return stream.getvalue()


def without(record: str) -> bytes:
    """The small state dict without one record."""
    return repacked(lambda name, content: None if name.endswith(record) else content)


def instead(record: str, new: Callable[[bytes], bytes]) -> bytes:
    """The small state dict with one record changed."""
    return repacked(lambda name, content: new(content) if name.endswith(record) else content)


def unchanged(_name: str, content: bytes) -> bytes:
    return content


FILES = {
    "empty": (b"", errors.EmptyFile, EOFError, "is empty: 0 bytes"),
    "zeros": (bytes(5000), errors.EmptyFile, EOFError, "only zero bytes"),
    "web page": (
        b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>",
        errors.NotWeights,
        pickle.UnpicklingError,
        "web page titled 'Google Drive - Virus scan warning'",
    ),
    "git-lfs pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a2146" * 8 + b"\nsize 346293852\n",
        errors.NotWeights,
        RuntimeError,
        "git-lfs pointer to a file of 346,293,852 bytes",
    ),
    "path configuration": (b"import _virtualenv\n/srv/lib/extra\n", errors.NotWeights, RuntimeError, "path-configuration file"),
    "json error": (b'{"error": "Repository not found"}', errors.NotWeights, RuntimeError, 'JSON text: \'{"error"'),
    "gzip of text": (gzip.compress(b"x" * 100), errors.NotWeights, RuntimeError, "Compressed with gzip: "),
    "plain pickle": (pickle.dumps({"a": 1}), errors.NotWeights, pickle.UnpicklingError, "Python pickle"),
    "text": ("weights go here ü".encode(), errors.NotWeights, RuntimeError, "is text, not weights"),
    "noise": (bytes(range(7, 256)), errors.NotWeights, RuntimeError, "not a file that torch.save writes"),
    "four bytes": (b"PK\x03\x04", errors.TruncatedFile, EOFError, "cut off at 4 bytes"),
    "two bytes": (b"PK", errors.TruncatedFile, EOFError, "ends after 2 bytes"),
    "truncated zip": (saved()[:-300], errors.TruncatedFile, RuntimeError, "cut off"),
    "truncated legacy": (saved(legacy=True)[:-5], errors.TruncatedFile, RuntimeError, "5 are missing"),
    "other zip": (without(".pkl"), errors.NotWeights, RuntimeError, "not of weights"),
    "storage absent": (without("data/1"), errors.CorruptFile, RuntimeError, "lacks the record"),
    "storage short": (instead("data/1", lambda c: c[:-4]), errors.CorruptFile, RuntimeError, "its tensors need"),
    "middle-endian": (instead("byteorder", lambda _: b"middle"), errors.CorruptFile, RuntimeError, "byte order"),
    "bytes before": (b"PK\x03\x04" + bytes(60) + saved(), errors.CorruptFile, RuntimeError, "zip archive"),
    "bytes after": (saved() + b"more", errors.CorruptFile, RuntimeError, "goes on after its end"),
    "zip after legacy": (saved(legacy=True)[:40] + saved(), errors.UnreadableFile, RuntimeError, "pickle"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_weights_file_is_named(name: str, tmp_path: Path) -> None:
    content, error, builtin, words = FILES[name]
    with pytest.raises(error) as caught:
        open_container(write(tmp_path / "model.pth", content))
    assert words in str(caught.value)
    assert isinstance(caught.value, builtin)
    assert caught.value.fix


def test_a_missing_file_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*nothing\.pth"):
        open_container(tmp_path / "nothing.pth")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.NotWeights, match="is a folder"):
        open_container(tmp_path)


def test_a_compressed_archive_is_read_and_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pth", repacked(unchanged, zipfile.ZIP_DEFLATED))
    container = open_container(path)
    assert any("repacked" in note for note in container.parts.notes)
    (spec, *_) = container.parts.storages.values()
    assert bytes(container.storage(spec)) == torch.arange(6.0).numpy().tobytes()


def test_a_big_endian_file_is_read_right(tmp_path: Path) -> None:
    def swapped(name: str, content: bytes) -> bytes:
        if name.endswith("byteorder"):
            return b"big"
        return struct.pack(f">{len(content) // 4}f", *struct.unpack(f"<{len(content) // 4}f", content)) if "/data/" in name else content

    container = open_container(write(tmp_path / "m.pth", repacked(swapped)))
    (spec, *_) = container.parts.storages.values()
    assert bytes(container.storage(spec)) == torch.arange(6.0).numpy().tobytes()


def test_a_flipped_bit_in_the_weights_is_found_before_they_are_used(tmp_path: Path) -> None:
    content = bytearray(saved())
    content[content.find(torch.ones(4).numpy().tobytes())] ^= 1
    container = open_container(write(tmp_path / "m.pth", bytes(content)))
    with pytest.raises(errors.CorruptFile, match=r"data/1 .* checksum"):
        container.check(list(container.parts.storages.values()))


def test_two_records_of_one_name_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO(saved())
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    with pytest.raises(errors.CorruptFile, match=r"two records named 'archive/data\.pkl'"):
        open_container(write(tmp_path / "m.pth", stream.getvalue()))


def test_a_local_header_that_names_another_record_is_refused(tmp_path: Path) -> None:
    content = saved().replace(b"archive/data.pkl", b"archive/d4ta.pkl", 1)
    with pytest.raises(errors.CorruptFile, match="something else in that place"):
        open_container(write(tmp_path / "m.pth", content))


def pickled(stream: bytes) -> bytes:
    """A torch zip with *stream* as its pickle."""
    return instead("data.pkl", lambda _: stream)


PICKLES = {
    "empty": (b"", errors.TruncatedFile),
    "no stop": (b"\x80\x02}", errors.TruncatedFile),
    "stack underflow": (b"\x80\x02R.", errors.CorruptFile),
    "unmatched mark": (b"\x80\x02(.", errors.CorruptFile),
    "mark as a value": (b"(0(a.", errors.CorruptFile),
    "unknown opcode": (b"\xff.", errors.CorruptFile),
    "extension registry": (b"\x82\x01.", errors.CorruptFile),
    "protocol 9": (b"\x80\x09}.", errors.CorruptFile),
    "bytes after stop": (b"\x80\x02}.more", errors.CorruptFile),
    "huge string": (b"\x8d" + struct.pack("<Q", 2**62) + b"x.", errors.CorruptFile),
    "huge bytes": (b"B" + struct.pack("<I", 2**32 - 1) + b"x.", errors.CorruptFile),
    "huge frame": (b"\x95" + struct.pack("<Q", 2**63) + b"}.", errors.CorruptFile),
    "negative string": (b"T" + struct.pack("<i", -5) + b"x.", errors.CorruptFile),
    "huge long": (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x.", errors.CorruptFile),
    "million digits": (b"I" + b"9" * 1_000_000 + b"\n.", errors.CorruptFile),
    "absent memo": (b"h\x07.", errors.CorruptFile),
    "memo on empty stack": (b"q\x00.", errors.CorruptFile),
    "setitems on a list": (b"](K\x01K\x02u.", errors.CorruptFile),
    "append to a dict": (b"}K\x01a.", errors.CorruptFile),
    "odd setitems": (b"}(K\x01u.", errors.CorruptFile),
    "build on a list": (b"]}b.", errors.CorruptFile),
    "global of numbers": (b"K\x01K\x02\x93.", errors.CorruptFile),
    "persistent id of text": (b"X\x01\x00\x00\x00aQ.", errors.CorruptFile),
    "marks without end": (b"(" * 200_000 + b".", errors.CorruptFile),
    "lists without end": (b"]" * 2_100_000 + b".", errors.LimitExceeded),
    "rebuild without arguments": (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", errors.CorruptFile),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_broken_pickle_is_refused(name: str, tmp_path: Path) -> None:
    stream, error = PICKLES[name]
    with pytest.raises(error):
        open_container(write(tmp_path / "m.pth", pickled(stream)))


def test_a_memo_index_of_two_to_the_32_costs_nothing(tmp_path: Path) -> None:
    container = open_container(write(tmp_path / "m.pth", pickled(b"}r\xff\xff\xff\xff.")))
    assert isinstance(container.parts.root, PickledDict)


def test_nesting_and_cycles_end(tmp_path: Path) -> None:
    deep = open_container(write(tmp_path / "a.pth", pickled(b")" + b"\x85" * 100_000 + b".")))
    cyclic = open_container(write(tmp_path / "b.pth", pickled(b"]q\x00h\x00a.")))
    doubling = open_container(write(tmp_path / "c.pth", pickled(b")" + b"q\x00h\x00\x86" * 60 + b".")))
    assert all(isinstance(found, Container) for found in (deep, cyclic, doubling))


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"


def rebuilt(offset: bytes = b"K\x00", size: bytes = b"K\x06\x85", stride: bytes = b"K\x01\x85", storage: bytes = STORAGE) -> bytes:
    """A pickle of one tensor."""
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + size + stride + b"\x89)tR."


TENSORS = {
    "beyond its storage": rebuilt(size=b"K\x07\x85"),
    "offset beyond": rebuilt(offset=b"K\x01"),
    "negative stride": rebuilt(stride=b"J\xff\xff\xff\xff\x85"),
    "negative size": rebuilt(size=b"J\xff\xff\xff\xff\x85"),
    "boolean offset": rebuilt(offset=b"\x88"),
    "fraction": rebuilt(offset=b"G" + struct.pack(">d", 1.0)),
    "2**500 elements": rebuilt(size=b"\x8a\x40" + b"\xff" * 63 + b"\x00" + b"\x85"),
    "zero-stride bomb": rebuilt(size=b"J\xff\xff\xff\x7f\x85", stride=b"K\x00\x85"),
    "65 dimensions": rebuilt(size=b"(" + b"K\x01" * 65 + b"t", stride=b"(" + b"K\x01" * 65 + b"t"),
    "stride too short": rebuilt(size=b"K\x01K\x01\x86"),
    "no storage": rebuilt(storage=b"N"),
    "other key": rebuilt(storage=STORAGE.replace(b"\x01\x00\x00\x000X", b"\x09\x00\x00\x00../../etcX")),
    "unknown storage class": rebuilt(storage=STORAGE.replace(b"FloatStorage", b"EvilStorage")),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(errors.CorruptFile):
        open_container(write(tmp_path / "m.pth", pickled(TENSORS[name])))


def test_the_honest_form_of_these_tensors_is_read(tmp_path: Path) -> None:
    assert open_container(write(tmp_path / "m.pth", pickled(rebuilt()))).parts.storages


def answered(path: Path) -> None:
    """Open the file and check all its bytes: an answer or a deliberate error, nothing else."""
    try:
        container = open_container(path)
        container.check(list(container.parts.storages.values()))
        for spec in container.parts.storages.values():
            container.storage(spec)
    except errors.PthwayError:
        pass


@pytest.mark.parametrize("legacy", [False, True])
def test_every_prefix_of_a_file_is_refused(legacy: bool, tmp_path: Path) -> None:
    whole = saved(legacy)
    for length in range(len(whole)):
        with pytest.raises(errors.UnreadableFile):
            open_container(write(tmp_path / "m.pth", whole[:length]))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(legacy=st.booleans(), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), more=st.binary(max_size=8))
def test_a_damaged_file_ends_in_an_answer_or_an_error(tmp_path: Path, legacy: bool, at: float, bit: int, more: bytes) -> None:
    content = bytearray(saved(legacy))
    place = int(at * len(content))
    content[place] ^= 1 << bit
    content[place + 1 : place + 1 + len(more)] = more
    answered(write(tmp_path / "m.pth", bytes(content)))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_any_pickle_ends_in_an_answer_or_an_error(tmp_path: Path, stream: bytes, ended: bool) -> None:
    answered(write(tmp_path / "m.pth", pickled(stream + b"." * ended)))


def test_an_archive_inside_a_record_is_no_second_end(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pth", saved())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/extra/inner.zip", saved())
    assert open_container(path).parts.storages


def test_a_second_end_in_the_comment_is_refused(tmp_path: Path) -> None:
    end = saved()[-22:]
    content = saved()[:-2] + struct.pack("<H", len(end)) + end
    with pytest.raises(errors.CorruptFile, match=r"two ends|gap"):
        open_container(write(tmp_path / "m.pth", content))
