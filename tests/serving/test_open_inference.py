"""Messages of the Open Inference Protocol: what is read is what was sent, and whatever else comes is the client's mistake."""

import json
import re
import struct
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pthway.serving.http import HttpError
from pthway.serving.open_inference import InferRequest, read, write
from pthway.signature import Input, Output
from tests.serving.networks import TYPES

X = Input("x", ("batch", "size"), "float32")
Y = Output("y", ("batch", "size"), "float32")


def asked(message: Any, tail: bytes = b"", inputs: tuple[Input, ...] = (X,), outputs: tuple[Output, ...] = (Y,)) -> InferRequest:
    data = json.dumps(message).encode() if not isinstance(message, bytes) else message
    return read(data + tail, str(len(data)) if tail else None, inputs, outputs)


def tensor(**changes: Any) -> dict[str, Any]:
    fields = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2.0], **changes}
    return {key: value for key, value in fields.items() if value is not None}


def of_any_type() -> st.SearchStrategy[tuple[str, np.ndarray]]:
    shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    return st.sampled_from(sorted(TYPES)).flatmap(lambda name: st.tuples(st.just(name), arrays.arrays(np.dtype(TYPES[name]), shapes)))


@settings(deadline=None)
@given(of_any_type())
def test_what_is_read_from_bytes_is_what_was_sent_bit_for_bit(sent: tuple[str, np.ndarray]) -> None:
    name, array = sent
    message = {"inputs": [tensor(shape=list(array.shape), datatype=name, data=None, parameters={"binary_data_size": array.nbytes})]}
    data = json.dumps(message).encode()
    found = read(data + array.tobytes(), str(len(data)), (X,), (Y,)).arrays["x"]
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert found.flags.aligned


@settings(deadline=None)
@given(of_any_type(), st.booleans())
def test_what_is_read_from_json_is_what_was_sent_flat_or_nested(sent: tuple[str, np.ndarray], nested: bool) -> None:
    name, array = sent
    array = np.where(np.isfinite(array), array, 0).astype(array.dtype) if array.dtype.kind == "f" else array
    data = array.tolist() if nested and array.ndim and array.size else array.ravel().tolist()
    found = asked({"inputs": [tensor(shape=list(array.shape), datatype=name, data=data)]}).arrays["x"]
    assert (found.dtype, found.shape, found.tolist()) == (array.dtype, array.shape, array.tolist())


@settings(deadline=None)
@given(of_any_type(), st.booleans())
def test_what_is_written_is_what_the_network_gave(sent: tuple[str, np.ndarray], binary: bool) -> None:
    name, array = sent
    response = write("model", "1", InferRequest({}, "seven", None, None, binary), {"y": array})
    length = int(response.headers.get("inference-header-content-length", len(response.body)))
    message = json.loads(response.body[:length])
    (told,) = message["outputs"]
    assert (message["id"], message["model_name"], told["name"], told["datatype"], told["shape"]) == (
        "seven",
        "model",
        "y",
        name,
        [*array.shape],
    )
    if binary:
        assert told["parameters"] == {"binary_data_size": array.nbytes}
        assert response.body[length:] == array.tobytes()
    else:
        expected = [None if isinstance(each, float) and not np.isfinite(each) else each for each in array.ravel().tolist()]
        assert told["data"] == expected


def test_bfloat16_comes_as_bytes_and_as_numbers() -> None:
    array = np.array([[1.5, -2.0]], ml_dtypes.bfloat16)
    parameters = {"binary_data_size": 4}
    message = {"inputs": [tensor(datatype="BF16", data=None, parameters=parameters)]}
    assert asked(message, array.tobytes()).arrays["x"].tobytes() == array.tobytes()
    assert asked({"inputs": [tensor(datatype="BF16", data=[1.5, -2.0])]}).arrays["x"].tobytes() == array.tobytes()


def test_a_byte_that_is_no_boolean_is_true() -> None:
    message = {"inputs": [tensor(datatype="BOOL", data=None, parameters={"binary_data_size": 2})]}
    assert asked(message, b"\x00\x07").arrays["x"].tolist() == [[False, True]]


def test_a_body_without_json_is_one_sample() -> None:
    found = read(struct.pack("<3f", 1, 2, 3), "0", (X,), (Y,))
    assert found.arrays["x"].tolist() == [[1, 2, 3]]
    assert found.binary


