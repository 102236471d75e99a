"""Every state dict survives every format, whatever its tensors; a file appears whole or not at all. torch, numpy and safetensors judge."""

import argparse
import errno
import json
import os
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import pthway
from pthway import errors
from pthway.checkpoint import noted
from pthway.checkpoint.convert import Precision, Target
from pthway.checkpoint.writing import new_file, npz, safetensors
from pthway.formats.tensors import DTYPES

SAVED = [name for name in DTYPES if isinstance(getattr(torch, name, None), torch.dtype) and not name.startswith("q")]
ENDINGS = ["pth", "safetensors", "npz"]
TYPES = {"safetensors": set(safetensors.TYPES), "npz": {*npz.TYPES, *npz.WIDER}, "pth": set(DTYPES)}
LEGACY = [name for name in SAVED if getattr(torch, name) not in torch.storage._new_dtypes()]
"""Types that torch's old stream can hold."""


def raw(value: torch.Tensor) -> bytes:
    """The bytes of a tensor in row-major order, whatever its dtype."""
    dense = value.detach().resolve_conj().resolve_neg().contiguous()
    start, size = dense.storage_offset() * dense.element_size(), dense.numel() * dense.element_size()
    return torch.empty(0, dtype=torch.uint8).set_(dense.untyped_storage(), start, (size,), (1,)).numpy().tobytes()


@st.composite
def state_dicts(draw: st.DrawFn, dtypes: list[str]) -> dict[str, Any]:
    """A recipe of a state dict: for each name the type, the shape, how it lies in memory, and where."""
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0\\/."), max_size=8)
    names = draw(st.lists(text, min_size=1, max_size=6, unique=True))
    return {
        name: (
            draw(st.sampled_from(dtypes)),
            draw(st.lists(st.integers(0, 4), max_size=4)),
            draw(st.sampled_from(["as it is", "transposed", "strided", "expanded", "conjugate", "twin", "overlapping"])),
            draw(st.integers(0, 8)),
        )
        for name in names
    }


