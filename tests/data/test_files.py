"""Arrays, tables and JSON: read as meant, and refused with the place where they are not."""

import io
import json
import pickle
import struct
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pthway.data import source
from pthway.data.prepare import read_input
from pthway.errors import InputRefused, LimitExceeded, MissingFile, PthwayError


@pytest.fixture
def put(tmp_path):
    def write(content, name="x"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def only(path, shape=None):
    inputs = read_input(path, shape=shape)
    assert list(inputs.arrays) == [""]
    return inputs.arrays[""]


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def lying_npy(shape, data=b"\0" * 8, descr="'<f4'"):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def refusal(path, error=InputRefused, shape=None):
    with pytest.raises(error) as caught:
        read_input(path, shape=shape)
    return str(caught.value)


# Sources


def test_a_missing_file_is_missing(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.npy", MissingFile)


def test_an_empty_file_and_a_folder_are_refused(put, tmp_path):
    assert "is empty" in refusal(put(b""))
    assert "cannot be read" in refusal(tmp_path)
    assert "cannot be read" in refusal("a\0b")


def test_standard_input_is_read_by_content(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(npy(np.arange(3)))))
    assert only("-").tolist() == [0, 1, 2]


def test_a_stream_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(source, "STREAM_BYTES", 1 << 21)
    assert "more than 2,097,152 bytes" in refusal("/dev/zero", LimitExceeded)


def test_binary_files_are_refused_with_a_hint(put):
    assert "although its name ends in .csv" in refusal(put(b"\x00\x01\x02", "a.csv"))
    assert "pthway inspect" in refusal(put(b"\x80\x02\xff", "a.pth"))


# numpy


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">i2", "i8", "u1", "?", "c8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_arrays_are_read_in_the_machines_order(put, dtype, order):
    array = np.array(np.arange(6).reshape(2, 3), dtype=dtype, order=order)
    found = only(put(npy(array), "wrong.csv"))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.flags.writeable


def test_npy_objects_are_refused_and_never_unpickled(put, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    assert "Python objects" in refusal(put(npy(np.array([Bomb()], dtype=object), allow_pickle=True)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros(1, [("a", "f4")]), np.zeros(1, "M8[s]"), np.zeros(1, np.longdouble)])
def test_npy_of_no_numbers_is_refused(put, array):
    assert "holds the type" in refusal(put(npy(array)))


@pytest.mark.parametrize("shape", [(10**12,), (3,), (-2,), (2, -1, -1), (0, 10**30), (True, 2, 10**9)])
def test_npy_whose_header_lies_is_refused_before_memory_is_taken(put, shape):
    assert "declares the shape" in refusal(put(lying_npy(shape)))


def test_npy_cut_short_says_so(put):
    assert "cut short" in refusal(put(npy(np.arange(100))[:-8]))
    assert "does not read" in refusal(put(npy(np.arange(100))[:40]))


@pytest.mark.parametrize("header", ["(" * 9000, "{'descr': 1}", "{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", "\0", "{'a':"])
def test_npy_headers_of_attackers_are_refused(put, header):
    raw = header.encode()
    assert "header that does not read" in refusal(put(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw))


def test_npy_without_numbers_is_refused(put):
    assert "at least one number" in refusal(put(npy(np.zeros((0, 3)))))


def test_npz_of_several_arrays_names_the_inputs(put, tmp_path):
    np.savez(tmp_path / "two.npz", a=np.arange(2), b=np.ones((1, 2)))
    assert list(read_input(tmp_path / "two.npz", shape=None).arrays) == ["a", "b"]
    np.savez_compressed(tmp_path / "one.npz", x=np.arange(2))
    assert only(tmp_path / "one.npz").tolist() == [0, 1]


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return stream.getvalue()


def test_npz_with_pickles_is_refused(put):
    assert "Python objects" in refusal(put(zipped(a__npy=npy(np.array([{}], dtype=object), allow_pickle=True))))
    assert "holds 'a.pkl'" in refusal(put(zipped(a__pkl=pickle.dumps(1))))
    assert "does not read" in refusal(put(zipped(a__npy=pickle.dumps(1))))


def test_torch_weights_given_as_input_are_told_apart(put):
    assert "pthway inspect" in refusal(put(zipped(data__pkl=b"x")))


def test_npz_that_unfolds_beyond_the_limit_is_refused_before_it_does(put, monkeypatch):
    monkeypatch.setattr("pthway.data.arrays.NPZ_INFLATED_BYTES", 1 << 20)
    assert "unfolds to" in refusal(put(zipped(a__npy=npy(np.zeros(1 << 20, np.uint8)))), LimitExceeded)


def test_npz_that_declares_less_than_it_unfolds_to_is_bounded_by_what_it_declares(put):
    honest = zipped(a__npy=npy(np.zeros(1 << 20, np.uint8)))
    size = struct.pack("<I", (1 << 20) + 128)
    assert honest.count(size) >= 1
    assert "damaged" in refusal(put(honest.replace(size, struct.pack("<I", 200))))


def test_npz_of_no_arrays_or_too_many_is_refused(put, monkeypatch):
    assert "without arrays" in refusal(put(zipped()))
    monkeypatch.setattr("pthway.data.arrays.NPZ_MEMBERS", 1)
    assert "2 arrays" in refusal(put(zipped(a__npy=npy(np.ones(1)), b__npy=npy(np.ones(1)))), LimitExceeded)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_numpy_files_are_read_or_refused_with_our_error(tmp_path_factory, data):
    raw = bytearray(data.draw(st.sampled_from([npy(np.arange(5.0)), zipped(a__npy=npy(np.arange(5)), b__npy=npy(np.ones(2)))])))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    try:
        assert read_input(path, shape=None).arrays
    except PthwayError as refused:
        assert refused.fix


# Tables


@pytest.mark.parametrize(
    "text", ["1,2\n3,4\n", "a,b\r\n1,2\r\n3,4\r\n", "\ufeffa;b\n1;2\n3;4", '"a, of x"\t"b"\n"1"\t2\n\n3\t4\n', " 1 , 2\n 3,4"]
)
def test_tables_with_and_without_header_quotes_bom_and_crlf(put, text):
    found = only(put(text))
    assert found.tolist() == [[1, 2], [3, 4]]
    assert found.dtype == np.int64


def test_a_table_in_utf_16_is_read(put):
    assert only(put("a\tb\n1\t2.5\n".encode("utf-16"))).tolist() == [[1, 2.5]]


def test_decimals_keep_all_their_digits(put):
    assert only(put("0.1,1e-300\n")).tolist() == [[0.1, 1e-300]]


def test_one_column_is_a_table_too(put):
    assert only(put("x\n1\n2\n")).tolist() == [[1], [2]]


def test_the_steps_say_whether_a_header_was_left_out(put):
    assert read_input(put("a,b\n1,2\n"), shape=None).steps == ("table by commas, 1 × 2, header left out",)


def test_columns_that_fill_the_shape_are_folded(put):
    inputs = read_input(put("1,2,3,4\n5,6,7,8\n"), shape=("batch", 1, 2, 2))
    assert inputs.arrays[""].tolist() == [[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]]
    assert inputs.steps[-1] == "4 columns as 1×2×2"
    assert only(put("1,2,3\n"), ("batch", 1, 2, 2)).shape == (1, 3)
    assert only(put("1,2,3,4\n"), ("batch", 1, "height", "width")).shape == (1, 4)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1,2\n3,x\n", "line 2, column 2: 'x'"),
        ("1,2\n3,\n", "line 2, column 2: ''"),
        ("1,nan\n", "line 1, column 2: 'nan'"),
        ("a,b\n1,inf\n", "line 2, column 2: 'inf'"),
        ("1,1e999\n", "line 1, column 2: '1e999'"),
        (f"1,{'9' * 390}\n", "line 1, column 2"),
        ("1,1_000\n", "line 1, column 2: '1_000'"),
        ("a,1\n2,3\n", "line 1, column 1: 'a'"),
        ("1;2\n1,5;3\n", "line 2, column 1: '1,5'"),
        ("1,2\n1,2,3\n", "line 2 has 3 columns"),
        ("1,2\n,\n", "line 2, column 1: ''"),
        ('"a\nb",c\n1,x\n', "line 3, column 2: 'x'"),
        ('1,"2\n', "line 1: unexpected end of data"),
        ("a,b\n", "header and no rows"),
        (" \n\n", "no rows"),
        (",a\n0,1\n", "first column has no name"),
        (",0,1\n0,5,6\n", "first column has no name"),
        ("0,1,2\n7,8,9\n", "begins with the row 0, 1, … 2"),
    ],
)
def test_tables_are_refused_with_line_and_column(put, text, place):
    assert place in refusal(put(text, "t.csv"))


