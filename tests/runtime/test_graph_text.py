"""The text of an exported graph is read by torch, which evaluates and looks up what it says: only graphs get that far."""

import json
import operator
import shutil

import pytest
import torch
from torch.export import Dim
from torch.export.pt2_archive import PT2ArchiveReader, PT2ArchiveWriter

import pthway
from pthway.bundle.folder import Bundle
from pthway.errors import BundleRefused
from pthway.runtime.exported import MODEL, loaded
from pthway.runtime.graph_text import checked


@pytest.fixture(scope="module")
def graph(packed):
    """The text of a real graph, with sizes that are computed from others."""
    return PT2ArchiveReader(str(packed.bundle("UNet").file("model.pt2"))).read_bytes(MODEL)


def changed(graph, change):
    tree = json.loads(graph)
    change(tree)
    return json.dumps(tree).encode()


def node(tree, index=0):
    return tree["graph_module"]["graph"]["nodes"][index]


def call(target):
    return lambda tree: node(tree).update(target=target)


def size(text):
    def change(tree):
        values = tree["graph_module"]["graph"]["tensor_values"]
        sizes = next(size for value in values.values() for size in value["sizes"] if "as_expr" in size)
        sizes["as_expr"]["expr_str"] = text

    return change


def spec(text):
    return lambda tree: tree["graph_module"]["module_call_graph"][0]["signature"].update(in_spec=text)


def test_a_real_graph_is_let_through_and_names_its_parameters(graph, packed):
    names = {f"module.{name}" for name, _ in packed.module("UNet").named_parameters()}
    assert checked(graph, "model.pt2") == names


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (call("torch.os.system"), "calls 'torch.os.system'"),
        (call("torch.hub.load"), "calls"),
        (call("torch.ops.load_library"), "calls"),
        (call("torch.ops.load_library.__call__"), "calls"),
        (call("torch.ops.aten.__class__.x"), "calls"),
        (call("torch.ops.aten.from_file.default"), "calls"),
        (call("_operator.methodcaller"), "calls"),
        (call("#custom:op"), "calls"),
        (lambda tree: node(tree)["inputs"][0].update(arg={"as_operator": "torch.os.system"}), "calls"),
        (size("__import__('os').system('true')"), "has the size"),
        (size("open('s1')"), "has the size"),
        (size("Symbol('s0').__class__"), "has the size"),
        (size("Symbol('s0')[0]"), "has the size"),
        (size(3), "has the size"),
        (spec('[1, {"type": "collections.defaultdict", "context": "[\\"os\\", \\"system\\"]", "children_spec": []}]'), "nests"),
        (spec("nonsense"), "nests"),
        (lambda tree: tree.update(guards_code=["print(1)"]), "Python code of its own"),
    ],
)
def test_what_is_more_than_a_graph_is_refused(graph, change, said):
    with pytest.raises(BundleRefused, match=said):
        checked(changed(graph, change), "model.pt2")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000])
def test_what_is_no_graph_is_refused(text):
    with pytest.raises(BundleRefused, match=r"model\.pt2 is no"):
        checked(text, "model.pt2")


def test_every_size_that_torch_writes_is_taken(tmp_path):
    """Floors, products, maxima: the expressions of real layers."""

    class Sizes(torch.nn.Module):
        def forward(self, x):
            half = x[:, : x.shape[1] // 2]
            pooled = torch.nn.functional.avg_pool1d(x[:, None], 3, 2, ceil_mode=True)
            return torch.nn.functional.pad(half, (0, operator.mod(x.shape[1], 3))), torch.cat([x, half], 1).repeat(1, 2), pooled

    model = pthway.wrap(Sizes(), example=torch.randn(2, 12))
    made = torch.export.export(Sizes(), (torch.randn(3, 12),), dynamic_shapes={"x": {0: Dim.AUTO, 1: Dim.AUTO}})
    shapes = [str(node.meta["val"].shape) for node in made.graph.nodes if isinstance(node.meta.get("val"), torch.Tensor)]
    assert any("//" in shape for shape in shapes)
    bundle = pthway.pack(model, tmp_path / "sizes.bundle", programs=["exported"])
    assert pthway.open_session(bundle, runtime="exported").run({"x": torch.randn(4, 12).numpy()})


def test_an_archive_holds_the_graph_alone(packed):
    """No weights, no pickles, no examples; not even lines of the user's source."""
    archive = PT2ArchiveReader(str(packed.bundle("UNet").file("model.pt2")))
    names = [name for name in archive.get_file_names() if not name.startswith(".data/")]
    assert set(names) <= {MODEL, "archive_format", "archive_version", "byteorder"}
    text = archive.read_bytes(MODEL)
    assert b"networks.py" not in text and b"stack_trace" not in text


def test_a_pickle_in_the_archive_is_not_opened(packed, tmp_path):
    folder = tmp_path / "x.bundle"
    bundle = packed.bundle("UNet")
    shutil.copytree(bundle.folder, folder)
    text = PT2ArchiveReader(str(bundle.file("model.pt2"))).read_bytes(MODEL)
    with PT2ArchiveWriter(str(folder / "model.pt2")) as archive:
        archive.write_bytes(MODEL, text)
        archive.write_bytes("data/sample_inputs/model.pt", b"cos\nsystem\n(S'exit 1'\ntR.")
        archive.write_bytes("data/weights/model.pt", b"cos\nsystem\n(S'exit 1'\ntR.")
    changed_bundle = Bundle(folder, folder, bundle.manifest)
    program = next(each for each in bundle.manifest.programs if each.runtime == "exported")
    assert loaded(changed_bundle, program).example_inputs is None


def test_what_is_no_archive_and_what_lacks_a_weight_are_refused(packed, tmp_path):
    folder = tmp_path / "x.bundle"
    bundle = packed.bundle("UNet")
    shutil.copytree(bundle.folder, folder)
    program = next(each for each in bundle.manifest.programs if each.runtime == "exported")
    shutil.copy(packed.bundle("Mlp").file("weights.safetensors"), folder / "weights.safetensors")
    with pytest.raises(BundleRefused, match=r"torch 2\S+ does not read model\.pt2"):
        loaded(Bundle(folder, folder, bundle.manifest), program)
    (folder / "model.pt2").write_bytes(b"no archive")
    with pytest.raises(BundleRefused, match=r"model\.pt2 is no archive of torch\.export"):
        loaded(Bundle(folder, folder, bundle.manifest), program)
