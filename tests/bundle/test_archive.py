"""The .zip of a bundle works wherever its folder does, by whatever tool it was packed; archives that are an attack are refused early."""

import io
import os
import shutil
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pthway.bundle import archive, open_bundle
from pthway.errors import BundleRefused
from pthway.runtime import open_session, verify
from tests.bundle import made

Fill = Callable[[zipfile.ZipFile], object]


@pytest.fixture(autouse=True)
def spool(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked: nothing may stay there."""
    folder = tmp_path_factory.mktemp("spool")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def zipped(kept: Path, target: Path, *, prefix: str = "", method: int = zipfile.ZIP_STORED, more: Fill = lambda _: None) -> Path:
    with zipfile.ZipFile(target, "w", method) as written:
        if prefix:
            written.mkdir(prefix.rstrip("/"))
        for path in sorted(kept.rglob("*")):
            written.write(path, prefix + path.relative_to(kept).as_posix())
        more(written)
    return target


def refused(path: Path, match: str, spool: Path) -> None:
    with pytest.raises(BundleRefused, match=match) as caught:
        open_bundle(path)
    assert caught.value.why
    assert caught.value.fix
    assert not list(spool.iterdir())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("prefix", ["", "made.bundle/", "a folder of another name/"])
def test_a_zip_of_any_tool_answers_as_the_folder_does(kept: Path, tmp_path: Path, prefix: str, method: int) -> None:
    path = zipped(kept, tmp_path / "made.zip", prefix=prefix, method=method)
    x = np.ones((3, 4), np.float32)
    assert (open_session(path).run({"x": x})["y"] == open_session(kept).run({"x": x})["y"]).all()
    assert verify(path, runtime="all")


def test_the_zip_that_pthway_writes_holds_what_its_folder_would(kept: Path, tmp_path: Path) -> None:
    opened = open_bundle(made.write(tmp_path / "made.zip"))
    assert opened.manifest == open_bundle(kept).manifest
    assert all(entry.compress_type == zipfile.ZIP_STORED for entry in zipfile.ZipFile(opened.path).infolist())


def test_what_the_file_manager_of_macos_adds_is_passed_over(kept: Path, tmp_path: Path) -> None:
    def more(written: zipfile.ZipFile) -> None:
        written.writestr("__MACOSX/made.bundle/._manifest.json", b"forks")
        written.writestr("made.bundle/.DS_Store", b"icons")

    open_bundle(zipped(kept, tmp_path / "made.zip", prefix="made.bundle/", more=more))


def test_a_zip_written_to_a_stream_is_read(kept: Path, tmp_path: Path) -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    stream = Stream()
    with zipfile.ZipFile(stream, "w") as written:
        for path in kept.rglob("*"):
            written.write(path, path.name)
    (tmp_path / "streamed.zip").write_bytes(stream.getvalue())
    assert zipfile.ZipFile(tmp_path / "streamed.zip").infolist()[0].flag_bits & 8
    open_bundle(tmp_path / "streamed.zip")


def test_a_zip_with_64_bit_sizes_is_read(kept: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "wide.zip", "w") as written:
        for path in kept.rglob("*"):
            with written.open(path.name, "w", force_zip64=True) as sink:
                sink.write(path.read_bytes())
    open_bundle(tmp_path / "wide.zip")


def test_what_was_unpacked_goes_with_the_bundle(kept: Path, tmp_path: Path, spool: Path) -> None:
    opened = open_bundle(zipped(kept, tmp_path / "made.zip"))
    assert len(list(spool.iterdir())) == 1
    del opened
    assert not list(spool.iterdir())


@pytest.mark.parametrize(
    "name", ["../outside", "/outside", "a/../../outside", "..", "C:\\outside", "\\\\host\\share", "C:outside", "./a", "a//b", "tab\there"]
)
def test_a_name_that_leads_outside_is_refused(kept: Path, tmp_path: Path, spool: Path, name: str) -> None:
    refused(
        zipped(kept, tmp_path / "made.zip", more=lambda written: written.writestr(name, b"x")),
        "would be written outside of the folder: ",
        spool,
    )
    assert not (tmp_path / "outside").exists()


def test_a_symbolic_link_is_refused(kept: Path, tmp_path: Path, spool: Path) -> None:
    def more(written: zipfile.ZipFile) -> None:
        entry = zipfile.ZipInfo("source")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        written.writestr(entry, "/etc")

    refused(zipped(kept, tmp_path / "made.zip", more=more), "holds the symbolic link 'source'", spool)


def test_one_name_twice_is_refused(kept: Path, tmp_path: Path, spool: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(kept, tmp_path / "made.zip", more=lambda written: written.writestr("model.onnx", b"another"))
    refused(path, "holds 'model.onnx' twice", spool)


@pytest.mark.parametrize("name", ["model.onnx/below", "weights.safetensors/"])
def test_a_name_as_file_and_folder_is_refused(kept: Path, tmp_path: Path, spool: Path, name: str) -> None:
    path = zipped(kept, tmp_path / "made.zip", more=lambda written: written.writestr(name, b""))
    if name.endswith("/"):
        open_bundle(path)  # an empty folder is not written
    else:
        refused(path, "cannot be unpacked", spool)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_rare_compression_is_refused(kept: Path, tmp_path: Path, spool: Path, method: int) -> None:
    refused(zipped(kept, tmp_path / "made.zip", method=method), f"compressed by method {method} ", spool)


def test_a_bomb_is_refused_before_it_is_unpacked(kept: Path, tmp_path: Path, spool: Path) -> None:
    def more(written: zipfile.ZipFile) -> None:
        with written.open("zeros", "w") as sink:
            for _ in range(80):
                sink.write(bytes(1 << 20))

    refused(zipped(kept, tmp_path / "made.zip", method=zipfile.ZIP_DEFLATED, more=more), "would unpack to 83,", spool)


def test_zeros_below_the_limit_are_unpacked(kept: Path, tmp_path: Path, spool: Path) -> None:
    path = zipped(kept, tmp_path / "made.zip", method=zipfile.ZIP_DEFLATED, more=lambda each: each.writestr("zeros", bytes(1 << 25)))
    refused(path, "holds zeros, which the manifest does not name", spool)


def patched(path: Path, *, signature: bytes, at: int, form: str, value: int, entry: bytes = b"weights.safetensors") -> Path:
    """Overwrite a number in the headers of one entry."""
    content = bytearray(path.read_bytes())
    begin, name_at = {b"PK\3\4": (0, 30), b"PK\1\2": (1, 46)}[signature]
    found = content.index(entry) if begin == 0 else content.rindex(entry)
    assert content[found - name_at : found - name_at + 4] == signature
    struct.pack_into(form, content, found - name_at + at, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [0, 1, 100, 10_000])
def test_a_wrong_size_in_the_directory_is_refused(kept: Path, tmp_path: Path, spool: Path, size: int) -> None:
    path = zipped(kept, tmp_path / "made.zip")
    refused(patched(path, signature=b"PK\1\2", at=24, form="<L", value=size), r"made\.zip", spool)


def test_a_wrong_checksum_is_refused(kept: Path, tmp_path: Path, spool: Path) -> None:
    path = zipped(kept, tmp_path / "made.zip")
    refused(patched(path, signature=b"PK\1\2", at=16, form="<L", value=1), "Bad CRC-32", spool)


def test_an_encrypted_file_is_refused(kept: Path, tmp_path: Path, spool: Path) -> None:
    path = zipped(kept, tmp_path / "made.zip")
    refused(patched(path, signature=b"PK\1\2", at=8, form="<H", value=1), "holds encrypted 'weights.safetensors'", spool)


@pytest.mark.parametrize("name", [b"manifest.json", b"weights.safetensors"])
def test_two_names_of_one_file_are_refused(kept: Path, tmp_path: Path, spool: Path, name: bytes) -> None:
    path = zipped(kept, tmp_path / "made.zip")
    content = path.read_bytes()
    at = content.rindex(name)
    path.write_bytes(content[:at] + name[::-1] + content[at + len(name) :])
    refused(path, r"made\.zip", spool)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_zip_is_refused(kept: Path, tmp_path: Path, spool: Path, share: float) -> None:
    path = zipped(kept, tmp_path / "made.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "is no .zip file that can be unpacked", spool)


def test_any_changed_byte_is_refused_or_means_nothing(kept: Path, tmp_path: Path, spool: Path) -> None:
    content = zipped(kept, tmp_path / "made.zip").read_bytes()
    expected = open_bundle(kept).manifest
    generator = np.random.default_rng(0)
    tail = len(content) - content.index(b"PK\1\2")
    for index in (*generator.integers(0, len(content), 50), *(len(content) - 1 - generator.integers(0, tail, 100))):
        changed = bytearray(content)
        changed[index] ^= int(generator.integers(1, 256))
        (tmp_path / "changed.zip").write_bytes(changed)
        try:
            opened = open_bundle(tmp_path / "changed.zip")
        except BundleRefused:
            continue
        assert opened.manifest == expected
    del opened
    assert not list(spool.iterdir())


def counted(path: Path, kept: Path, count: int) -> Path:
    present = len(list(kept.rglob("*")))
    return zipped(kept, path, more=lambda written: [written.writestr(f"f{index}", b"") for index in range(count - present)])


def test_too_many_files_are_refused_before_any_is_written(kept: Path, tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 50)
    refused(counted(tmp_path / "at.zip", kept, 50), "which the manifest does not name", spool)
    refused(counted(tmp_path / "past.zip", kept, 51), "holds 51 files", spool)


def test_a_directory_of_a_hundred_thousand_files_is_not_read(tmp_path: Path, spool: Path) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * 100_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    (tmp_path / "many.zip").write_bytes(directory + end)
    refused(tmp_path / "many.zip", "has a directory of 4,700,000 bytes", spool)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6" + bytes(18), b"no archive", bytes(1000), b"PK\5\6" + b"\xff" * 18])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, spool: Path, content: bytes) -> None:
    (tmp_path / "model.zip").write_bytes(content)
    refused(tmp_path / "model.zip", r"is no .zip file that can be unpacked|holds no manifest.json", spool)


def test_an_archive_of_something_else_is_not_unpacked(tmp_path: Path, spool: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pth", "w") as written:
        written.writestr("model/data.pkl", b"x")
        written.writestr("model/data/0", bytes(100))
    refused(tmp_path / "model.pth", "holds no manifest.json", spool)


def test_a_full_disk_is_told_as_such(kept: Path, tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    path = zipped(kept, tmp_path / "made.zip")
    monkeypatch.setattr(shutil, "copyfileobj", full)
    refused(path, "cannot be unpacked to .*No space left on device", spool)