def test_decimal_commas_are_explained(put):
    assert "Write 1.5" in refusal(put("1,5;3\n"))


def test_a_table_beyond_the_limit_is_refused(put, monkeypatch):
    monkeypatch.setattr("pthway.data.tables.CSV_BYTES", 10)
    assert "numpy.save" in refusal(put("1,2,3,4,5,6,7\n"), LimitExceeded)


# JSON


@pytest.mark.parametrize(
    ("text", "names", "shape"),
    [
        ("[1, 2]", [""], (2,)),
        (" [[1, 2.5], [3, 4]]", [""], (2, 2)),
        ('{"inputs": [[1]]}', [""], (1, 1)),
        ('{"inputs": {"a": [1, 2], "b": [3]}}', ["a", "b"], (2,)),
        ('{"a": [[1, 2]], "b": [3]}', ["a", "b"], (1, 2)),
        ("[1, 2]\n[3, 4]\n\n[5, 6]\n", [""], (3, 2)),
        ('{"a": [1, 2], "b": [3]}\r\n{"a": [1, 2], "b": [3]}', ["a", "b"], (2, 2)),
        ('{"inputs": [1]}\n{"inputs": [2]}', [""], (2, 1)),
        ("[true, false]", [""], (2,)),
    ],
)
def test_json_forms(put, text, names, shape):
    arrays = read_input(put(text), shape=None).arrays
    assert list(arrays) == names
    assert arrays[names[0]].shape == shape


