"""Bare pickles and the tar archives of the first torch: the oracles are pickle.load and torch.load."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pthway import errors
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.torch_tensors import tensors
from pthway.formats import open_container


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def same(path: Path, wanted: dict[str, torch.Tensor]) -> None:
    checkpoint = open_checkpoint(path)
    read = tensors(checkpoint.container, checkpoint.choose().tensors)
    assert list(read) == list(wanted)
    for name, value in wanted.items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value), name


def network() -> nn.Module:
    made = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 4, dtype=torch.bfloat16))
    return made.eval()


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickled_module_gives_up_its_state_dict(protocol: int, tmp_path: Path) -> None:
    module = network()
    path = write(tmp_path / "m.pkl", pickle.dumps(module, protocol))
    same(path, module.state_dict())
    assert open_checkpoint(path).safety.verdict is Verdict.DESCRIPTIVE


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickled_state_dict_is_read_with_its_views(protocol: int, tmp_path: Path) -> None:
    base = torch.arange(12.0)
    state = {"a": base.reshape(3, 4).t(), "b": base[2:5], "c": torch.ones(3, dtype=torch.complex64)}
    path = write(tmp_path / "m.pkl", pickle.dumps(state, protocol))
    same(path, pickle.loads(pickle.dumps(state, protocol)))
    assert open_checkpoint(path).safety.verdict is Verdict.PLAIN


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def nest(content: bytes) -> Any:
    """An object whose pickle hands *content* to torch's loader of storages."""

    class Nested:
        def __reduce__(self) -> Any:
            return torch.storage._load_from_bytes, (content,)

    return Nested()


