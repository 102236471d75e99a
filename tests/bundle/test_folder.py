"""The folder: every file there, unchanged, inside, and none beside; whatever is put in its place is refused without a wait."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from pthway.bundle import open_bundle
from pthway.bundle.folder import SUMS
from pthway.errors import BundleRefused, Drift, MissingFile
from pthway.runtime import open_session, verify
from tests.bundle import made

FILES = ("README.md", "golden.safetensors", "manifest.json", "model.onnx", "weights.safetensors", SUMS)


def refused(folder: Path, match: str) -> None:
    with pytest.raises(BundleRefused, match=match):
        open_bundle(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_byte_in_any_file_is_refused(folder: Path, name: str, place: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    refused(folder, "edited" if name in ("manifest.json", SUMS) else f"was changed since it was packed: {name}")


@pytest.mark.parametrize("name", FILES)
def test_any_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"(lacks|has no file) {name}")


@pytest.mark.parametrize("name", FILES)
def test_any_emptied_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    refused(folder, "edited" if name in ("manifest.json", SUMS) else f"was changed since it was packed: {name}")


@pytest.mark.parametrize("name", ["setup.py", "programs/more.onnx", "model.onnx.data", "source/net.py", "numpy.pyc"])
def test_a_file_that_the_manifest_does_not_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"foreign")
    refused(folder, f"holds {name}, which the manifest does not name")


@pytest.mark.parametrize("name", [".DS_Store", "__pycache__/net.pyc", ".git/HEAD"])
def test_what_other_programs_leave_behind_is_passed_over(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"left behind")
    open_bundle(folder)


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/hostname", "..\\outside", "C:\\outside", "C:outside", "source/../model.onnx", "./model.onnx", "a//b", "", ".",
     "a/", "nul\0byte", "line\nbreak", "source/..", "‮txt.exe"],
)  # fmt: skip
def test_a_path_that_leads_outside_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "outside").write_bytes(b"secret")
    made.edit(folder, lambda told: told["files"].update({name: told["files"]["README.md"]}))
    refused(folder, "names the file .*Every file of a bundle lies inside|names the file")


def test_a_hidden_file_is_none_of_a_bundle(folder: Path) -> None:
    shutil.copy(folder / "README.md", folder / ".hidden")
    made.edit(folder, lambda told: told["files"].update({".hidden": told["files"]["README.md"]}))
    refused(folder, "lacks .hidden")


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_the_place_of_a_file_is_refused(folder: Path, name: str) -> None:
    shutil.move(folder / name, folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    refused(folder, name)


def test_a_link_in_the_place_of_a_folder_is_refused(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "net.py").write_text("1")
    (folder / "source").symlink_to(outside)
    refused(folder, "holds source, which the manifest does not name")
    made.edit(folder, lambda told: told["files"].update({"source/net.py": told["files"]["README.md"]}))
    refused(folder, "lacks source/net.py")


def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()
    refused(folder, "lacks model.onnx")


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_the_place_of_a_file_is_refused_without_waiting_for_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused(folder, name)


def test_a_foreign_pipe_is_refused_without_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    refused(folder, "holds pipe, which the manifest does not name")


def test_a_pipe_a_socket_or_a_device_is_no_bundle(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe.zip", tmp_path / "socket", Path("/dev/zero")):
            refused(path, "is a pipe, socket or device")


@pytest.mark.parametrize("name", ["none", "none.zip", "file/below"])
def test_where_nothing_is_the_error_is_that_of_a_missing_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(MissingFile, match="There is no bundle"):
        open_bundle(tmp_path / name)


def test_an_empty_folder_is_no_bundle(tmp_path: Path) -> None:
    refused(tmp_path, "has no file manifest.json")


def test_a_file_that_the_system_does_not_give_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    refused(folder, "cannot be read: Permission denied")


def test_a_bundle_is_opened_from_where_nothing_can_be_written(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}
    open_session(folder)
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))} == before


# --- what is consistent, and answers otherwise ----------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return made.write(tmp_path / "other.bundle", function="Abs")


def test_a_program_of_another_bundle_is_refused_by_its_checksum(folder: Path, other: Path) -> None:
    shutil.copy(other / "model.onnx", folder / "model.onnx")
    refused(folder, "was changed since it was packed: model.onnx")


@pytest.mark.parametrize("depth", ["full", "quick"])
def test_a_program_of_another_bundle_under_a_forged_checksum_is_refused_by_its_answers(folder: Path, other: Path, depth: str) -> None:
    shutil.copy(other / "model.onnx", folder / "model.onnx")
    made.hash_again(folder, "model.onnx")
    with pytest.raises(Drift, match=r"record 2: y\[\d, \d\] is .*, recorded "):
        open_session(folder, verify=depth)  # type: ignore[arg-type]
    assert not verify(folder)


def test_golden_answers_of_another_bundle_are_refused_by_what_the_program_answers(folder: Path, other: Path) -> None:
    shutil.copy(other / "golden.safetensors", folder / "golden.safetensors")
    made.hash_again(folder, "golden.safetensors")
    with pytest.raises(Drift, match="does not give its recorded answers"):
        open_session(folder)


def test_a_program_with_more_outputs_than_the_manifest_is_refused(folder: Path) -> None:
    import onnx

    model = onnx.load(folder / "model.onnx")
    model.graph.output.append(onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, ["batch", 3]))
    onnx.save(model, folder / "model.onnx")
    made.hash_again(folder, "model.onnx")
    with pytest.raises(Drift, match="zip"):
        open_session(folder)


def outside_weights(folder: Path, location: str) -> None:
    import onnx

    model = onnx.load(folder / "model.onnx")
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location=location, offset=0, length=48)
    tensor.ClearField("raw_data")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    made.hash_again(folder, "model.onnx")


@pytest.mark.parametrize("location", ["../secret.bin", "/{}/secret.bin"])
def test_a_program_that_reads_a_file_outside_is_not_loaded(folder: Path, location: str) -> None:
    (folder.parent / "secret.bin").write_bytes(made.WEIGHT.tobytes())
    outside_weights(folder, location.format(folder.parent))
    with pytest.raises(BundleRefused, match=r"ONNX Runtime .* does not load model\.onnx"):
        open_session(folder)


@pytest.mark.parametrize("content", [b"", b"\x08\x09", b"not onnx at all" * 99])
def test_a_program_that_is_none_is_not_loaded(folder: Path, content: bytes) -> None:
    (folder / "model.onnx").write_bytes(content)
    made.hash_again(folder, "model.onnx")
    with pytest.raises(BundleRefused, match=r"ONNX Runtime .* does not load model\.onnx"):
        open_session(folder)