def test_unknown_parameters_and_keys_are_ignored() -> None:
    message = {
        "model_name": "x",
        "parameters": {"sequence_id": 7, "sequence_start": True, "priority": 1, "triton_x": "y"},
        "inputs": [tensor(parameters={"content_type": "np"})],
    }
    assert asked(message).arrays["x"].tolist() == [[1.5, 2.0]]


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(1_500_000, 1.5), (0, None), (-1, None), ("1", None), (True, None), (10**400, (1 << 50) / 1e6)]
)
def test_a_timeout_is_in_microseconds_and_nothing_else_is_one(timeout: Any, seconds: float | None) -> None:
    assert asked({"parameters": {"timeout": timeout}, "inputs": [tensor()]}).timeout == seconds


def test_outputs_are_those_that_were_asked_for_each_in_the_form_that_was() -> None:
    outputs = [{"name": "b", "parameters": {"binary_data": False}}, {"name": "a"}]
    message = {"inputs": [tensor()], "outputs": outputs, "parameters": {"binary_data_output": True}}
    both = (Output("a", ("batch",), "float32"), Output("b", ("batch",), "float32"))
    found = asked(message, outputs=both)
    assert found.outputs == (("b", False), ("a", True))
    assert asked({"inputs": [tensor()], "outputs": []}).outputs is None


MALFORMED: dict[str, tuple[Any, str]] = {
    "no json": (b"{", "not as the protocol has it"),
    "not unicode": (b'{"inputs": "\xff"}', "not as the protocol has it"),
    "an array": ([], "not as the protocol has it"),
    "no inputs": ({}, "not as the protocol has it"),
    "inputs of numbers": ({"inputs": [1]}, "not as the protocol has it"),
    "no input": ({"inputs": []}, "needs the input 'x'"),
    "another input": ({"inputs": [tensor(name="z")]}, "no input 'z'.*inputs are x"),
    "an input twice": ({"inputs": [tensor(), tensor()]}, "given twice"),
    "an unknown type": ({"inputs": [tensor(datatype="FP31")]}, "datatype 'FP31'"),
    "text": ({"inputs": [tensor(datatype="BYTES", data=["a", "b"])]}, "networks take no text"),
    "a negative size": ({"inputs": [tensor(shape=[-1, 2])]}, "has the shape"),
    "a size beyond everything": ({"inputs": [tensor(shape=[1 << 41, 1 << 41])]}, "has the shape"),
    "a size of thousands of digits": (b'{"inputs":[{"name":"x","shape":[1' + b"0" * 5000 + b'],"datatype":"FP32","data":[]}]}', "protocol"),
    "33 dimensions": ({"inputs": [tensor(shape=[1] * 33, data=[1])]}, "has the shape"),
    "too few numbers": ({"inputs": [tensor(data=[1])]}, "1 numbers for the shape"),
    "too many numbers": ({"inputs": [tensor(data=[1, 2, 3])]}, "3 numbers for the shape"),
    "lists of other lengths": ({"inputs": [tensor(shape=[2, 2], data=[[1, 2], [3]])]}, "3 numbers for the shape"),
    "a list among numbers": ({"inputs": [tensor(data=[1, [2]])]}, "a list among numbers"),
    "a number among lists": ({"inputs": [tensor(data=[[1], 2])]}, "nested unevenly"),
    "an object": ({"inputs": [tensor(data=[1, {}])]}, "an object"),
    "text for a number": ({"inputs": [tensor(data=[1, "2"])]}, "holds '2'"),
    "null for a number": ({"inputs": [tensor(data=[1, None])]}, "holds None"),
    "a fraction for a whole number": ({"inputs": [tensor(datatype="INT64", data=[1, 2.5])]}, "holds 2.5"),
    "a boolean for a number": ({"inputs": [tensor(data=[1, True])]}, "holds True"),
    "a number for a boolean": ({"inputs": [tensor(datatype="BOOL", data=[True, 2])]}, "holds 2"),
    "0.0 for a boolean": ({"inputs": [tensor(datatype="BOOL", data=[True, 0.0])]}, "holds 0.0"),
    "128 as INT8": ({"inputs": [tensor(datatype="INT8", data=[127, 128])]}, "no INT8"),
    "-1 as UINT64": ({"inputs": [tensor(datatype="UINT64", data=[0, -1])]}, "no UINT64"),
    "1e39 as FP32": ({"inputs": [tensor(data=[0, 1e39])]}, "no FP32"),
    "65520 as FP16": ({"inputs": [tensor(datatype="FP16", data=[0, 65520])]}, "no FP16"),
    "1e39 as BF16": ({"inputs": [tensor(datatype="BF16", data=[0, 1e39])]}, "no BF16"),
    "NaN as text": (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]}', "not as the protocol has it"),
    "no data": ({"inputs": [tensor(data=None)]}, "has no data"),
    "data twice": ({"inputs": [tensor(parameters={"binary_data_size": 8})]}, "both data and binary_data_size"),
    "bytes that are not there": ({"inputs": [tensor(data=None, parameters={"binary_data_size": 8})]}, "holds 0 more"),
    "a size that is none": ({"inputs": [tensor(data=None, parameters={"binary_data_size": True})]}, "announces True"),
    "an unknown output": ({"inputs": [tensor()], "outputs": [{"name": "z"}]}, "no output 'z'.*outputs are y"),
    "a list in a list in a list …": (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":' + b"[" * 100_000, "nested|protocol"),
    "a deep list that ends": (
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":' + b"[" * 100 + b"1" + b"]" * 100 + b"}]}",
        "uneven",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_malformed_is_told_as_the_client_s_mistake(case: str) -> None:
    message, told = MALFORMED[case]
    with pytest.raises(HttpError, match=r"400") as refused:
        asked(message)
    text = refused.value.response.body.decode()
    assert refused.value.status == 400
    assert re.search(told, text), text


