"""A bundle is written whole or not at all, and over nothing that it was not asked to replace."""

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from safetensors import SafetensorError

from pthway.bundle import archive, open_bundle, write
from pthway.bundle.write import drafted
from pthway.errors import MissingFile, NotWritten, PthwayError, UsageError
from tests.bundle import made

BOTH = pytest.mark.parametrize("name", ["made.bundle", "made.zip"])


@BOTH
def test_nothing_is_left_beside_a_bundle(tmp_path: Path, name: str) -> None:
    made.write(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@BOTH
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("of the network")])
def test_an_interrupted_pack_leaves_nothing(tmp_path: Path, name: str, error: BaseException) -> None:
    with pytest.raises(type(error)), drafted(tmp_path / "new" / "folders" / name, force=False) as draft:
        (draft / "weights.safetensors").write_bytes(b"half")
        raise error
    assert not list(tmp_path.iterdir())


@BOTH
@pytest.mark.parametrize("step", ["_sync", "_with_files", "_make_readable"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, name: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write, step, full)
    monkeypatch.setattr(archive, "pack", full)
    with pytest.raises(NotWritten, match="No space left on device"):
        made.write(tmp_path / "new" / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), SafetensorError("I/O error: No space left")])
def test_a_disk_that_fills_while_files_are_made_is_told_as_such(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(NotWritten, match="No space left"), drafted(tmp_path / "made.bundle", force=False):
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no such file"), MissingFile("what", "why", "fix")])
def test_a_file_that_the_network_itself_misses_is_not_taken_for_the_disk(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, drafted(tmp_path / "made.bundle", force=False):
        raise error
    assert caught.value is error


def test_a_place_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(NotWritten, match="cannot be written"):
        made.write(tmp_path / "file" / "made.bundle")


@BOTH
@pytest.mark.parametrize("there", [lambda path: path.mkdir(), lambda path: path.write_text("x"), lambda path: path.symlink_to("nowhere")])
def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path, name: str, there: Callable[[Path], object]) -> None:
    there(tmp_path / name)
    with pytest.raises(UsageError, match="is there already"):
        made.write(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def forced(path: Path) -> Path:
    shutil.copytree(made.write(path.parent / "fresh.bundle"), path.parent / "parts")
    told = open_bundle(path.parent / "fresh.bundle").manifest
    with drafted(path, force=True) as draft:
        for name in told.files:
            shutil.copy(path.parent / "parts" / name, draft / name)
        write.finish(draft, path, told, force=True)
    for folder in ("fresh.bundle", "parts"):
        shutil.rmtree(path.parent / folder)
    return path


@BOTH
def test_force_replaces_a_bundle_whole(tmp_path: Path, name: str) -> None:
    made.write(tmp_path / name, function="Abs")
    before = open_bundle(tmp_path / name).manifest.files["model.onnx"]
    assert open_bundle(forced(tmp_path / name)).manifest.files["model.onnx"] != before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_force_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    elsewhere = made.write(tmp_path / "elsewhere.bundle")
    (tmp_path / "made.bundle").symlink_to(elsewhere)
    forced(tmp_path / "made.bundle")
    assert not (tmp_path / "made.bundle").is_symlink()
    open_bundle(elsewhere)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere.bundle", "made.bundle"]


def test_what_was_there_stays_if_the_new_one_cannot_take_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_bundle(made.write(tmp_path / "made.bundle", function="Abs")).manifest
    rename = Path.replace

    def failing(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(NotWritten, match="Input/output error"):
        forced(tmp_path / "made.bundle")
    assert open_bundle(tmp_path / "made.bundle").manifest == before


@BOTH
def test_of_packs_to_one_place_one_is_there_and_the_others_are_refused(tmp_path: Path, name: str) -> None:
    together = Barrier(4)

    def one(function: str) -> str:
        together.wait()
        try:
            made.write(tmp_path / name, function=function)
        except PthwayError as refusal:
            assert isinstance(refusal, UsageError | NotWritten)
            return "refused"
        return function

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, ["Tanh", "Abs", "Tanh", "Abs"]))
    assert len(found) - found.count("refused") >= 1
    open_bundle(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_have_the_mode_of_new_ones(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        folder, zipped = made.write(tmp_path / "made.bundle"), made.write(tmp_path / "made.zip")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")} == {0o640}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE(zipped.stat().st_mode) == 0o640


def test_the_manifest_has_a_checksum_that_the_usual_tool_reads(folder: Path) -> None:
    told: Any = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, timeout=20, check=True)
    assert told.stdout == "manifest.json: OK\n"