def legacy(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


@pytest.mark.parametrize(
    "wrap", [lambda p: p, lambda p: nest(pickle.dumps(p)), lambda p: nest(legacy(p)), lambda p: nest(legacy(nest(legacy(p))))]
)
def test_a_payload_is_named_however_deep_it_lies_and_is_not_run(wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    content = pickle.dumps({"w": torch.ones(2), "x": wrap(Payload(mark))})
    checkpoint = open_checkpoint(write(tmp_path / "m.pkl", content))
    assert checkpoint.safety.verdict is Verdict.RUNS_CODE
    assert any(call.target == "posix.mkdir" for call in checkpoint.safety.calls)
    assert not mark.exists()
    assert torch.from_numpy(checkpoint["w"].numpy().copy()).equal(torch.ones(2))


@pytest.mark.parametrize("protocol", [0, 1])
def test_an_object_that_would_be_made_by_its_base_is_a_call(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps(network(), protocol)
    assert content.count(b"c__builtin__\nobject\n") == 1
    hostile = content.replace(b"c__builtin__\nobject\n", b"csubprocess\nPopen\n")
    checkpoint = open_checkpoint(write(tmp_path / "m.pkl", hostile))
    assert checkpoint.safety.verdict is Verdict.RUNS_CODE
    assert {call.target for call in checkpoint.safety.calls} == {"copyreg._reconstructor"}


def test_the_payload_is_live_under_pickle(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


def test_nesting_is_bounded(tmp_path: Path) -> None:
    value: Any = torch.ones(2)
    for _ in range(6):
        value = nest(legacy(value))
    with pytest.raises(errors.CorruptFile, match="nested more than 4 deep"):
        open_container(write(tmp_path / "m.pkl", pickle.dumps(value)))


def test_one_nested_file_loaded_again_and_again_is_refused(tmp_path: Path) -> None:
    content = legacy(torch.ones(2).storage())
    load = b"ctorch.storage\n_load_from_bytes\nq\x01" + b"B" + struct.pack("<I", len(content)) + content + b"q\x02"
    again = b"h\x01h\x02\x85R0" * 1000
    with pytest.raises(errors.CorruptFile, match="again and again"):
        open_container(write(tmp_path / "m.pkl", b"\x80\x03" + load + b"00" + again + b"N."))


def test_a_pickle_without_tensors_is_no_weights_file(tmp_path: Path) -> None:
    with pytest.raises(errors.NotWeights, match=r"a Python pickle \(protocol 4\) without tensors"):
        open_container(write(tmp_path / "m.pkl", pickle.dumps({"a": [1, 2]}, 4)))


def test_every_prefix_of_a_pickle_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps({"w": torch.ones(2)}, 4)
    for length in range(len(content)):
        with pytest.raises(errors.UnreadableFile):
            open_container(write(tmp_path / "m.pkl", content[:length]))


@pytest.mark.parametrize("first", [legacy({"w": torch.ones(2)}), pickle.dumps({"w": torch.ones(2)})])
def test_a_zip_behind_another_format_is_refused_with_both_named(first: bytes, tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"w": torch.zeros(2)}, stream)
    path = write(tmp_path / "m.pth", first + stream.getvalue())
    assert zipfile.is_zipfile(path)
    with pytest.raises(errors.CorruptFile, match=r"two files in one: (torch legacy stream|bare pickle) .* zip archive from its end"):
        open_container(path)


class Numbered:
    """Stands for a tensor or storage that the pickle names by number."""

    def __init__(self, number: int) -> None:
        self.number = number


class TarPickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return str(obj.number) if isinstance(obj, Numbered) else None


def tar(
    saved: object,
    storages: dict[int, torch.Tensor],
    held: dict[int, tuple[int, tuple[int, ...], tuple[int, ...], int]],
    views: list[tuple[int, int, int, int]] | None = None,
) -> bytes:
    """The archive that torch 0.1.9 wrote, after ``torch.serialization._legacy_load``."""
    table = io.BytesIO()
    pickle.dump(len(storages), table, 2)
    for key, flat in storages.items():
        pickle.dump((key, "cpu", getattr(torch, f"{ {torch.float32: 'Float', torch.int64: 'Long'}[flat.dtype] }Storage")), table, 2)
        table.write(struct.pack("<q", flat.numel()) + flat.numpy().tobytes())
    pickle.dump(views or [], table, 2)
    described = io.BytesIO()
    pickle.dump(len(held), described, 2)
    for key, (storage, shape, stride, offset) in held.items():
        pickle.dump((key, storage, torch.FloatTensor), described, 2)
        described.write(struct.pack("<ii", len(shape), 0) + struct.pack(f"<{2 * len(shape) + 1}q", *shape, *stride, offset))
    main = io.BytesIO()
    TarPickler(main, 2).dump(saved)
    members = {
        "sys_info": pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2),
        "pickle": main.getvalue(),
        "storages": table.getvalue(),
        "tensors": described.getvalue(),
    }
    return packed(members)


def packed(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type = len(content), kind
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


OLD = tar(
    OrderedDict(a=Numbered(10), b=Numbered(11), c=Numbered(12)),
    {1: torch.arange(12.0), 2: torch.arange(4)},
    {10: (1, (4, 3), (1, 4), 0), 11: (2, (4,), (1,), 0), 12: (3, (2,), (1,), 1)},
    [(3, 1, 5, 4)],
)


def test_a_tar_archive_of_the_first_torch_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pth", OLD)
    wanted = torch.load(path, weights_only=False)
    assert wanted["c"].tolist() == [6.0, 7.0]
    same(path, wanted)
    assert "0.1.9 or earlier" in open_container(path).parts.written_by


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(errors.CorruptFile, match="a link, a device"):
        open_container(write(tmp_path / "m.pth", packed({"storages": b""}, kind)))


def test_another_tar_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.NotWeights, match=r"a tar archive, but not of weights: it holds notes\.txt"):
        open_container(write(tmp_path / "m.tar", packed({"notes.txt": b"hello"})))


def test_a_cut_or_changed_tar_is_refused(tmp_path: Path) -> None:
    whole = len(OLD.rstrip(b"\0"))
    for length in range(0, whole, 53):
        with pytest.raises(errors.UnreadableFile):
            open_container(write(tmp_path / "m.pth", OLD[:length]))
    for bit in range(0, 8 * whole, 31):
        flipped = bytearray(OLD)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            open_checkpoint(write(tmp_path / "m.pth", bytes(flipped)))
        except errors.PthwayError:
            continue