@pytest.mark.parametrize(("length", "size"), [("9" * 5000, 8), ("-1", 8), ("x", 8), ("²", 8), ("1e2", 8), ("9", 8), ("7", 7), ("0", 7)])
def test_a_length_of_the_header_that_cannot_be_is_refused(length: str, size: int) -> None:
    with pytest.raises(HttpError, match="400"):
        read(b"\x00" * size, length, (X,), (Y,))


@pytest.mark.parametrize("extra", [-1, 1])
def test_one_byte_too_few_and_one_too_many_are_refused(extra: int) -> None:
    message = {"inputs": [tensor(data=None, parameters={"binary_data_size": 8})]}
    assert asked(message, bytes(8)).arrays["x"].tolist() == [[0, 0]]
    with pytest.raises(HttpError, match="400"):
        asked(message, bytes(8 + extra))


VALID = json.dumps({"id": "7", "inputs": [tensor(), tensor(name="z", data=None, parameters={"binary_data_size": 8})]}).encode()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "z"]) | ANYTHING,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | ANYTHING,
        "datatype": st.sampled_from([*TYPES, "BYTES", "BF16"]) | ANYTHING,
        "data": st.lists(st.floats(allow_nan=False) | st.integers() | st.booleans(), max_size=6) | ANYTHING,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 20) | ANYTHING}) | ANYTHING,
    },
)
MESSAGE = st.fixed_dictionaries(
    {"inputs": st.lists(TENSOR, max_size=2) | ANYTHING},
    optional={
        "id": ANYTHING,
        "parameters": ANYTHING,
        "outputs": st.lists(st.fixed_dictionaries({"name": st.just("y") | ANYTHING})) | ANYTHING,
    },
)


def is_read_or_refused(body: bytes, length: str | None) -> None:
    try:
        found = read(body, length, (X,), (Y,))
    except HttpError as refused:
        assert refused.status == 400
    else:
        assert found.arrays.keys() == {"x"}


@settings(deadline=None, max_examples=100)
@given(MESSAGE, st.binary(max_size=12), st.none() | st.integers(-2, 200) | st.text(max_size=4))
def test_messages_that_are_almost_right_are_read_or_refused(message: Any, tail: bytes, length: int | str | None) -> None:
    data = json.dumps(message).encode()
    is_read_or_refused(data + tail, str(len(data)) if tail else length if length is None else str(length))


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(VALID) - 1), st.binary(max_size=3), st.integers(0, 10))
def test_messages_that_were_damaged_are_read_or_refused(place: int, put: bytes, cut: int) -> None:
    body = VALID[:place] + put + VALID[place + cut :]
    is_read_or_refused(body + bytes(8), str(len(body)))


def test_a_type_that_the_protocol_does_not_know_is_told() -> None:
    with pytest.raises(HttpError, match=r"501.*complex64"):
        write("model", "1", InferRequest({}, None, None, None, False), {"y": np.zeros(1, np.complex64)})
