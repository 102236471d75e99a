"""What a file costs is bounded by its bytes: small files that describe endless things are refused or cut short."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import pthway
from pthway import errors
from pthway.checkpoint.summary import report
from pthway.formats import limits

TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ"
    b"K\0K\x01\x85K\x01\x85\x89}tR"
)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def zipped(path: Path, *opcodes: bytes) -> Path:
    """A torch zip whose pickle consists of *opcodes*; its storage 0 has one number."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02" + b"".join(opcodes) + b".")
        archive.writestr("m/data/0", bytes(4))
        archive.writestr("m/version", b"3\n")
    return path


def headed(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def described(path: Path) -> str:
    """Both descriptions of a file."""
    checkpoint = pthway.open(path)
    return str(checkpoint) + json.dumps(report(checkpoint), default=str)


def module(children: bytes, kind: bytes = b"csome\nModule\n)\x81") -> bytes:
    groups = text("_parameters") + b"}" + text("w") + TENSOR + b"s" + text("_buffers") + b"}" + text("_modules") + b"}(" + children + b"u"
    return kind + b"}(" + groups + b"ub"


def test_modules_that_are_shared_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NAME_CHARACTERS", 2**20)  # quicker
    tree = module(b"")
    for _ in range(60):  # 2**60 leaves
        tree += b"q\x01" + b"0" + module(text("a") + b"h\x01" + text("b") + b"h\x01")
    with pytest.raises(errors.LimitExceeded, match="a tree without end"):
        pthway.open(zipped(tmp_path / "m.pth", tree))


def test_a_module_used_twice_is_listed_under_both_names_in_torchs_order(tmp_path: Path) -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    outer = nn.ModuleDict({"b": inner, "a": nn.Linear(1, 1), "c": inner})
    torch.save(outer, tmp_path / "m.pth")
    assert list(pthway.open(tmp_path / "m.pth")) == list(outer.state_dict())


def test_a_list_that_refers_to_a_list_a_thousand_times_is_shown_as_far_as_can_be_shown(tmp_path: Path) -> None:
    made = b"](" + b"N" * 1000 + b"eq\x00"
    for _ in range(5):  # 1000**6 values
        made += b"0](" + b"h\x00" * 1000 + b"eq\x00"
    assert len(described(zipped(tmp_path / "m.pth", made))) < limits.MAX_SHOWN_CHARACTERS


def test_a_text_is_shown_whole_or_by_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"model": {"w": torch.ones(1)}, "more": {"note": "abcdefgh" * 50}}, tmp_path / "m.pth")
    assert "abcdefgh" * 50 in described(tmp_path / "m.pth")
    monkeypatch.setattr(limits, "MAX_SHOWN_CHARACTERS", 400)
    assert "<text of 400 characters>" in described(tmp_path / "m.pth")


def test_extras_beyond_what_is_shown_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"model": {"w": torch.ones(1)}, **{f"extra{number}": number for number in range(20)}}, tmp_path / "m.pth")
    assert "…" not in pthway.open(tmp_path / "m.pth").extras
    monkeypatch.setattr(limits, "MAX_SHOWN_CHARACTERS", 10 * (limits.SHOWN_COST + len("extra0")))
    extras = pthway.open(tmp_path / "m.pth").extras
    assert extras["…"] == "10 more"
    assert len(extras) == 11


def test_a_state_that_many_objects_share_is_looked_at_once(tmp_path: Path) -> None:
    state = b"}q\x00(" + b"".join(b"J" + struct.pack("<i", number) + b"N" for number in range(20_000)) + b"u"
    path = zipped(tmp_path / "m.pth", state, b"0](csome\nThing\nq\x01", b"h\x01)\x81h\x00b" * 20_000, b"e")
    assert "some.Thing" in described(path)  # looking at the state again for every object takes minutes


def test_keys_that_are_dictionaries_of_such_keys_are_shown(tmp_path: Path) -> None:
    made = b"}" + b"}" * 500 + b"Ns" * 500
    assert "…" in described(zipped(tmp_path / "m.pth", b"}" + text("a") + made + b"s"))


def test_an_object_made_by_an_object_made_by_an_object_is_named_by_its_kind(tmp_path: Path) -> None:
    calls = str(pthway.open(zipped(tmp_path / "m.pth", b"cos\nsystem\n", b")R" * 3000)).safety)
    assert "os.system" in calls
    assert "<Opaque>" in calls