def built(recipe: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The state dict of a recipe."""
    made: OrderedDict[str, torch.Tensor] = OrderedDict()
    for seed, (name, (dtype_name, shape, lie, offset)) in enumerate(recipe.items()):
        dtype = getattr(torch, dtype_name)
        before = next(reversed(made.values()), None)
        if lie == "twin" and before is not None:
            made[name] = before
            continue
        if lie == "overlapping" and before is not None and before.numel():
            made[name] = before.reshape(-1)[: 1 + before.numel() // 2] if before.is_contiguous() else before.transpose(0, -1)
            continue
        count = torch.Size(shape).numel() + 8
        random = torch.Generator().manual_seed(seed)
        content = torch.randint(0, 2 if dtype == torch.bool else 256, (count * dtype.itemsize,), dtype=torch.uint8, generator=random)
        flat = torch.empty(0, dtype=dtype).set_(content.untyped_storage(), 0, (count,), (1,))
        tensor = flat.as_strided(shape, torch.empty(shape, device="meta").stride(), offset)
        match lie:
            case "transposed" if tensor.dim() > 1:
                tensor = tensor.transpose(0, -1)
            case "strided" if tensor.dim() and tensor.shape[0] > 1:
                tensor = tensor[::2]
            case "expanded":
                tensor = tensor.unsqueeze(0).expand(3, *tensor.shape)
            case "conjugate" if dtype.is_complex and dtype != torch.complex32:  # torch itself changes the bits of a NaN of complex32
                tensor = tensor.conj()
        made[name] = tensor
    return made


def assert_equal(path: Path, saved: dict[str, torch.Tensor]) -> None:
    match path.suffix:
        case ".pth":
            read = torch.load(path, weights_only=True, mmap=True)
            assert type(read) is OrderedDict and list(read) == list(saved)
            for name, tensor in saved.items():
                assert (read[name].dtype, read[name].shape, raw(read[name])) == (tensor.dtype, tensor.shape, raw(tensor))
        case ".safetensors":
            read = pytest.importorskip("safetensors.torch").load_file(path)
            assert set(read) == set(saved)
            for name, tensor in saved.items():
                assert (read[name].dtype, read[name].shape, raw(read[name])) == (tensor.dtype, tensor.shape, raw(tensor))
        case ".npz":
            with np.load(path) as arrays:
                assert set(arrays.files) == set(saved)
                for name, tensor in saved.items():
                    wider = {"bfloat16": torch.float32, "complex32": torch.complex64}.get(str(tensor.dtype).removeprefix("torch."))
                    wider = torch.float32 if "float8" in str(tensor.dtype) else wider
                    expected = tensor.detach().resolve_conj().resolve_neg().to(wider or tensor.dtype).contiguous()
                    assert arrays[name].dtype == expected.numpy().dtype and arrays[name].shape == tuple(tensor.shape)
                    np.testing.assert_array_equal(arrays[name], expected.numpy())


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("form", ["zip", "compressed zip", "legacy"])
def test_a_state_dict_survives_every_format(form: str, ending: str, tmp_path: Path) -> None:
    dtypes = [name for name in (LEGACY if form == "legacy" else SAVED) if name in TYPES[ending]]
    compared = 0

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(state_dicts(dtypes))
    def survives(recipe: dict[str, Any]) -> None:
        nonlocal compared
        state, source, out = built(recipe), tmp_path / "in.pth", tmp_path / f"out.{ending}"
        try:
            torch.save(state, source, _use_new_zipfile_serialization=form != "legacy")
            state = torch.load(source, weights_only=True)
        except Exception:  # noqa: BLE001  # torch itself cannot, and raises what it likes: nothing to compare with
            return
        if form == "compressed zip":
            repack(source)
        written = pthway.open(source).save(out)
        assert written.nbytes == out.stat().st_size
        assert_equal(out, state)
        assert {path.name for path in tmp_path.iterdir()} == {"in.pth", out.name}
        compared += 1

    survives()
    assert compared > 50, "most of what is drawn is compared"


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
@pytest.mark.parametrize("name", SAVED)
def test_a_type_that_a_format_lacks_is_refused_and_every_other_survives(name: str, ending: str, tmp_path: Path) -> None:
    state = {"w": torch.zeros(16, dtype=torch.uint8).view(getattr(torch, name))}
    if name in TYPES[ending]:
        saved(tmp_path, state).save(tmp_path / f"out.{ending}")
        assert_equal(tmp_path / f"out.{ending}", torch.load(tmp_path / "in.pth"))
    else:
        with pytest.raises(errors.Unrepresentable, match="has no such type"):
            saved(tmp_path, state).save(tmp_path / f"out.{ending}")


@pytest.mark.parametrize("ending", ["pth", "npz"])
def test_a_conjugate_of_half_precision_is_resolved(ending: str, tmp_path: Path) -> None:
    state = {"z": torch.tensor([1 + 2j, -3 + 0.5j]).to(torch.complex32).conj()}
    saved(tmp_path, state).save(tmp_path / f"out.{ending}")
    assert_equal(tmp_path / f"out.{ending}", state)


def repack(path: Path) -> None:
    """Compress the archive, as people do who zip their files."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def saved(folder: Path, content: Any) -> pthway.Checkpoint:
    torch.save(content, folder / "in.pth")
    return pthway.open(folder / "in.pth")


def test_shared_memory_stays_shared_in_a_pth_and_is_recorded_in_safetensors(tmp_path: Path) -> None:
    weight = torch.randn(5, 3)
    checkpoint = saved(tmp_path, {"embed": weight, "head": weight, "rows": weight[1:3], "other": torch.zeros(1)})
    written = checkpoint.save(tmp_path / "out.pth")
    assert written.shared == (("embed", "head", "rows"),) and written.shares
    read = torch.load(tmp_path / "out.pth", weights_only=True)
    read["embed"][1, 0] = 7
    assert read["head"][1, 0] == read["rows"][0, 0] == 7
    assert not checkpoint.save(tmp_path / "out.safetensors").shares
    with pytest.importorskip("safetensors").safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert json.loads(file.metadata()["pthway.shared"]) == [["embed", "head", "rows"]]
        assert file.metadata()["format"] == "pt"
        assert set(file.keys()) == {"embed", "head", "rows", "other"}


def test_a_small_part_of_a_large_tensor_does_not_drag_it_along(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, {"row": torch.zeros(1000, 1000)[3]})
    assert checkpoint.save(tmp_path / "out.pth").nbytes < 10_000
    assert torch.load(tmp_path / "out.pth")["row"].untyped_storage().nbytes() == 4000


def test_versions_of_modules_are_kept(tmp_path: Path) -> None:
    state = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).state_dict()
    saved(tmp_path, state).save(tmp_path / "out.pth")
    assert torch.load(tmp_path / "out.pth", weights_only=True)._metadata == state._metadata


