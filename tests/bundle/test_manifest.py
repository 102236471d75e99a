"""The manifest: every field known, of its kind, named when it is not, and none of them contradicting another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pthway.bundle import manifest, open_bundle
from pthway.bundle.manifest import Architecture, Difference, Manifest, Program
from pthway.errors import BundleRefused
from pthway.signature import Input, Limit, Output, Signature
from tests.bundle import made

TEXT = st.text(max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
LIMIT = st.builds(Limit, st.integers(0, 99), st.none() | st.integers(0, 999), st.integers(1, 64))
INPUT = st.builds(
    lambda size, limit, vocabulary, because: Input("x", ("batch", size, "length"), "float32", {2: limit}, vocabulary, because),
    st.integers(0, 9), LIMIT, st.none() | st.integers(1, 9), TEXT,
)  # fmt: skip


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    signature = Signature((draw(INPUT),), (Output("y", ("batch", draw(st.integers(0, 9))), "float32"),), (draw(TEXT),))
    program = Program(
        runtime="eager",
        file=None,
        difference=Difference(absolute=draw(st.floats(0, 1e300)), relative=draw(st.floats(0, 1))),
        milliseconds=draw(st.dictionaries(st.integers(1, 64), st.floats(1e-6, 1e6), min_size=1, max_size=3)),
        dynamic=("batch",),
        made_by=draw(TEXT),
        notes=(draw(TEXT),),
    )
    told = made.described(
        description=draw(TEXT),
        licence=draw(TEXT),
        signature=signature,
        labels=draw(st.none() | st.lists(TEXT, max_size=3).map(tuple)),
        architecture=Architecture(reference="m.py:N", arguments=draw(st.dictionaries(TEXT, PLAIN, max_size=3)), source=draw(st.booleans())),
        programs=(program,),
    )
    return manifest.replaced(told, golden=manifest.replaced(told.golden, tolerances={"y": made.LOOSE}))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifests())
def test_a_manifest_survives_being_written_and_read(told: Manifest) -> None:
    assert manifest.decode(manifest.encode(told), "here") == told


def fields_of(told: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all objects in the manifest whose keys the format fixes."""
    free = {("files",), ("fixed",), ("functions",), ("milliseconds",), ("tolerances",), ("packages",), ("limits",)}
    found = [path] if isinstance(told, dict) and (not path or (path[-1],) not in free) else []
    entries = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    return found + [each for key, entry in entries for each in fields_of(entry, (*path, key))]


def at(told: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        told = told[key]
    return told


def refused(folder: Path, match: str) -> BundleRefused:
    with pytest.raises(BundleRefused, match=match) as caught:
        open_bundle(folder)
    assert caught.value.why
    assert caught.value.fix
    return caught.value


def test_an_unknown_field_anywhere_is_named(folder: Path) -> None:
    whole = made.read(folder)
    for path in fields_of(whole):
        told = made.read(folder)
        at(told, path)["surprise"] = 1
        with pytest.raises(BundleRefused, match="surprise"):
            manifest.decode(made.encoded(told), "here")


DEFAULTED = {
    "limits",
    "vocabulary",
    "because",
    "notes",
    "requires",
    "keeps_nan",
    "fixed",
    "one_thread",
    "kind",
    "top",
    "threshold",
    "outputs",
}
"""Fields that a reader of the format may find absent."""


def test_a_missing_field_anywhere_is_named(folder: Path) -> None:
    for path in fields_of(made.read(folder)):
        for name in at(made.read(folder), path):
            if name in DEFAULTED and path:
                continue
            told = made.read(folder)
            del at(told, path)[name]
            with pytest.raises(BundleRefused, match=name if path else f"{name}|field"):
                manifest.decode(made.encoded(told), "here")


def test_a_field_of_another_kind_anywhere_is_named(folder: Path) -> None:
    for path in fields_of(made.read(folder)):
        for name in at(made.read(folder), path):
            told = made.read(folder)
            at(told, path)[name] = {"of": [{"another": "kind"}]}
            with pytest.raises(BundleRefused, match=name if path else f"{name}|field"):
                manifest.decode(made.encoded(told), "here")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda told: told.update(name="../up"), r"\$\.name"),
        (lambda told: told.update(name="line\n"), r"\$\.name"),
        (lambda told: told.update(version=""), r"\$\.version"),
        (lambda told: told["files"]["model.onnx"].update(sha256="0" * 63), "sha256"),
        (lambda told: told["files"]["model.onnx"].update(sha256="0" * 64 + "\n"), "sha256"),
        (lambda told: told["files"]["model.onnx"].update(size=-1), "size"),
        (lambda told: told["golden"].update(records=[]), "golden.records is empty"),
        (lambda told: told["golden"].update(records=["1", "1"]), "golden.records names '1' twice"),
        (lambda told: told["golden"].update(tolerances={}), "golden.tolerances are not those of the outputs"),
        (lambda told: told["golden"]["tolerances"]["y"].update(absolute=-1.0), "absolute"),
        (lambda told: told.update(programs=[]), "programs is empty"),
        (lambda told: told["programs"][0].update(milliseconds={"0": 1.0}), "milliseconds"),
        (lambda told: told["programs"][0].update(milliseconds={"1": 0.0}), "milliseconds"),
        (lambda told: told["programs"][0].update(milliseconds={}), "was not measured"),
        (lambda told: told["programs"][0].update(runtime="wasm"), "runtime"),
        (lambda told: told["programs"][0].update(runtime="eager", file=None), "eager needs a file or an architecture"),
        (lambda told: told["programs"][0].update(file="../other/model.onnx"), "which is not among the files"),
        (lambda told: told["signature"].update(inputs=[]), "signature.inputs is empty"),
        (lambda told: told["signature"].update(outputs=[]), "signature.outputs is empty"),
        (lambda told: told["signature"]["inputs"].append(told["signature"]["inputs"][0]), "signature.inputs names 'x' twice"),
        (lambda told: told["signature"]["inputs"][0].update(shape=[1, 4]), "x has no dimension 'batch'"),
        (lambda told: told["signature"]["inputs"][0].update(shape=None), "x has the shape None"),
        (lambda told: told["signature"]["inputs"][0].update(shape=["batch", -4]), "x has the shape"),
        (lambda told: told["signature"]["inputs"][0].update(shape=["batch"] * 33), "x has the shape"),
        (lambda told: told["signature"]["inputs"][0].update(dtype="object"), "x has the type 'object'"),
        (lambda told: told["signature"]["inputs"][0].update(limits={"7": {"low": 1, "high": 2, "multiple": 1}}), "limit of a dimension"),
        (lambda told: told["signature"]["inputs"][0].update(limits={"1": {"low": 1, "high": 2, "multiple": 0}}), "multiple"),
        (lambda told: told["signature"]["inputs"][0].update(vocabulary=0), "vocabulary"),
        (lambda told: told["reading"].update(top=0), "reading"),
    ],
)  # fmt: skip
def test_what_no_manifest_says_is_refused(folder: Path, change: Callable[[dict[str, Any]], object], match: str) -> None:
    made.edit(folder, change)
    refused(folder, match)