@pytest.mark.parametrize(
    "opcodes",
    [
        b"}("
        + b"K\x01K\x02" * 50
        + b"uq\x00"
        + b"0ccollections\nOrderedDict\nq\x01(h\x00h\x00tR"
        + b"q\x00"
        + b"0h\x01(h\x00h\x00tRq\x00" * 40,
        b"cbuiltins\nset\nq\x00](" + b"N" * 100_000 + b"e\x85q\x01(" + b"h\x00h\x01R" * 100 + b"t",
    ],
    ids=["dictionaries of two dictionaries", "one set again and again"],
)
def test_what_one_opcode_copies_is_counted(opcodes: bytes, tmp_path: Path) -> None:
    with pytest.raises(errors.LimitExceeded, match="lists, dictionaries, tuples, texts and objects"):
        pthway.open(zipped(tmp_path / "m.pth", opcodes))


def test_a_text_that_is_encoded_again_and_again_is_refused(tmp_path: Path) -> None:
    once = b"(c_codecs\nencode\nq\x00(" + text("a" * 100_000) + text("latin1") + b"tq\x01"
    pthway.open(zipped(tmp_path / "once.pth", once, b"h\x00h\x01R", b"t"))
    with pytest.raises(errors.CorruptFile, match="makes bytes of one text again and again"):
        pthway.open(zipped(tmp_path / "often.pth", once, b"h\x00h\x01R" * 3, b"t"))


LIMITS: dict[str, tuple[str, int, Callable[[int], bytes], str]] = {
    "calls": ("MAX_CALLS", 10, lambda n: b"](cos\nsystem\nq\x00" + b"h\x00)R" * n + b"e", "calls of unknown functions"),
    "globals": ("MAX_GLOBALS", 10, lambda n: b"](" + b"".join(b"ca\nb%d\n" % k for k in range(n)) + b"e", "classes and functions"),
    "wide texts": ("MAX_WIDE_TEXT", 100, lambda n: text("Ā" + "a" * (n - 2)), "beyond Latin-1"),
    "long names of globals": (
        "MAX_LINE",
        100,
        lambda n: text("m") + text("n" * (n - 1)) + b"\x93",
        "names a global by|more than 100 bytes",
    ),
    "texts": ("MAX_CONTAINERS", 10, lambda n: b"](" + text("a") * (n - 1) + b"e", "texts and objects"),
    "pairs": ("MAX_CONTAINERS", 10, lambda n: b"}(" + b"K\x01K\x02" * (n - 1) + b"u", "texts and objects"),
    "digits": ("MAX_DIGITS", 10, lambda n: b"I" + b"1" * n + b"\n", "decimal number of 11 digits"),
    "opcodes": ("MAX_OPCODES", 20, lambda n: b"(" + b"N" * (n - 4) + b"t", "opcodes"),
    "marks": ("MAX_MARKS", 10, lambda n: b"(" * n + b"1" * (n - 1) + b"t", "open at once"),
    "memo": ("MAX_MEMO", 10, lambda n: b"N" + b"".join(b"q%c" % k for k in range(n)), "remembers more than"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_pickle_at_the_limit_is_read_and_one_past_it_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, most, made, words = LIMITS[name]
    monkeypatch.setattr(limits, limit, most)
    pthway.open(zipped(tmp_path / "at.pth", made(most)))
    with pytest.raises(errors.UnreadableFile, match=words):
        pthway.open(zipped(tmp_path / "past.pth", made(most + 1)))


def test_nested_torch_files_share_one_count_of_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CALLS", 3)
    inner = pickle.dumps([1], 2)[:2] + b"cos\nsystem\n)R."
    load = b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner)) + inner + b"\x85R"
    (tmp_path / "at.pth").write_bytes(b"\x80\x02](" + load * 3 + b"e.")
    pthway.open(tmp_path / "at.pth")
    (tmp_path / "past.pth").write_bytes(b"\x80\x02](" + load * 4 + b"e.")
    with pytest.raises(errors.UnreadableFile, match="calls of unknown functions"):
        pthway.open(tmp_path / "past.pth")


