"""What honest programs write: every format, element type and kind of tensor, and what they put beside the weights."""

import argparse
import bz2
import collections
import datetime
import gzip
import io
import json
import lzma
import pathlib
import pickle
import random
import types
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn
from torch.package import PackageExporter

from pthway import errors
from pthway.checkpoint.safety import Verdict
from tests.corpus.archives import TAR_STATE, torch_tar
from tests.corpus.build import FLOATS, Member, archive, mapping, program, state, storage, tensor, text, torch_zip
from tests.corpus.entry import Content, Entry, Read, Refused, file

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
DESCRIPTIVE = Verdict.DESCRIPTIVE


class Network(nn.Module):
    """Small, with a buffer, a tied weight and a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.again = nn.Linear(3, 2)
        self.again.weight = self.first.weight
        self.register_buffer("steps", torch.arange(2.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.first(x)) + self.again(x) + self.steps


SAVED = 9
"""Tensors in the state dict of a `Network`."""


def saved(value: Any, **options: Any) -> Content:
    def content(_folder: Path) -> bytes:
        stream = io.BytesIO()
        torch.save(value() if callable(value) else value, stream, **options)
        return stream.getvalue()

    return content


def old(value: Any) -> Content:
    return saved(value, _use_new_zipfile_serialization=False)


def by_path(value: Any) -> Callable[[Path], Path]:
    """Saved under its own name, which becomes the root folder."""

    def write(folder: Path) -> Path:
        torch.save(value, folder / "best_epoch_37.pth")
        return folder / "best_epoch_37.pth"

    return write


def scripted(**options: Any) -> Callable[[Path], Path]:
    """A TorchScript archive; *options* name the way it is saved."""

    def write(folder: Path) -> Path:
        path = folder / "net.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = torch.jit.trace(Network().eval(), torch.ones(1, 3))
            if options.get("mobile"):
                made._save_for_lite_interpreter(str(path), _use_flatbuffer=options["flat"])
            else:
                torch.jit.save(torch.jit.freeze(made) if options.get("frozen") else made, path)
        return path

    return write


def exported(folder: Path) -> Path:
    torch.export.save(torch.export.export(Network().eval(), (torch.ones(2, 3),)), folder / "net.pt2")
    return folder / "net.pt2"


def exported_before(folder: Path) -> bytes:
    records = {"serialized_exported_program.json": b"{}", "serialized_state_dict.pt": saved(STATE)(folder), "version": b"5.3"}  # type: ignore[operator]
    return archive([Member(name, content) for name, content in records.items()])


def packaged(folder: Path) -> Path:
    with PackageExporter(str(folder / "p.pt")) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", nn.Linear(3, 2))
        exporter.save_source_string("extra.code", "raise SystemExit('never imported')")
    return folder / "p.pt"


def sharded(kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        table = {}
        for number, (name, value) in enumerate(STATE.items()):
            table[name] = f"model-{number}.{kind}"
            if kind == "bin":
                torch.save({name: value}, folder / table[name])
            else:
                safetensors.torch.save_file({name: value}, folder / table[name])
        (folder / f"model.{kind}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": table}))
        return folder

    return write


def numpy_file(write: Callable[..., None], *values: Any, **named: Any) -> Content:
    def content(_folder: Path) -> bytes:
        stream = io.BytesIO()
        write(stream, *values, **named)
        return stream.getvalue()

    return content


def unzipped(folder: Path) -> Path:
    torch.save(STATE, folder / "net.pth")
    with zipfile.ZipFile(folder / "net.pth") as whole:
        whole.extractall(folder)
    return folder / "net"


def pickled(value: Callable[[], Any], protocol: int) -> Content:
    return lambda _folder: pickle.dumps(value(), protocol)


def packed(pack: Callable[[bytes], bytes], of: Content) -> Content:
    return lambda folder: pack(of if isinstance(of, bytes) else of(folder))


def of_type(name: str) -> dict[str, torch.Tensor]:
    content = torch.arange(64, dtype=torch.uint8) % (2 if name == "bool" else 64)
    return {"w": content.bool() if name == "bool" else content.view(getattr(torch, name))}


def quantized(per_channel: bool) -> torch.Tensor:
    values = torch.arange(6.0).reshape(2, 3)
    if per_channel:
        return torch.quantize_per_channel(values, torch.tensor([0.5, 0.25]), torch.tensor([0, 1]), 0, torch.qint8)
    return torch.quantize_per_tensor(values, 0.5, 3, torch.quint8)


def quietly(make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {"w": make()}

    return made


def of_version(**records: bytes | None) -> Content:
    """A torch zip with the records that a release wrote."""
    return torch_zip(state(), **records)


POINTER = "94340341200128"
LIGHTNING = {
    "epoch": 3, "global_step": 900, "pytorch-lightning_version": "2.4.0", "state_dict": STATE, "loops": {}, "callbacks": {},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}], "lr_schedulers": [], "hyper_parameters": {"width": 3},
}  # fmt: skip

TYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "uint64", "uint32", "uint16",
    "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip

KINDS: tuple[tuple[str, Callable[[], Any]], ...] = (
    ("sparse coo", lambda: torch.eye(3).to_sparse()),
    ("sparse csr", lambda: torch.eye(3).to_sparse_csr()),
    ("sparse csc", lambda: torch.eye(3).to_sparse_csc()),
    ("sparse bsr", lambda: torch.eye(4).to_sparse_bsr((2, 2))),
    ("quantised", lambda: quantized(False)),
    ("quantised by channel", lambda: quantized(True)),
    ("nested", lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])),
)

VIEWS: tuple[tuple[str, Any, int], ...] = (
    ("transposed", {"w": torch.arange(6.0).reshape(2, 3).t()}, 1),
    ("every second", {"w": torch.arange(12.0)[::2]}, 1),
    ("a part", {"w": torch.arange(12.0)[3:7]}, 1),
    ("expanded", {"w": torch.arange(3.0).expand(4, 3)}, 1),
    ("tied", {"a": STATE["a.weight"], "b": STATE["a.weight"]}, 2),
    ("channels last", {"w": torch.arange(16.0).reshape(1, 2, 2, 4).to(memory_format=torch.channels_last)}, 1),
    ("a number", {"w": torch.tensor(3.0)}, 1),
    ("nothing", {"w": torch.empty(0, 3), "b": torch.ones(1)}, 2),
    ("a parameter", {"w": nn.Parameter(torch.ones(2))}, 1),
    ("a frozen parameter", {"w": nn.Parameter(torch.ones(2), requires_grad=False)}, 1),
    ("a buffer", {"w": nn.Buffer(torch.ones(2))}, 1),
    ("needs a gradient", {"w": torch.ones(2, requires_grad=True)}, 1),
)

EXTRAS: tuple[tuple[str, Any, Verdict], ...] = (
    ("numpy number", np.float64(0.913), Verdict.PLAIN),
    ("numpy array", np.arange(3), Verdict.PLAIN),
    ("numpy random state", np.random.RandomState(0).get_state(), Verdict.PLAIN),
    ("python random state", random.Random(0).getstate(), Verdict.PLAIN),
    ("torch random state", torch.get_rng_state(), Verdict.PLAIN),
    ("namespace", argparse.Namespace(lr=0.1, name="run"), Verdict.PLAIN),
    ("simple namespace", types.SimpleNamespace(lr=0.1), Verdict.PLAIN),
    ("path", pathlib.PurePosixPath("/data/run"), Verdict.PLAIN),
    ("windows path", pathlib.PureWindowsPath("C:/data"), Verdict.PLAIN),
    ("date", datetime.datetime(2024, 1, 2, 3, 4), Verdict.PLAIN),
    ("date with a zone", datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), Verdict.PLAIN),
    ("time of day", datetime.time(3, 4), Verdict.PLAIN),
    ("deque", collections.deque([0.5, 0.25], 100), Verdict.PLAIN),
    ("numpy generator", np.random.default_rng(0), Verdict.PLAIN),
    ("numpy random state object", np.random.RandomState(0), Verdict.PLAIN),
    ("set", {1, 2}, Verdict.PLAIN),
    ("frozen set", frozenset((1, 2)), Verdict.PLAIN),
    ("counter", collections.Counter("abca"), Verdict.PLAIN),
    ("default dictionary", collections.defaultdict(list, a=[1]), Verdict.PLAIN),
    ("bytes", b"\0\1\xff", Verdict.PLAIN),
    ("bytearray", bytearray(b"ab"), Verdict.PLAIN),
    ("complex number", 1 + 2j, Verdict.PLAIN),
    ("long number", 2**200, Verdict.PLAIN),
    ("shape", torch.Size([2, 3]), Verdict.PLAIN),
    ("dtype", torch.float16, Verdict.PLAIN),
    ("device", torch.device("cuda:1"), Verdict.PLAIN),
    ("version of torch", torch.torch_version.TorchVersion("2.13.0"), DESCRIPTIVE),
    ("slice", slice(1, 2), Verdict.PLAIN),
    ("range", range(4), Verdict.PLAIN),
    ("None", None, Verdict.PLAIN),
    ("text in another alphabet", "модель 模型", Verdict.PLAIN),
)

ENTRIES = (
    Entry("zip", None, file(saved(STATE)), Read(2, says="2.7 or later")),
    Entry("zip under its own name", None, by_path(STATE), Read(2, says="2.7 or later")),
    Entry("zip, renamed", None, lambda folder: by_path(STATE)(folder).rename(folder / "m.pth"), Read(2, says="saved as +best_epoch_37")),
    Entry("zip of torch 2.1 to 2.6", None, file(of_version(**{".data/serialization_id": b"0123456789"})), Read(1, says="2.1 to 2.6")),
    Entry("zip of torch 1.9", None, file(of_version(byteorder=None)), Read(1, says="1.9 to 2.0")),
    Entry("zip of torch 1.6", None, file(torch_zip(program(mapping(("w", tensor(of=storage(text(POINTER)))))), {POINTER: FLOATS},
        byteorder=None)), Read(1, says=r"1\.4 to 1\.8")),
    Entry("legacy stream", None, file(old(STATE)), Read(2, says="legacy")),
    Entry("tar of torch 0.1.9", None, file(torch_tar(program(mapping(*TAR_STATE)))), Read(1, says=r"0\.1\.9 or earlier")),
    Entry("script", None, scripted(), Read(SAVED + 1, DESCRIPTIVE, says="TorchScript")),
    Entry("frozen script", None, scripted(frozen=True), Read(5, DESCRIPTIVE, says="frozen")),
    Entry("script for mobile", None, scripted(mobile=True, flat=False), Read(SAVED + 1, DESCRIPTIVE, says="PyTorch Mobile")),
    Entry("flatbuffer for mobile", 7, scripted(mobile=True, flat=True), Refused(errors.NotWeights, "Mobile")),
    Entry("exported program", None, exported, Read(SAVED, says=f"torch {torch.__version__.split('+')[0]}")),
    Entry("exported program of torch 2.1 to 2.7", None, file(exported_before), Read(2, says="2.1 to 2.7")),
    Entry("package", None, packaged, Read(2, DESCRIPTIVE, "torch.package under Python 3")),
    Entry("lightning", None, file(saved(LIGHTNING)), Read(2, says="pytorch-lightning_version: 2.4.0")),
    Entry("safetensors", None, file(lambda _: safetensors.torch.save(STATE)), Read(2)),
    Entry("shards of safetensors", None, sharded("safetensors"), Read(2, says="2 files")),
    Entry("shards of torch", None, sharded("bin"), Read(2, says="2 files")),
    Entry("npz", None, file(numpy_file(np.savez, w=np.ones(3))), Read(1)),
    Entry("npz, compressed", None, file(numpy_file(np.savez_compressed, w=np.ones(3))), Read(1)),
    Entry("npy", None, file(numpy_file(np.save, np.ones((2, 3)))), Read(1)),
    Entry("npy by columns", None, file(numpy_file(np.save, np.asfortranarray(np.ones((2, 3))))), Read(1)),
    Entry("unzipped", None, unzipped, Read(2, says="unzipped torch file")),
    Entry("gzip of a legacy stream", None, file(packed(gzip.compress, old(STATE))), Read(2, says="gzip")),
    Entry("bzip2 of a state dict", None, file(packed(bz2.compress, saved(STATE))), Read(2, says="bzip2")),
    Entry("xz of safetensors", None, file(packed(lzma.compress, lambda _: safetensors.torch.save(STATE))), Read(2, says="xz")),
    Entry("module", None, file(saved(Network)), Read(SAVED, DESCRIPTIVE, "pickled module of class")),
    Entry("module in a legacy stream", None, file(old(lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))), Read(7, DESCRIPTIVE)),
    Entry("state dict of a module", None, file(saved(lambda: Network().state_dict())), Read(SAVED)),
    *(Entry(f"module, pickled by protocol {protocol}", None, file(pickled(Network, protocol)), Read(SAVED, DESCRIPTIVE))
      for protocol in range(2, 6)),
    *(Entry(f"state dict, pickled by protocol {protocol}", None, file(pickled(lambda: STATE, protocol)), Read(2))
      for protocol in range(2, 6)),
    *(Entry(f"saved with protocol {protocol}", None, file(saved(STATE, pickle_protocol=protocol)), Read(2)) for protocol in range(2, 6)),
    *(Entry(f"type {name}", None, file(saved(lambda name=name: of_type(name))), Read(1, says=name)) for name in TYPES),
    *(Entry(f"kind {name}", None, file(saved(quietly(make))), Read(1)) for name, make in KINDS),
    *(Entry(f"view: {name}", None, file(saved(value)), Read(count)) for name, value, count in VIEWS),
    *(Entry(f"view in a legacy stream: {name}", None, file(old(value)), Read(count)) for name, value, count in VIEWS[:6]),
    *(Entry(f"beside: {name}", None, file(saved({**STATE, "extra": value})), Read(3 if name == "torch random state" else 2, verdict))
      for name, value, verdict in EXTRAS),
)  # fmt: skip