def test_whole_numbers_stay_whole_in_json(put):
    assert only(put(f"[{2**53 + 1}]")).tolist() == [2**53 + 1]
    assert only(put("[1, 2.0]")).dtype == np.float64


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[[1, 2], [3]]", "inputs[1] has 1 entries where a list of 2"),
        ('[[1, "x"]]', "inputs[0][1] is 'x'"),
        ("[1, null]", "inputs[1] is null"),
        ("[[1], 2]", "inputs[1] is 2"),
        ("[1, [2]]", "inputs[1] is a list of 1"),
        ("[1, NaN]", "holds NaN"),
        ("[-Infinity]", "holds -Infinity"),
        ("[1, 1e999]", "inputs[1] is too large"),
        (f"[{2**64}]", "inputs[0] has 65 bits"),
        (f"[{'1' * 5000}]", "thousands of digits"),
        ("[1, 2", "line 1, column 6"),
        ("[]", "empty list"),
        ("[[]]", "empty list"),
        ("{}", "an object of nothing"),
        ('{"a": 1}', "an object of 'a'"),
        ('{"a": [1], "a": [2]}', "names 'a' twice"),
        ("[1, 2]\n[3]", "line 2 holds {'': (1,)}"),
        ("[1, 2]\n[3,", "line 2, column 4"),
        ('[1]\n{"a": [1]}', "line 2 holds"),
        ("[1] [2]", "Extra data"),
    ],
)
def test_json_is_refused_with_the_place(put, text, place):
    assert place in refusal(put(text, "t.json"))


@pytest.mark.parametrize("depth", [17, 500, 100_000])
def test_deep_json_is_refused(put, depth):
    assert "nested" in refusal(put("[" * depth + "1" + "]" * depth), LimitExceeded)


def test_json_objects_nested_in_objects_are_refused(put):
    assert "nested" in refusal(put('{"inputs":' * 100_000 + "[1]" + "}" * 100_000), LimitExceeded)


def test_json_beyond_the_limit_is_refused(put, monkeypatch):
    monkeypatch.setattr("pthway.data.json_text.JSON_BYTES", 3)
    assert "characters" in refusal(put("[1, 2]"), LimitExceeded)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_json_is_read_as_finite_numbers_or_refused_with_our_error(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    try:
        arrays = read_input(path, shape=None).arrays
    except PthwayError:
        return
    assert all(np.isfinite(array).all() for array in arrays.values())


@given(st.binary(min_size=1, max_size=60) | st.text('0123456789.,;\t\n\r"-e ax[]{}:', min_size=1).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_as_finite_numbers_or_refused_with_our_error(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(raw)
    try:
        arrays = read_input(path, shape=None).arrays
    except PthwayError:
        return
    assert all(np.isfinite(array).all() for array in arrays.values())