@pytest.mark.parametrize(
    ("limit", "most", "header"),
    [
        ("MAX_JSON_VALUES", 10, lambda n: b'{"a":[' + b"1," * n + b"1]}"),
        ("MAX_JSON_CONTAINERS", 10, lambda n: b'{"a":[' + b"[]," * (n - 2) + b"1]}"),
        ("MAX_WIDE_TEXT", 100, lambda n: '{"a":"é'.encode() + b"a" * (n - 10) + b'"}'),
    ],
)
def test_json_at_the_limit_is_parsed_and_past_it_is_not(
    limit: str, most: int, header: Callable[[int], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, limit, most)
    with pytest.raises(errors.CorruptFile, match="describes 'a'"):  # it was parsed, and is no header
        pthway.open(headed(tmp_path / "at.safetensors", header(most)))
    with pytest.raises(errors.LimitExceeded, match="is JSON of"):
        pthway.open(headed(tmp_path / "past.safetensors", header(most + 1)))


def test_a_shape_of_many_dimensions_is_refused_before_it_is_multiplied(tmp_path: Path) -> None:
    shape = b",".join([b"9223372036854775807"] * 200_000)
    with pytest.raises(errors.CorruptFile, match="200,000 dimensions"):
        pthway.open(headed(tmp_path / "m.safetensors", b'{"a":{"dtype":"U8","shape":[' + shape + b'],"data_offsets":[0,1]}}'))


def archived(path: Path, name: str, extra: bytes) -> Path:
    entry = zipfile.ZipInfo(name)
    entry.extra = extra
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, b"x")
    return path


def test_long_names_and_many_extra_fields_of_a_record_are_refused(tmp_path: Path) -> None:
    name, fields = "m/" + "a" * (limits.MAX_RECORD_NAME - 2), b"\x99\x99\0\0" * limits.MAX_EXTRA_FIELDS
    with pytest.raises(errors.NotWeights, match="but not of weights"):
        pthway.open(archived(tmp_path / "at.pth", name, fields))
    with pytest.raises(errors.CorruptFile, match="whose name has 4,097 bytes"):
        pthway.open(archived(tmp_path / "name.pth", name + "a", b""))
    with pytest.raises(errors.CorruptFile, match=f"more than {limits.MAX_EXTRA_FIELDS} extra fields"):
        pthway.open(archived(tmp_path / "extra.pth", "m/a", fields + b"\x99\x99\0\0"))


def test_more_wrappers_than_any_program_writes_are_refused(tmp_path: Path) -> None:
    torch.save({"module." * limits.MAX_WRAPPERS + "w": torch.ones(1)}, tmp_path / "at.pth")
    assert list(pthway.open(tmp_path / "at.pth")) == ["w"]
    torch.save({"module." * (limits.MAX_WRAPPERS + 1) + "w": torch.ones(1)}, tmp_path / "past.pth")
    with pytest.raises(errors.LimitExceeded, match="more than 8 wrappers"):
        pthway.open(tmp_path / "past.pth")


def test_many_dictionaries_of_tensors_are_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATE_DICTS", 3)
    torch.save({f"net{number}": {"w": torch.ones(1)} for number in range(3)}, tmp_path / "at.pth")
    assert len(pthway.open(tmp_path / "at.pth").state_dicts) == 3
    torch.save({f"net{number}": {"w": torch.ones(1)} for number in range(4)}, tmp_path / "past.pth")
    with pytest.raises(errors.LimitExceeded, match="more than 3 dictionaries of tensors"):
        pthway.open(tmp_path / "past.pth")


def test_an_array_whose_type_would_write_a_line_of_its_own_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.arange(3.0))
    (tmp_path / "m.npy").write_bytes((tmp_path / "m.npy").read_bytes().replace(b"'<f8'", b"'<\nU'"))
    with pytest.raises(errors.CorruptFile, match="a header that numpy does not write"):
        pthway.open(tmp_path / "m.npy")


def test_names_are_read_up_to_a_number_of_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NAME_CHARACTERS", 10)
    torch.save({"abcde": torch.ones(1), "fghij": torch.ones(1)}, tmp_path / "at.pth")
    assert list(pthway.open(tmp_path / "at.pth")) == ["abcde", "fghij"]
    torch.save({"abcde": torch.ones(1), "fghijk": torch.ones(1)}, tmp_path / "past.pth")
    with pytest.raises(errors.LimitExceeded, match="too long together"):
        pthway.open(tmp_path / "past.pth")


