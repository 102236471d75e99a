"""Small real files of every format that is read, each written by the program that owns the format.

python tests/fuzz/seeds.py FOLDER     # one file a seed, named FORMAT.NAME
"""

import bz2
import datetime
import gzip
import io
import json
import lzma
import pickle
import struct
import sys
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


class Numbered:
    """Stands for a tensor or storage that the pickle of a tar archive names by number."""

    def __init__(self, number: int) -> None:
        self.number = number


class TarPickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return str(obj.number) if isinstance(obj, Numbered) else None


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))


def training() -> dict[str, Any]:
    """What a training program saves: weights, averaged weights, the optimizer, and data of many classes."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 1, 3, 3)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "model_ema": OrderedDict((f"module.{name}", value) for name, value in model.state_dict().items()),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "best": np.float64(0.5),
        "history": np.arange(3.0),
        "config": {"path": Path("a/b"), "when": datetime.datetime(2026, 1, 1), "size": torch.Size([1, 2]), "set": {1, 2}, "z": 1j},
        "device": torch.device("cpu"),
        "dtype": torch.float32,
    }


def odd() -> dict[str, Any]:
    """Tensors of every kind."""
    base = torch.arange(24.0)
    return {
        "view": base.view(4, 6).t(),
        "tied": base[3:9],
        "expanded": torch.zeros(1).expand(100, 100),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(1, dtype=torch.int16),
        "boolean": torch.tensor([True, False]),
        "bfloat": torch.ones(3, dtype=torch.bfloat16),
        "eighth": torch.ones(3).to(torch.float8_e4m3fn),
        "conjugate": torch.tensor([1 + 2j, 3j]).conj(),
        "parameter": nn.Parameter(torch.ones(2)),
        "quantized": torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
        "sparse": torch.eye(3).to_sparse(),
        "rows": torch.eye(3).to_sparse_csr(),
        "meta": torch.empty(2, 3, device="meta"),
    }


def saved(value: object, **how: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **how)
    return stream.getvalue()


def repacked(content: bytes, **records: bytes) -> bytes:
    """A zip packed anew with deflate, some records replaced."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, records.get(name.rpartition("/")[2], old.read(name)))
    return stream.getvalue()


def tar() -> bytes:
    """The archive that torch 0.1.9 wrote, after ``torch.serialization._legacy_load``."""
    table, described, main = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pickle.dump(1, table, 2)
    pickle.dump((1, "cpu", torch.FloatStorage), table, 2)
    table.write(struct.pack("<q", 6) + np.arange(6, dtype="<f4").tobytes())
    pickle.dump([(2, 1, 1, 4)], table, 2)
    pickle.dump(2, described, 2)
    for key, storage in ((10, 1), (11, 2)):
        pickle.dump((key, storage, torch.FloatTensor), described, 2)
        described.write(struct.pack("<ii", 2, 0) + struct.pack("<5q", 2, 2, 2, 1, 0))
    TarPickler(main, 2).dump(OrderedDict(a=Numbered(10), b=Numbered(11)))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in {
            "sys_info": pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2),
            "pickle": main.getvalue(),
            "storages": table.getvalue(),
            "tensors": described.getvalue(),
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def safetensors() -> bytes:
    from safetensors.torch import save

    return save(network().state_dict() | {"b": torch.ones(2, dtype=torch.bfloat16)}, {"format": "pt", "note": "x"})


def packaged() -> bytes:
    stream = io.BytesIO()
    with torch.package.PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", dict(network().state_dict()))
        exporter.save_source_string("code", "x = 1\n")
    return stream.getvalue()


def scripted() -> Iterator[tuple[str, bytes]]:
    for name, module in (("script", torch.jit.script(network().eval())), ("frozen", torch.jit.freeze(torch.jit.script(network().eval())))):
        stream = io.BytesIO()
        torch.jit.save(module, stream)
        yield name, stream.getvalue()


def exported() -> bytes:
    stream = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 3), (torch.ones(1, 2),)), stream)
    return stream.getvalue()


def exported_older() -> bytes:
    """The archive of torch 2.1 to 2.7: a checkpoint inside a zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
        archive.writestr("serialized_state_dict.pt", saved(network().state_dict()))
        archive.writestr("version", "7.0")
    return stream.getvalue()


def arrays(save: Any, *values: Any, **named: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *values, **named)
    return stream.getvalue()


def served(weights: bytes) -> bytes:
    """An archive of TorchServe."""
    stream = io.BytesIO()
    told = {"model": {"modelName": "n", "serializedFile": "net.pth", "modelFile": "model.py", "handler": "h"}, "archiverVersion": "0.12.0"}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.pth", weights)
        archive.writestr("model.py", "class Net: ...")
        archive.writestr("index_to_name.json", '{"0": "a"}')
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(told))
    return stream.getvalue()


def index() -> bytes:
    """The index of two shards, ``one.safetensors`` and ``two.pth``, which hold the same names as *safetensors* and a network."""
    names = {"b": "one.safetensors"} | dict.fromkeys(network().state_dict(), "two.pth")
    return json.dumps({"metadata": {"total_size": 100}, "weight_map": names}).encode()


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name, which begins with the format and a dot, and content."""
    plain, old = saved(network().state_dict()), {"_use_new_zipfile_serialization": False}
    yield "zip.state", plain
    yield "zip.training", saved(training())
    yield "zip.odd", saved(odd())
    yield "zip.module", saved(network())
    yield "zip.deflated", repacked(plain)
    yield "zip.big", repacked(plain, byteorder=b"big")
    yield "legacy.state", saved(network().state_dict(), **old)
    yield "legacy.training", saved(training(), **old)
    yield "legacy.module", saved(network(), **old)
    yield "tar.state", tar()
    for name, content in scripted():
        yield f"torchscript.{name}", content
    yield "exported.new", exported()
    yield "exported.older", exported_older()
    yield "package.state", packaged()
    yield "safetensors.state", safetensors()
    values = {name: value.numpy() for name, value in network().state_dict().items()}
    yield "npz.stored", arrays(np.savez, **values)
    yield "npz.deflated", arrays(np.savez_compressed, **values, text=np.array(["a", "bc"]))
    yield "npy.fortran", arrays(np.save, np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    for protocol in (2, 4):
        yield f"pickle.state{protocol}", pickle.dumps(network().state_dict(), protocol)
    yield "pickle.module", pickle.dumps(network(), 5)
    for name, pack in (("gzip", gzip.compress), ("xz", lzma.compress), ("bzip2", bz2.compress)):
        yield f"{name}.zip", pack(plain)
    yield "gzip.legacy", gzip.compress(saved(network().state_dict(), **old))
    yield "torchserve.state", served(plain)
    yield "index.two", index()
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        yield "folder.state", archive.read("archive/data.pkl")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    warnings.simplefilter("ignore")
    for name, content in seeds():
        (folder / name).write_bytes(content)