def test_arguments_nested_without_end_are_refused(folder: Path) -> None:
    deep: Any = 1
    for _ in range(31):
        deep = [deep]
    made.edit(folder, lambda told: told.update(architecture={"reference": "m:N", "arguments": {"a": deep}, "source": False}))
    refused(folder, "architecture.arguments are nested more than 32 deep")


def test_arguments_nested_to_the_limit_are_read(folder: Path) -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    made.edit(
        folder, lambda told: told.update(architecture={"reference": "m:N", "arguments": {"a": deep}, "source": False, "requires": []})
    )
    assert open_bundle(folder).manifest.architecture is not None


@pytest.mark.parametrize("data", [b"[" * 1_000_000, b'{"format": 1, "labels": ' + b"[" * 100_000, b"", b"\xff\xfe", b"null", b"{}"])
def test_what_is_no_manifest_is_refused(folder: Path, data: bytes) -> None:
    made.rewrite(folder, data)
    refused(folder, r"manifest\.json")


def test_a_name_that_stands_twice_is_refused(folder: Path) -> None:
    data = (folder / manifest.NAME).read_bytes()
    made.rewrite(folder, data.replace(b'"licence": "",', b'"licence": "MIT", "licence": "",'))
    refused(folder, "the name 'licence' stands twice")


@pytest.mark.parametrize("number", ["1e999", "NaN", "Infinity", "-1", "1e400"])
def test_a_number_that_json_or_the_field_has_not_is_refused(folder: Path, number: str) -> None:
    data = (folder / manifest.NAME).read_bytes()
    assert data.count(b'"relative": 0.0001') == 1
    made.rewrite(folder, data.replace(b'"relative": 0.0001', f'"relative": {number}'.encode()))
    refused(folder, r"manifest\.json")


def test_a_newer_format_says_to_upgrade(folder: Path) -> None:
    made.edit(folder, lambda told: told.update(format=2, news="of a later release"))
    assert "upgrade" in refused(folder, "has the format 2; this pthway reads 1").fix


def test_an_older_format_says_to_pack_again(folder: Path) -> None:
    made.edit(folder, lambda told: told.update(format=0))
    assert "pthway pack" in refused(folder, "has the format 0").fix


def test_a_manifest_beyond_its_limit_is_not_read(folder: Path) -> None:
    data = (folder / manifest.NAME).read_bytes()
    made.rewrite(folder, data + b" " * (manifest.MAX_BYTES - len(data)))
    open_bundle(folder)
    made.rewrite(folder, data + b" " * (manifest.MAX_BYTES - len(data) + 1))
    refused(folder, "has 16,777,217 bytes")


def test_an_edited_manifest_is_refused_by_its_checksum(folder: Path) -> None:
    data = (folder / manifest.NAME).read_bytes()
    (folder / manifest.NAME).write_bytes(data.replace(b'"licence": ""', b'"licence": "MIT"'))
    refused(folder, "was edited: its checksum is not the one in SHA256SUMS")


def test_a_bundle_of_a_hundred_thousand_labels_opens(tmp_path: Path) -> None:
    labels = tuple(f"class number {index}" for index in range(100_000))
    assert open_bundle(made.write(tmp_path / "many.bundle", labels=labels)).manifest.labels == labels