def test_a_stride_that_is_never_taken_may_be_any_number(tmp_path: Path) -> None:
    values = torch.arange(6.0)
    torch.save({"a": values.as_strided((2, 1, 3), (3, 2**62, 1))}, tmp_path / "m.pth")
    assert np.array_equal(pthway.open(tmp_path / "m.pth")["a"].numpy(), torch.load(tmp_path / "m.pth")["a"].numpy())
    pthway.open(tmp_path / "m.pth").save(tmp_path / "m.npz")
    assert np.array_equal(np.load(tmp_path / "m.npz")["a"], values.reshape(2, 1, 3).numpy())


def test_an_empty_shape_that_no_array_can_have_is_refused(tmp_path: Path) -> None:
    shape = b"K\0\x8a\x08" + struct.pack("<q", 2**62) + b"\x86"
    with pytest.raises(errors.CorruptFile, match=r"more than 2\*\*63 bytes"):
        pthway.open(zipped(tmp_path / "m.pth", b"}" + text("a") + TENSOR.replace(b"K\x01\x85K\x01\x85", shape + shape) + b"s"))


def test_an_expanded_boolean_is_checked_once_for_each_stored_byte(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save({"a": torch.ones(2**22, dtype=torch.bool).expand(16, 2**22)}, path)
    assert pthway.open(path)["a"].numpy().shape == (16, 2**22)
    path.write_bytes(path.read_bytes().replace(b"\x01" * 2**22, b"\x01" * (2**22 - 1) + b"\x02"))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "n.pth", "w") as new:
        for entry in old.infolist():
            entry.CRC = 0
            at = (
                entry.header_offset + 30 + len(entry.filename) + int.from_bytes(path.read_bytes()[entry.header_offset + 28 :][:2], "little")
            )
            new.writestr(entry.filename, path.read_bytes()[at : at + entry.file_size])
    with pytest.raises(errors.CorruptFile, match="bytes other than 0 and 1"):
        pthway.open(tmp_path / "n.pth")["a"].numpy()


def test_a_module_without_weights_is_not_converted(tmp_path: Path) -> None:
    torch.save(nn.ReLU(), tmp_path / "m.pth")
    with pytest.raises(errors.NoWeights, match="has no tensors"):
        pthway.open(tmp_path / "m.pth").save(tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()


def test_a_checkpoint_inside_an_archive_that_lacks_its_pickle_is_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("m/version", b"3\n")
    with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
        archive.writestr("serialized_state_dict.pt", inner.getvalue())
    with pytest.raises(errors.CorruptFile, match=r"lacks the record data\.pkl"):
        pthway.open(tmp_path / "m.pt2")


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(X\x07\0\0\0storagec\x1b[31m\nred\nK\0X\x03\0\0\0cpuK\x01tQ",
        b"}" + text("a") + TENSOR.replace(b"cpu", b"\x1b[m") + b"s",
        b"}" + text("\x1b[2J.w") + TENSOR + b"s",
    ],
    ids=["class", "device", "name"],
)
def test_nothing_in_a_file_reaches_the_terminal_unescaped(opcodes: bytes, tmp_path: Path) -> None:
    path = zipped(tmp_path / "m.pth", opcodes)
    try:
        shown = str(pthway.open(path))
    except errors.PthwayError as refusal:
        shown = str(refusal)
    assert "\x1b" not in shown
    assert r"\x1b" in shown


def test_weights_behind_more_than_is_shown_are_still_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SHOWN_CHARACTERS", 20 * limits.SHOWN_COST)
    module = torch.nn.Linear(2, 3)
    listed = [{"inner": {"w": torch.ones(4)}}]
    before = {f"log{number}": number for number in range(100)} | {f"table{number}": {"a": 1} for number in range(100)}
    torch.save({**before, "listed": listed, "net": module, "model": {"v": torch.ones(5)}}, tmp_path / "m.pth")
    checkpoint = pthway.open(tmp_path / "m.pth")
    assert {state.path: list(state.tensors) for state in checkpoint.state_dicts} == {
        "listed.0.inner": ["w"], "net": ["weight", "bias"], "model": ["v"],
    }  # fmt: skip
    assert "more" in str(checkpoint.extras["…"])
