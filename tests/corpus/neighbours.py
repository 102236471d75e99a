"""Rows 78 to 87: formats beside torch's own, and what lies beside the weights."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np

from pthway import errors
from pthway.checkpoint.safety import Verdict
from tests.corpus.build import (
    FLOATS,
    Member,
    archive,
    call,
    label,
    legacy,
    mapping,
    mark,
    number,
    old_storage,
    program,
    safetensors,
    sequence,
    state,
    tensor,
    text,
    torch_zip,
)
from tests.corpus.entry import Content, Entry, Read, Refused, file, files
from tests.corpus.pickles import DESCRIPTIVE, RUNS

W = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
EVIL = b"import os\nos.system('touch mark')\n"


def broken(what: str) -> Refused:
    return Refused(errors.CorruptFile, what)


def script(body: bytes = b"", **records: bytes) -> bytes:
    """A TorchScript archive of one module with a parameter ``w``."""
    code = b'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n  w : Tensor\n' + body
    module = label("__torch__.Net") + b")\x81" + mapping(("w", tensor()), ("training", b"\x89")) + b"b"
    return torch_zip(program(module), **{"constants.pkl": program(b")"), "code/__torch__.py": code, **records})


def exported(weights: object, **records: bytes) -> bytes:
    """A .pt2 archive."""
    table = json.dumps({"config": weights}).encode()
    held = {
        "archive_format": b"pt2", "byteorder": b"little", "data/weights/model_weights_config.json": table, "data/weights/weight_0": FLOATS,
        "models/model.json": b'{"torch_version": "2.9.0"}', **records,
    }  # fmt: skip
    return archive([Member(f"m/{name}", content) for name, content in held.items()])


def served(weights: bytes | None = None, **records: bytes) -> bytes:
    """A TorchServe archive."""
    model = b'{"model": {"serializedFile": "net.pth", "handler": "serve.py", "modelFile": "model.py"}, "archiverVersion": "0.12.0"}'
    held = {"model.py": EVIL, "serve.py": EVIL, "net.pth": weights or SAFE, "MAR-INF/MANIFEST.json": model, **records}
    return archive([Member(name, content) for name, content in held.items()])


def weight(**changes: object) -> dict[str, object]:
    meta = {"dtype": 7, "sizes": [{"as_int": 4}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}, "requires_grad": False}
    return {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": meta, **changes}


def compiled() -> bytes:
    return archive([Member("m/archive_format", b"pt2"), Member("m/data/aotinductor/model/c1.wrapper.so", b"\x7fELF")])


def index(weight_map: object, **shards: bytes) -> dict[str, Content]:
    named = {name.replace("_", "."): content for name, content in shards.items()}
    return {"model.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": weight_map}).encode(), **named}


def npy(value: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(value), allow_pickle=True)
    return stream.getvalue()


def npz(**values: object) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, value in values.items():
            made.writestr(f"{name}.npy", npy(value))
    return stream.getvalue()


class Payload:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> object:
        return exec, (f"import os; os.mkdir({str(self.folder / 'mark')!r})",)


def distributed(folder: Path) -> bytes:
    return pickle.dumps(Payload(folder), 4)


def metadata(value: bytes) -> Content:
    """A state dict whose ``_metadata`` is this."""
    made = call("collections.OrderedDict") + b"(" + text("w") + tensor() + b"u" + mapping(("_metadata", value)) + b"b"
    return torch_zip(program(made))


def much_metadata(_folder: Path) -> bytes:
    first = text("m") + mapping(("version", number(1))) + b"q\x07"
    rest = b"".join(text(f"m.{index}") + b"h\x07" for index in range(150_000))
    return metadata(b"}(" + first + rest + b"u")  # type: ignore[return-value]


def sourced(source: str) -> bytes:
    """A legacy stream of a whole module, with the source text of its class."""
    kind = sequence(text("module"), label("shop.Net"), text("shop.py"), text(source)) + b"Q"
    held = mapping(("_parameters", mapping(("w", tensor(of=old_storage())))), ("_buffers", b"}"), ("_modules", b"}"))
    return legacy(program(kind + b")\x81" + held + b"b"))


def settings(key: str, name: str, value: str) -> bytes:
    """A checkpoint of weights and settings."""
    return torch_zip(program(mapping(("state_dict", mapping(("w", tensor()))), (key, mapping((name, text(value)))))))


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
SAFE = safetensors({"w": W}, bytes(8))

PLACES = (
    ("upwards", "../model-1.safetensors"), ("absolute", "/etc/passwd"), ("address", "https://example.org/x"), ("folder", ".."),
    ("backslash", "a\\b"), ("nothing", ""), ("terminal escape", "a\x1b[2J"), ("number", 7),
)  # fmt: skip

HEADERS: tuple[tuple[str, bytes, Refused], ...] = (
    ("header longer than the file", safetensors(b"{}", length=90), Refused(errors.TruncatedFile, "header alone")),
    ("header of 2**40 bytes", safetensors(b"{}", length=2**40), Refused(errors.LimitExceeded, "header of 1,099")),
    ("header of 2**63 bytes", safetensors(b"{}", length=2**63), Refused(errors.LimitExceeded, "header of 9,223")),
    ("header that is a list", safetensors(b"[]"), Refused(errors.NotWeights, "")),
    ("header that is no json", safetensors(b"{]"), broken("no JSON")),
    ("deep json", safetensors(b'{"a":' + b"[" * 100_000), broken("no JSON")),
    ("name twice", safetensors(b'{"a":1,"a":1}'), broken("twice")),
    ("digits", safetensors(b'{"a":' + b"9" * 10_000 + b"}"), broken("no JSON")),
    ("lists", safetensors(b'{"a":[' + b"[]," * 2_100_000 + b"[]]}"), Refused(errors.LimitExceeded, "millions")),
    ("gap", safetensors({"a": W, "b": {**W, "data_offsets": [9, 17]}}, bytes(17)), broken("a gap")),
    ("overlap", safetensors({"a": W, "b": {**W, "data_offsets": [4, 12]}}, bytes(12)), broken("an overlap")),
    ("more behind", safetensors({"a": W}, bytes(9)), broken("goes on for 1 bytes")),
    ("less behind", safetensors({"a": W}, bytes(7)), Refused(errors.TruncatedFile, "1 are missing")),
    ("wrong product", safetensors({"a": {**W, "shape": [3]}}, bytes(8)), broken("type and shape need 12")),
    ("offsets reversed", safetensors({"a": {**W, "data_offsets": [8, 0]}}, bytes(8)), broken("type and shape need")),
    ("shape of 2**124", safetensors({"a": {**W, "shape": [2**62, 2**62]}}, bytes(8)), broken("type and shape need")),
    ("type that is none", safetensors({"a": {**W, "dtype": "F4"}}, bytes(8)), Refused(errors.UnreadableFile, "element type 'F4'")),
    ("metadata of numbers", safetensors({"__metadata__": {"a": 1}}), broken("not texts")),
)  # fmt: skip

ENTRIES = (
    Entry("script with hostile code", 78, file(script(b"  def forward(self):\n    return ops.aten.system('touch mark')\n")), Read(1,
        DESCRIPTIVE)),
    Entry("script with python in its code", 78, file(script(**{"code/evil.py": EVIL})), Read(1, DESCRIPTIVE, "touch mark")),
    Entry("script with a hostile pickle", 78, file(lambda f: script(**{"constants.pkl": program(mark(f) + b"0)")})), Read(1, RUNS,
        "mkdir")),
    Entry("script with terminal escapes", 78, file(script(b"  # \x1b[2J\n")), Read(1, DESCRIPTIVE, r"\\x1b\[2J|code/")),
    Entry("script of a version to come", 29, file(script(version=b"99")), broken("version")),
    Entry("exported, hostile sample inputs", 79, file(lambda f: exported({"w": weight()}, **{"data/sample_inputs/model.pt":
        torch_zip(program(mark(f)))})), Read(1, says="sample inputs are a pickle, and are not read")),
    Entry("exported, hostile weight", 79, file(lambda f: exported({"w": weight(), "x": weight(use_pickle=True, path_name="weight_1")},
        **{"data/weights/weight_1": torch_zip(program(mark(f)))})), Read(1, says="not read: x")),
    Entry("exported, with machine code", 79, file(exported({"w": weight()}, **{"data/aotinductor/model/c1.wrapper.so": b"\x7fELF"})),
        Read(1, says="machine code of AOTInductor for model, which is not loaded")),
    Entry("compiled", 79, file(compiled()), Refused(errors.NotWeights, "compiled program of AOTInductor for model")),
    Entry("exported, record elsewhere", 79, file(exported({"w": weight(path_name="../../../etc")})), broken("lacks the record")),
    Entry("exported, table that is none", 79, file(exported([])), broken("no table")),
    Entry("archive of TorchServe with hostile code", None, file(served()), Read(1, says=r"handler 'serve\.py', its own code.*never does")),
    Entry("archive of TorchServe, hostile weights", None, file(lambda f: served(torch_zip(program(mark(f) + b"0}")))), Read(0, RUNS)),
    Entry("archive of TorchServe in itself", None, file(served(served())), Refused(errors.NotWeights, "an archive themselves")),
    Entry("archive of TorchServe, weights elsewhere", None, file(served(**{"MAR-INF/MANIFEST.json":
        b'{"model": {"serializedFile": "../../etc/passwd"}}'})), broken("lacks the record")),
    Entry("archive of TorchServe, manifest of nothing", None, file(served(**{"MAR-INF/MANIFEST.json": b"7"})), broken("tells of no model")),
    Entry("archive of TorchServe, deep manifest", None, file(served(**{"MAR-INF/MANIFEST.json": b"[" * 10**5})), broken("no JSON")),
    Entry("folder of DCP, hostile", 80, files({".metadata": distributed, "__0_0.distcp": FLOATS}), Refused(errors.NotWeights,
        "dcp_to_torch")),
    Entry("metadata of DCP, hostile", 80, files({".metadata": distributed, "__0_0.distcp": FLOATS}, ".metadata"),
        Read(0, RUNS, r"builtins\.exec"), live=True),
    Entry("folder of DeepSpeed", None, files({"latest": b"global_step5", "zero_to_fp32.py": EVIL}), Refused(errors.NotWeights,
        "zero_to_fp32")),
    Entry("folder of DeepSpeed's ranks", None, files({"mp_rank_00_model_states.pt": torch_zip(state())}), Refused(errors.NotWeights,
        "DeepSpeed")),
    Entry("folder of a SavedModel", None, files({"saved_model.pb": b"\x08\x01"}), Refused(errors.NotWeights, "SavedModel")),
    Entry("folder of one checkpoint", None, files({"best.pth": torch_zip(state())}), Refused(errors.NotWeights, r"best\.pth")),
    *(Entry(f"shard: {name}", 81, files(index({"w": place})), broken("beside their index|no text")) for name, place in PLACES),
    Entry("shard missing", 81, files(index({"w": "model-1.safetensors"})), Refused(errors.MissingFile, r"model-1\.safetensors")),
    Entry("shard is the index", 81, files(index({"w": "model.safetensors.index.json"})), broken("JSON itself")),
    Entry("shard is a link to a device", 81, lambda f: ((f / "m").symlink_to("/dev/zero"), files(index({"w": "m"}))(f))[1],
        Refused(errors.NotWeights, "device")),
    Entry("shard is an archive of numpy", 81, files({**index({"w": "m"}), "m": npz(w=[1.0])}), Refused(errors.NotWeights,
        "named as a shard")),
    Entry("shard without the tensor", 81, files({**index({"w": "m", "x": "m"}), "m": SAFE}), broken("'x'.*which it does not")),
    Entry("index without a table", 81, files(index([])), broken("no table weight_map")),
    Entry("shards that are honest", None, files({**index({"w": "m"}), "m": SAFE}), Read(1, says="sharded checkpoint")),
    Entry("shard that would run code", 81, files({**index({"w": "m"}), "m": lambda f: torch_zip(state(("x", mark(f))))}), Read(1, RUNS,
        "mkdir")),
    *(Entry(f"safetensors: {name}", 82, file(content, "model.safetensors"), answer) for name, content, answer in HEADERS),
    Entry("npz of objects", 83, file(npz(w=np.array([{}, 1], object))), Refused(errors.UnreadableFile, "holds Python objects")),
    Entry("npy of objects", 83, file(lambda f: npy(np.array([Payload(f), 1], object))), Refused(errors.UnreadableFile, "Python objects")),
    Entry("npy of records", 83, file(npy(np.zeros(2, [("a", "f4"), ("b", "i4")]))), Refused(errors.UnreadableFile, "several fields")),
    Entry("npy of texts", 83, file(npy(np.array(["a", "b"]))), Refused(errors.NotWeights, "of type <U1")),
    Entry("npy, big-endian", None, file(npy(np.ones(2, ">f4"))), Refused(errors.UnreadableFile, "big-endian")),
    Entry("_target_ of Hydra", 84, file(settings("cfg", "_target_", "os.system")), Read(1, says=r"_target_.*os\.system")),
    Entry("_instantiator of Lightning", 84, file(settings("hyper_parameters", "_instantiator", "shop.make")),
        Read(1, says=r"_instantiator.*shop\.make")),
    Entry("auto_map beside the weights", 84, files({"config.json": b'{"auto_map": {"AutoModel": "evil.Net"}, "trust_remote_code": true}',
        "evil.py": EVIL, **index({"w": "m"}), "m": SAFE}), Read(1)),
    Entry("configuration for the weights", 84, file(b'{"auto_map": {"AutoModel": "evil.Net"}}', "config.json"),
        Refused(errors.NotWeights, "JSON text")),
    Entry("_metadata that is a number", 85, file(metadata(number(7))), Read(1, says="_metadata")),
    Entry("_metadata that is a list", 85, file(metadata(b"](NNe")), Read(1, says="_metadata")),
    Entry("_metadata that holds itself", 85, file(metadata(b"}q\x64(" + text("a") + b"h\x64u")), Read(1)),
    Entry("_metadata of 150,000 entries", 85, file(much_metadata), Read(1, says="_metadata"), heavy=True),
    Entry("source with terminal escapes", 86, file(sourced("class Net:\n    '''\x1b[2J'''\n")), Read(1, Verdict.DESCRIPTIVE, r"shop\.Net")),
    Entry("source that would run", 86, file(sourced(EVIL.decode())), Read(1, Verdict.DESCRIPTIVE)),
    Entry("yaml bomb beside the weights", 87, files({"config.yaml": BOMB, "model.pth": torch_zip(state())}, "model.pth"), Read(1)),
    Entry("yaml bomb as the weights", 87, file(BOMB, "config.yaml"), Refused(errors.NotWeights, "is text")),
    Entry("deep json beside the shards", 87, files({"config.json": b"[" * 10**5, **index({"w": "m"}), "m": SAFE}), Read(1)),
    Entry("deep json as the index", 87, file(b'{"weight_map": ' + b"[" * 10**5, "m.index.json"), broken("no JSON")),
)  # fmt: skip
