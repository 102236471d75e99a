"""The Open Inference Protocol as its own clients speak it, with a real server. The oracle is what was sent."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

from tests.serving import networks
from tests.serving.networks import TYPES
from tests.serving.servers import Server

pytestmark = pytest.mark.filterwarnings("ignore")  # of the client and of what it stands on


@pytest.fixture(scope="module")
def client(everything: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{everything.port}", network_timeout=60) as found:
        yield found


def given(name: str, array: np.ndarray, datatype: str = "FP32", *, binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def test_life_readiness_and_what_is_served_are_told(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    assert client.is_model_ready("echo", "1")
    assert not client.is_model_ready("echo", "2")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    told = client.get_model_metadata("echo", "1")
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}]
    assert told["outputs"] == [
        {"name": "double", "datatype": "FP32", "shape": [-1, -1]},
        {"name": "total", "datatype": "FP32", "shape": [-1]},
    ]
    assert {each["name"] for each in client.get_model_repository_index()} >= {"echo", "mirror", "slow"}


@pytest.mark.parametrize("sent", ["binary", "json", "mixed"])
@pytest.mark.parametrize("wanted", ["binary", "json", "default", "mixed"])
def test_every_type_goes_there_and_back_bit_for_bit(client: triton.InferenceServerClient, sent: str, wanted: str) -> None:
    generator = np.random.default_rng(0)
    arrays = {name: extreme(kind, generator) for name, kind in TYPES.items()}
    order = list(TYPES)
    # the client itself refuses to write 16-bit floats as JSON numbers
    inputs = [
        given(name.lower(), arrays[name], name, binary=name == "FP16" or sent == "binary" or (sent == "mixed" and index % 2 == 0))
        for index, name in enumerate(order)
    ]
    outputs = [
        triton.InferRequestedOutput(f"same_{name.lower()}", binary_data=wanted == "binary" or (wanted == "mixed" and index % 3 == 0))
        for index, name in enumerate(reversed(order))
    ]
    answer = client.infer("mirror", inputs, outputs=None if wanted == "default" else outputs)
    for name, array in arrays.items():
        got = answer.as_numpy(f"same_{name.lower()}")
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes()), name
    names = [each["name"] for each in answer.get_response()["outputs"]]
    assert names == [f"same_{name.lower()}" for name in (order if wanted == "default" else reversed(order))]


def extreme(kind: Any, generator: np.random.Generator) -> np.ndarray:
    """Two samples of a type, its first and last number among them."""
    if kind is np.bool_:
        return generator.integers(0, 2, (2, 3)).astype(bool)
    info = np.finfo(kind) if np.dtype(kind).kind == "f" else np.iinfo(kind)
    return np.array([[info.min, info.max, 0], [1, 2, 3]], kind)


def test_what_is_no_number_comes_back_from_bytes_as_it_was(client: triton.InferenceServerClient) -> None:
    array = np.array([[np.nan, np.inf, -np.inf, -0.0]], np.float32)
    got = client.infer("echo", [given("x", array)]).as_numpy("double")
    assert got.tobytes() == (array * 2).tobytes()


def test_an_id_comes_back_and_none_is_made_up(client: triton.InferenceServerClient) -> None:
    array = np.ones((1, 2), np.float32)
    for name in ("seven", "№ 7 ☃"):
        assert client.infer("echo", [given("x", array)], request_id=name).get_response()["id"] == name
    assert "id" not in client.infer("echo", [given("x", array)]).get_response()


def test_what_plain_clients_send_along_is_ignored(client: triton.InferenceServerClient) -> None:
    array = np.ones((1, 2), np.float32)
    answer = client.infer(
        "echo", [given("x", array)], sequence_id=3, sequence_start=True, priority=2, timeout=10_000_000, parameters={"mine": "x"}
    )
    assert answer.as_numpy("total").tolist() == [2]
    assert (answer.get_response()["model_name"], answer.get_response()["model_version"]) == ("echo", "1")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_requests_come_compressed(client: triton.InferenceServerClient, algorithm: str) -> None:
    array = np.arange(1000, dtype=np.float32).reshape(1, -1)
    answer = client.infer("echo", [given("x", array)], request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
    assert answer.as_numpy("double").tolist() == (array * 2).tolist()


def test_outputs_are_those_that_were_asked_for(client: triton.InferenceServerClient) -> None:
    answer = client.infer("echo", [given("x", np.ones((1, 2), np.float32))], outputs=[triton.InferRequestedOutput("total")])
    assert [each["name"] for each in answer.get_response()["outputs"]] == ["total"]
    assert answer.as_numpy("double") is None


@pytest.mark.parametrize(
    ("model", "version", "name", "shape", "output", "status", "told"),
    [
        ("other", "", "x", (1, 2), None, "404", "no model 'other'.*echo"),
        ("echo", "9", "x", (1, 2), None, "404", "no version '9'"),
        ("b c?ü", "", "x", (1, 2), None, "404", "no model 'b c.ü'"),
        ("echo", "", "z", (1, 2), None, "400", "no input 'z'.*x"),
        ("echo", "", "x", (1, 2, 3), None, "400", "has the shape"),
        ("echo", "", "x", (1, 2), "z", "400", "no output 'z'.*double, total"),
        ("table", "", "x", (1, 2), None, "400", "has the shape"),
        ("table", "", "x", (1, 1), None, "400", "does not run with this input"),
    ],
)
def test_the_client_shows_our_errors(
    client: triton.InferenceServerClient, model: str, version: str, name: str, shape: tuple, output: str | None, status: str, told: str
) -> None:
    array = np.full(shape, 77, np.float32)
    outputs = None if output is None else [triton.InferRequestedOutput(output)]
    with pytest.raises(InferenceServerException, match=told) as refused:
        client.infer(model, [given(name, array)], version, outputs)
    assert refused.value.status() == status


def test_the_client_shows_that_models_are_not_managed_over_http(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="not managed over HTTP") as refused:
        client.load_model("echo")
    assert refused.value.status() == "403"


def test_a_tensor_without_numbers_is_answered_or_told(client: triton.InferenceServerClient) -> None:
    try:
        answer = client.infer("echo", [given("x", np.zeros((0, 3), np.float32))])
    except InferenceServerException as refused:
        assert refused.status() == "400"
    else:
        assert answer.as_numpy("double").shape == (0, 3)


def test_a_request_of_bytes_alone_is_one_sample(everything: Server) -> None:
    array = np.arange(4, dtype=np.float32)
    answer = everything.ask("/v2/models/echo/infer", array.tobytes(), method="POST", Inference_Header_Content_Length="0")
    assert answer.status == 200, answer.body
    length = int(answer.headers["inference-header-content-length"])
    assert answer.headers["content-type"] == "application/octet-stream"
    told = json.loads(answer.body[:length])["outputs"]
    assert [each["parameters"]["binary_data_size"] for each in told] == [16, 4]
    assert answer.body[length:] == (array * 2).tobytes() + array.sum().tobytes()


def test_the_content_type_decides_nothing(everything: Server) -> None:
    """`mlserver infer` calls bytes JSON, and the client above sends no type at all."""
    array = np.ones((1, 2), np.float32)
    header = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}]}).encode()
    lengths = {"Inference_Header_Content_Length": str(len(header))}
    for kind in ("application/json", "application/octet-stream", "text/plain"):
        answer = everything.ask("/v2/models/echo/infer", header + array.tobytes(), Content_Type=kind, **lengths)
        assert answer.json["outputs"][1]["data"] == [2]


def test_a_deadline_is_kept(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="took too long") as refused:
        client.infer("slow", [given("x", np.zeros((1, networks.WORK), np.float32))], timeout=1)
    assert refused.value.status() == "504"


def test_the_asynchronous_client_is_served_alike(everything: Server) -> None:
    async def scenario() -> None:
        async with aio.InferenceServerClient(f"127.0.0.1:{everything.port}") as client:
            assert await client.is_server_ready()
            assert "binary_tensor_data" in (await client.get_server_metadata())["extensions"]
            arrays = [np.full((1, 3), number, np.float32) for number in range(32)]
            answers = await asyncio.gather(*(client.infer("echo", [given("x", array)]) for array in arrays))
            assert [answer.as_numpy("total").tolist() for answer in answers] == [[3 * number] for number in range(32)]
            array = np.ones((1, 2), np.float32)
            packed = await client.infer("echo", [given("x", array)], request_compression_algorithm="gzip", request_id="a")
            assert packed.get_response()["id"] == "a"
            with pytest.raises(InferenceServerException, match="no model"):
                await client.infer("other", [given("x", array)])

    asyncio.run(scenario())


def test_of_64_threads_with_mixed_shapes_everybody_gets_the_answer_to_the_own_request(everything: Server) -> None:
    def ask(thread: int) -> int:
        generator = np.random.default_rng(thread)
        with triton.InferenceServerClient(f"127.0.0.1:{everything.port}", network_timeout=60) as own:
            for _ in range(8):
                rows, size = (int(each) for each in generator.integers(1, 6, 2))
                array = generator.normal(size=(rows, size)).astype(np.float32)
                answer = own.infer("echo", [given("x", array, binary=bool(generator.integers(2)))])
                assert answer.as_numpy("double").tobytes() == (array * 2).tobytes()
                np.testing.assert_allclose(answer.as_numpy("total"), array.sum(axis=1), rtol=1e-4, atol=1e-5)
        return thread

    with ThreadPoolExecutor(64) as pool:
        assert sorted(pool.map(ask, range(64))) == list(range(64))


def test_requests_that_are_computed_together_by_threads_get_their_own_answers_too(everything: Server) -> None:
    def ask(number: int) -> None:
        array = np.full((1, networks.WORK), number, np.float32)
        with triton.InferenceServerClient(f"127.0.0.1:{everything.port}", network_timeout=60) as own:
            assert own.infer("slow", [given("x", array)]).as_numpy("same").tobytes() == array.tobytes()

    before = everything.metric("pthway_batch_size_count", model="slow")
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(ask, range(48)))
    assert everything.metric("pthway_batch_size_count", model="slow") == before + 48
    assert everything.metric("pthway_batch_size_sum", model="slow") > before + 48  # some were