def test_prefixes_of_wrappers_are_gone_and_the_origin_is_noted(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, {"epoch": 3, "model": {f"module.{key}": value for key, value in nn.Linear(2, 2).state_dict().items()}})
    checkpoint.save(tmp_path / "out.safetensors")
    with pytest.importorskip("safetensors").safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert set(file.keys()) == {"weight", "bias"}
        assert file.metadata()["pthway.source"] == "in.pth" and file.metadata()["pthway.weights"] == "model"
    checkpoint.save(tmp_path / "out.pth")
    assert "pthway" in pthway.open(tmp_path / "out.pth").container.parts.written_by


MODULE = """
import sys, torch
class Net(torch.nn.Sequential):
    pass
Net.__module__ = "some_project"
sys.modules["some_project"] = sys.modules["__main__"]
torch.manual_seed(0)
net = Net(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
torch.save(net, sys.argv[1]); torch.save(net.state_dict(), sys.argv[2])
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_whole_module_gives_up_its_weights_without_its_class(ending: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", MODULE, str(tmp_path / "whole.pth"), str(tmp_path / "plain.pth")], check=True)
    pthway.open(tmp_path / "whole.pth").save(tmp_path / f"out.{ending}")
    assert_equal(tmp_path / f"out.{ending}", torch.load(tmp_path / "plain.pth"))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("precision", list(Precision))
def test_floating_tensors_are_rounded_as_torch_rounds_them(precision: Precision, ending: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    dtype = getattr(torch, precision.value)
    state = {
        "single": torch.randn(1000) * 1e-3,
        "special": torch.tensor([float("inf"), float("-inf"), float("nan"), 0.0, -0.0, 65504.0, 1e-9]),
        "double": torch.randn(7, 5, dtype=torch.float64).t(),
        "other": torch.randn(50).to(torch.bfloat16),
        "small": torch.randn(50).to(torch.float8_e4m3fn),
        "count": torch.arange(3),
        "complex": torch.randn(4, dtype=torch.complex64),
    }
    state["part"] = state["single"][10:20]
    written = saved(tmp_path, state).save(tmp_path / f"out.{ending}", precision=precision)
    assert written.changed[f"float64 to {'float32' if ending == 'npz' and dtype == torch.bfloat16 else precision.value}"] == 1
    if ending == "npz" and dtype == torch.bfloat16:
        return
    expected = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    special = {name: tensor.nan_to_num(nan=9.0) if name == "special" else tensor for name, tensor in expected.items()}
    match ending:
        case "pth":
            read = torch.load(tmp_path / "out.pth")
        case "safetensors":
            read = pytest.importorskip("safetensors.torch").load_file(tmp_path / "out.safetensors")
        case _:
            read = {name: torch.from_numpy(array) for name, array in np.load(tmp_path / "out.npz").items()}
    for name, tensor in special.items():
        found = read[name].nan_to_num(nan=9.0) if name == "special" else read[name]
        assert found.dtype == tensor.dtype and torch.equal(found, tensor)


def test_a_number_that_would_become_infinite_is_an_error(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, {"w": torch.tensor([1.0, 1e6])})
    with pytest.raises(errors.Unrepresentable, match=r"w holds 1e\+06, which is infinite as float16"):
        checkpoint.save(tmp_path / "out.pth", precision=Precision.HALF)
    assert checkpoint.save(tmp_path / "out.pth", precision=Precision.BFLOAT16).target is Target.STATE_DICT


def test_damaged_weights_are_not_written(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1000), "v": torch.ones(1000).view(10, 100).t()}, tmp_path / "in.pth")
    content = bytearray((tmp_path / "in.pth").read_bytes())
    content[content.index(b"\0\0\x80\x3f" * 10) + 2] ^= 1
    (tmp_path / "in.pth").write_bytes(content)
    for ending in ENDINGS:
        with pytest.raises(errors.CorruptFile, match="checksum"):
            pthway.open(tmp_path / "in.pth").save(tmp_path / f"out.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == ["in.pth"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = saved(tmp_path, {"w": torch.ones(100_000), "v": torch.zeros(10)})
    (tmp_path / "out.npz").write_bytes(b"old")
    written = 0

    def pwrite(descriptor: int, content: Any, at: int) -> int:
        nonlocal written
        written += len(content)
        if written > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(content)

    monkeypatch.setattr(new_file.os, "pwrite", pwrite)
    with pytest.raises(errors.NotWritten, match="No space left on device"):
        checkpoint.save(tmp_path / "out.npz")
    assert (tmp_path / "out.npz").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pth", "out.npz"]


def test_a_disk_that_is_too_small_is_noticed_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = saved(tmp_path, {"w": torch.ones(1000)})
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(new_file.os, "statvfs", lambda _: os.statvfs_result((*real[:4], 0, *real[5:])))
    with pytest.raises(errors.NotWritten, match="0 bytes free"):
        checkpoint.save(tmp_path / "out.npz")


def test_a_limit_of_the_system_on_file_size_leaves_nothing(tmp_path: Path) -> None:
    saved(tmp_path, {"w": torch.ones(1_000_000)})
    code = (
        "import resource, signal, sys, pthway; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000)); pthway.open(sys.argv[1]).save(sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "in.pth", tmp_path / "out.pth"], capture_output=True, text=True, check=False
    )
    assert "NotWritten" in done.stderr and [path.name for path in tmp_path.iterdir()] == ["in.pth"]


def test_the_file_that_is_read_is_never_overwritten(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, {"w": torch.ones(3)})
    (tmp_path / "link.pth").symlink_to(tmp_path / "in.pth")
    (tmp_path / "hard.pth").hardlink_to(tmp_path / "in.pth")
    for name in ("in.pth", "link.pth", "hard.pth"):
        with pytest.raises(errors.UsageError, match="is the file that is read"):
            checkpoint.save(tmp_path / name)


def test_an_existing_file_is_replaced_and_a_link_to_it_stays(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, {"w": torch.ones(3)})
    (tmp_path / "real.pth").write_bytes(b"old")
    (tmp_path / "link.pth").symlink_to("real.pth")
    checkpoint.save(tmp_path / "link.pth")
    assert (tmp_path / "link.pth").is_symlink() and torch.load(tmp_path / "real.pth")["w"].sum() == 3


@pytest.mark.parametrize(
    ("name", "message"), [("out.onnx", "does not end in a format"), ("no/out.npz", "does not exist"), ("dir.npz", "no regular")]
)
def test_a_place_that_cannot_be_written_is_refused_before_reading(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "dir.npz").mkdir()
    with pytest.raises(errors.UsageError, match=message):
        saved(tmp_path, {"w": torch.ones(3)}).save(tmp_path / name)


def test_tensors_that_are_not_dense_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(errors.Unrepresentable, match=r"1 tensors are not plain: s \(sparse_coo\)"):
        saved(tmp_path, {"w": torch.ones(3), "s": torch.eye(3).to_sparse()}).save(tmp_path / "out.pth")


@pytest.mark.parametrize("name", ["a\0b", "../up", "/root", "w.npy"])
def test_names_that_npz_would_change_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(errors.Unrepresentable, match="cannot be a name"):
        saved(tmp_path, {"w": torch.ones(3), name: torch.ones(1)}).save(tmp_path / "out.npz")


MEASURE = """
import sys, pthway
pthway.open(sys.argv[1]).save(sys.argv[2])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)
"""
"""The peak of getrusage would begin with that of the process that starts this one."""


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["contiguous", "transposed", "compressed"])
def test_memory_stays_bounded(kind: str, ending: str, tmp_path: Path) -> None:
    block = torch.zeros(6000, 6000)
    block.view(-1)[::50] = torch.rand(720_000)  # zeros alone shrink as no weights do, and are refused as a bomb
    torch.save({"w": block.t() if kind != "contiguous" else block}, tmp_path / "in.pth")
    del block
    if kind == "compressed":
        repack(tmp_path / "in.pth")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "in.pth", tmp_path / f"out.{ending}"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100, "MB"


@pytest.mark.parametrize("ending", ENDINGS)
def test_large_tensors_of_any_strides_arrive_in_order(ending: str, tmp_path: Path) -> None:
    numbers = torch.arange(3_000_000, dtype=torch.int32)
    state = {
        "turned": numbers.view(1500, 2000).t(),
        "channels_last": numbers.view(1000, 30, 10, 10).contiguous(memory_format=torch.channels_last),
        "deep": numbers.view(3, 100, 10000).permute(2, 0, 1),
        "every third": numbers[::3],
        "long": torch.arange(5_000_000, dtype=torch.int64).view(2, -1).t(),
    }
    torch.save(state, tmp_path / "in.pth")
    pthway.open(tmp_path / "in.pth").save(tmp_path / f"out.{ending}")
    assert_equal(tmp_path / f"out.{ending}", state)


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    saved(tmp_path, {"w": torch.ones(200_000), "v": torch.ones(3)}).save(tmp_path / "out.npz", progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (800_012, 800_012) and seen == sorted(seen)


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_what_stands_beside_the_weights_goes_along_and_is_read_again(ending: str, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2))
    extras = {"epoch": 3, "best": float("-inf"), "classes": ["cat", "dög"], "args": argparse.Namespace(depth=2)}
    checkpoint = saved(tmp_path, {"state_dict": module.state_dict(), **extras})
    assert checkpoint.save(tmp_path / f"out{ending}").left_behind == ()
    again = pthway.open(tmp_path / f"out{ending}")
    assert {name: again.extras[name] for name in extras} == checkpoint.extras | {"best": "-inf"}
    (state,) = again.state_dicts
    assert state.metadata == module.state_dict()._metadata


def test_what_is_too_long_to_go_along_is_named(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, {"state_dict": {"w": torch.ones(2)}, "log": "x" * noted.KEPT_BYTES, "epoch": 3})
    written = checkpoint.save(tmp_path / "out.safetensors")
    assert written.left_behind == ("log",)
    assert pthway.open(written.path).extras["epoch"] == 3
    assert set(checkpoint.save(tmp_path / "out.npz").left_behind) == {"log", "epoch"}
    fits = saved(tmp_path, {"state_dict": {"w": torch.ones(2)}, "log": "x" * (noted.KEPT_BYTES - len('{"log": ""}'))})
    assert fits.save(tmp_path / "out.safetensors").left_behind == ()


def test_notes_of_another_program_under_our_keys_are_shown_as_they_are(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file({"w": torch.ones(2)}, tmp_path / "m.safetensors", {noted.EXTRAS: "{not json", noted.METADATA: "[1, 2]"})
    checkpoint = pthway.open(tmp_path / "m.safetensors")
    assert checkpoint.extras == {noted.EXTRAS: "{not json", noted.METADATA: "[1, 2]"}
    assert checkpoint.state_dicts[0].metadata is None
