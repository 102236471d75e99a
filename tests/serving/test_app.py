"""The application without a socket: what each path answers, and that every error is told in one form."""

import asyncio
import gzip
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pthway.serving import Settings, create_app
from pthway.serving.hosted import host
from tests.serving import networks
from tests.serving.in_process import Client, started, with_client
from tests.serving.servers import Answer, inference

X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
Bundles = dict[str, Path]


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def form(name: str, data: bytes) -> bytes:
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="a.npy"\r\n\r\n'.encode() + data + b"\r\n--edge--\r\n"


JSON = {"content_type": "application/json"}
BODIES: dict[str, tuple[Any, dict[str, str]]] = {
    "json": ({"inputs": X.tolist()}, JSON),
    "json by name": ({"inputs": {"x": X.tolist()}}, JSON),
    "json without the word inputs": ({"x": X.tolist()}, JSON),
    "json as curl -d sends it": ({"inputs": X.tolist()}, {"content_type": "application/x-www-form-urlencoded"}),
    "json of whole numbers": ({"inputs": X.astype(int).tolist()}, {}),
    "npy": (npy(X), {}),
    "npy of float64": (npy(X.astype(np.float64)), {}),
    "csv": (b"1,2,3\n4,5,6\n", {"content_type": "text/csv"}),
    "a form": (form("x", npy(X)), {"content_type": "multipart/form-data; boundary=edge"}),
    "a form with any name": (form("file", npy(X)), {"content_type": "multipart/form-data; boundary=edge"}),
    "gzip": (gzip.compress(json.dumps({"inputs": X.tolist()}).encode()), {"content_encoding": "gzip"}),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_plain_request_is_answered_whatever_form_it_has(bundles: Bundles, case: str) -> None:
    body, headers = BODIES[case]

    async def scenario(client: Client) -> None:
        for path in ("/predict", "/models/echo/predict", "/models/echo/versions/1/predict", "/predictions/echo", "/predictions/echo/1"):
            answer = await client.ask(path, body, **headers)
            assert answer.status == 200, answer.body
            assert answer.json["outputs"] == {"double": (X * 2).tolist(), "total": [6, 15]}
            assert (answer.json["model"], answer.json["version"]) == ("echo", "1")

    with_client(scenario, bundles["echo"])


def test_one_sample_is_answered_as_one_and_a_body_may_come_byte_by_byte(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        data = json.dumps({"inputs": [1, 2, 3]}).encode()
        answer = await client.ask("/predict", parts=[bytes([byte]) for byte in data])
        assert answer.json["outputs"]["total"] == [6]

    with_client(scenario, bundles["echo"])


def test_an_image_is_the_body_itself(bundles: Bundles) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")

    async def scenario(client: Client) -> None:
        answer = await client.ask("/predict", stream.getvalue(), method="PUT")
        np.testing.assert_allclose(answer.json["outputs"]["y"][0], (pixels / 255).mean(axis=(0, 1)), rtol=1e-5)

    with_client(scenario, bundles["picture"])


def test_an_answer_comes_as_npy_or_csv_to_whom_asks_for_it(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.ask("/predict", {"inputs": [[1], [2]]}, accept="application/x-npy")
        assert np.load(io.BytesIO(answer.body)).tolist() == [1, 2]
        assert answer.headers["content-type"] == "application/x-npy"
        answer = await client.ask("/predict", {"inputs": [[1], [2]]}, accept="text/csv;q=0.9")
        assert answer.headers["content-type"] == "text/csv"
        assert [line.split(",")[-1] for line in answer.body.decode().split()[1:]] == ["1.0", "2.0"]
        answer = await client.ask("/predict", {"inputs": [[1], [2]]}, accept="image/png")
        assert answer.status == 406

    with_client(scenario, bundles["folding"])


def test_large_whole_numbers_lose_nothing_on_the_way(bundles: Bundles, tmp_path: Path) -> None:
    one = networks.mirror()
    int64 = one._replace(nodes=[one.nodes[8]], inputs=[one.inputs[8]], outputs=[one.outputs[8]])
    int64 = int64._replace(sample=lambda generator, count: {"int64": generator.integers(0, 9, (count, 2))})
    bundle = networks.write(tmp_path, int64, name="whole")

    async def scenario(client: Client) -> None:
        numbers = [[2**24 + 1, 2**62 + 1]]
        assert (await client.ask("/predict", {"inputs": numbers})).json["outputs"]["same_int64"] == numbers

    with_client(scenario, bundle)


REFUSED: dict[str, tuple[int, str, Any, dict[str, str]]] = {
    "no body": (400, "has no body", b"", {}),
    "broken json": (400, "line 1", b'{"inputs": [1,', JSON),
    "lists of other lengths": (400, "", {"inputs": [[1, 2], [3]]}, JSON),
    "another shape": (400, "has the shape", {"inputs": [[[1]]]}, JSON),
    "text": (400, "", {"inputs": ["one"]}, JSON),
    "null": (400, "", {"inputs": [None]}, JSON),
    "a number too large for float32": (400, "1e\\+39", {"inputs": [[1e39]]}, JSON),
    "NaN as JSON": (400, "NaN", b'{"inputs": [NaN]}', JSON),
    "another input": (400, "z unknown", {"inputs": {"z": [1]}}, JSON),
    "a deep list": (413, "nested too deeply", b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", JSON),
    "a deep object": (413, "nested too deeply", b'{"a": ' * 50_000 + b"}" * 50_000, JSON),
    "a number of thousands of digits": (400, "digits", b'{"inputs": [' + b"9" * 5000 + b"]}", JSON),
    "a pickle": (400, "", b"\x80\x04K\x01.", {}),
    "a npy of objects": (400, "objects", npy(np.array([[1]])).replace(b"<i8", b"|O8"), {}),
    "a npy that promises more": (400, "declares", npy(X)[:-4], {}),
    "no form": (400, "form", b"x", {"content_type": "multipart/form-data"}),
    "an empty form": (400, "0 parts", b"--edge--\r\n", {"content_type": "multipart/form-data; boundary=edge"}),
    "no gzip": (400, "no gzip stream", b"plain", {"content_encoding": "gzip"}),
    "brotli": (415, "encoded as br", b"x", {"content_encoding": "br"}),
    "a timeout that is none": (400, "X-Timeout", {"inputs": [1]}, {"x_timeout": "soon"}),
    "a timeout of nan": (400, "X-Timeout", {"inputs": [1]}, {"x_timeout": "nan"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_predicted_is_refused_with_what_why_and_fix(bundles: Bundles, case: str) -> None:
    status, told, body, headers = REFUSED[case]

    async def scenario(client: Client) -> None:
        is_error(await client.ask("/predict", body, **headers), status, told)

    with_client(scenario, bundles["echo"])


def is_error(answer: Answer, status: int, told: str = "") -> None:
    """The one form of every error, with the headers of every answer."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.json.keys() == {"error"}
    assert re.search(told, answer.json["error"]), answer.json
    assert "Traceback" not in answer.json["error"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/nothing", 404, "nothing at '/nothing'"),
        ("GET", "/v2/models/echo/nothing", 404, "nothing at"),
        ("GET", "/page/../server.py", 404, "nothing at"),
        ("GET", "/page/..%2Fserver.py", 404, "no such file"),
        ("GET", "/v2/models/other", 404, "no model 'other'.*echo"),
        ("GET", "/v2/models/echo/versions/9", 404, "no version '9'.*1"),
        ("GET", "/predict", 405, "does not take GET.*POST or PUT"),
        ("DELETE", "/v2", 405, "does not take DELETE"),
        ("PUT", "/v2/models/echo/infer", 405, "POST"),
        ("OPTIONS", "/predict", 405, "does not take OPTIONS"),
        ("POST", "/v2/repository/models/echo/load", 403, "not managed over HTTP"),
        ("POST", "/v2/repository/models/echo/unload", 403, "not managed over HTTP"),
        ("POST", "/predictions/other", 404, "no model"),
    ],
)
def test_a_path_or_method_that_is_not_there_is_told(bundles: Bundles, method: str, path: str, status: int, told: str) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.ask(path, method=method)
        is_error(answer, status, told)
        assert ("allow" in answer.headers) == (status == 405)

    with_client(scenario, bundles["echo"])


def test_several_models_are_told_apart_and_the_newest_version_is_the_one_meant(tmp_path: Path) -> None:
    paths = [networks.write(tmp_path, networks.echo(), name="echo", version=version) for version in ("9", "10", "1.2-rc1")]
    paths.append(networks.write(tmp_path, networks.folding(), name="folding"))

    async def scenario(client: Client) -> None:
        is_error(await client.ask("/predict", {"inputs": [1]}), 404, "Several models.*echo, folding")
        assert (await client.ask("/models/echo/predict", {"inputs": [1]})).json["version"] == "10"
        assert (await client.ask("/models/echo/versions/9/predict", {"inputs": [1]})).json["version"] == "9"
        assert (await client.ask("/v2/models/echo")).json["versions"] == ["9", "10", "1.2-rc1"]
        index = (await client.ask("/v2/repository/index", b"", method="POST")).json
        assert [(each["name"], each["version"], each["state"]) for each in index] == [
            ("echo", "9", "READY"), ("echo", "10", "READY"), ("echo", "1.2-rc1", "READY"), ("folding", "1", "READY"),
        ]  # fmt: skip

    with_client(scenario, *paths)


def test_a_model_whose_samples_depend_on_one_another_is_never_batched(bundles: Bundles) -> None:
    hosted = host(bundles["relative"], Settings())
    assert hosted.curve.largest == 1
    assert "depends on the others of its batch" in hosted.curve.reason

    async def scenario(client: Client) -> None:
        answers = await asyncio.gather(*(client.ask("/predict", {"inputs": [[1, 2, value]]}) for value in range(8)))
        assert {tuple(answer.json["outputs"]["y"][0]) for answer in answers} == {(0, 0, 0)}

    with_client(scenario, bundles["relative"])


def test_batching_can_be_bounded_and_switched_off(bundles: Bundles) -> None:
    assert max(host(bundles["echo"], Settings(largest_batch=4)).curve.seconds) == 4
    off = host(bundles["echo"], Settings(largest_batch=1)).curve
    assert (off.largest, off.reason) == (1, "batching was switched off")


def test_an_input_that_the_network_fails_on_fails_alone(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        rows = [3, 99, 5]
        answers = await asyncio.gather(*(client.ask("/predict", {"inputs": [[row]]}) for row in rows))
        is_error(answers[1], 400, "does not run with this input")
        assert [answers[index].json["outputs"]["y"] for index in (0, 2)] == [[[9]], [[25]]]

    with_client(scenario, bundles["table"])


def test_a_network_that_folds_samples_together_is_told_and_not_parted_wrongly(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        answers = await asyncio.gather(*(client.ask("/predict", {"inputs": [[1.0] * size]}) for size in (1, 2, 1)))
        assert [answer.status for answer in answers] == [200, 400, 200]
        is_error(answers[1], 400, "one answer a sample")

    with_client(scenario, bundles["folding"])


def test_a_request_without_an_answer_in_time_is_given_up(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        body = {"inputs": np.zeros(networks.WORK).tolist()}
        is_error(await client.ask("/predict", body, x_timeout="0.000001"), 504, "took too long")
        request = inference(x=np.zeros((1, networks.WORK), np.float32)) | {"parameters": {"timeout": 1}}
        is_error(await client.ask("/v2/models/slow/infer", request), 504, "took too long")
        assert (await client.ask("/predict", body)).status == 200

    with_client(scenario, bundles["slow"], largest_batch=2)


@pytest.mark.parametrize("path", ["/predict", "/v2/models/slow/infer"])
def test_no_request_may_allow_itself_more_time_than_the_server_does(bundles: Bundles, path: str) -> None:
    async def scenario(client: Client) -> None:
        request = inference(x=np.zeros((1, networks.WORK), np.float32)) | {"parameters": {"timeout": 10**9}}
        body = request if "infer" in path else {"inputs": np.zeros(networks.WORK).tolist()}
        is_error(await client.ask(path, body, x_timeout="1000"), 504, "within 1e-06 s")

    with_client(scenario, bundles["slow"], timeout=1e-6, largest_batch=1)


def test_a_full_queue_refuses_before_it_reads(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        body = {"inputs": np.zeros(networks.WORK).tolist()}
        answers = await asyncio.gather(*(client.ask("/predict", body) for _ in range(40)))
        refused = [answer for answer in answers if answer.status != 200]
        assert 0 < len(refused) < 40
        for answer in refused:
            is_error(answer, 503, "as many requests waiting as it may")
            assert int(answer.headers["retry-after"]) >= 1

    with_client(scenario, bundles["slow"], queue=4, largest_batch=2)


def test_keys_are_asked_for_except_by_the_health_of_the_server_and_its_page(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        for path in ("/v2/health/live", "/v2/health/ready", "/ping", "/", "/page/style.css"):
            assert (await client.ask(path)).status == 200
        for path in ("/models", "/metrics", "/openapi.json", "/v2", "/v2/models/echo", "/v2/models/echo/ready"):
            is_error(await client.ask(path), 401, "no valid API key")
            assert (await client.ask(path, authorization="Bearer secret")).status == 200
        is_error(await client.ask("/predict", {"inputs": [1]}), 401)
        assert (await client.ask("/predict", {"inputs": [1]}, x_api_key="secret")).status == 200

    with_client(scenario, bundles["echo"], keys=("secret",))


def test_other_hosts_and_pages_are_refused_but_health_is_told_to_everybody(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        is_error(await client.ask("/models", host="evil.example"), 421)
        is_error(await client.ask("/models", origin="https://evil.example"), 403)
        is_error(await client.ask("/models", origin="http://["), 403)
        assert (await client.ask("/v2/health/ready", host="10.0.0.7:8000")).status == 200

    with_client(scenario, bundles["echo"])


def test_an_allowed_page_may_ask_beforehand_and_read_the_answer_and_no_other_may(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        good = "https://good.example"
        asked = await client.ask("/predict", method="OPTIONS", origin=good)
        assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, good)
        assert "POST" in asked.headers["access-control-allow-methods"]
        answer = await client.ask("/predict", {"inputs": [1]}, origin=good)
        assert (answer.status, answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (200, good, "origin")
        other = await client.ask("/predict", {"inputs": [1]}, origin="https://evil.example")
        assert other.status == 403
        assert "access-control-allow-origin" not in other.headers

    with_client(scenario, bundles["echo"], origins=("https://good.example",))


def test_every_answer_bears_its_id_its_times_and_the_headers_of_safety(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.ask("/predict", {"inputs": [1]}, x_request_id="mine-7")
        assert answer.headers["x-request-id"] == "mine-7"
        times = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
        assert times.keys() == {"queue", "compute", "total"}
        assert float(times["total"]) >= float(times["compute"]) > 0
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await client.ask("/nothing", x_request_id="a b")).headers["x-request-id"] != "a b"

    with_client(scenario, bundles["echo"])


def test_metrics_count_what_was_asked_by_what_became_of_it(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        for _ in range(3):
            await client.ask("/predict", {"inputs": [1, 2]})
        await client.ask("/predict", {"inputs": "x"})
        await client.ask("/nowhere")
        text = (await client.ask("/metrics")).body.decode().splitlines()
        told = dict(line.rsplit(" ", 1) for line in text if not line.startswith("#"))
        assert told['pthway_requests_total{model="echo",status="200",version="1"}'] == "3.0"
        assert told['pthway_requests_total{model="echo",status="400",version="1"}'] == "1.0"
        assert told['pthway_requests_total{model="",status="404",version=""}'] == "1.0"
        assert told['pthway_request_seconds_count{model="echo"}'] == "4.0"
        for name in ("queue_seconds", "compute_seconds", "batch_size"):
            assert told[f'pthway_{name}_count{{model="echo"}}'] == "3.0"
        assert told['pthway_batch_size_sum{model="echo"}'] == "3.0"
        assert told["pthway_in_flight"] == "1.0"
        assert any(line.startswith('pthway_model{digest="') and line.endswith("} 1.0") for line in text)

    with_client(scenario, bundles["echo"])


def test_examples_of_the_description_work_when_they_are_pasted(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        paths = (await client.ask("/openapi.json")).json["paths"]
        example = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = await client.ask("/predict", example)
        assert answer.status == 200
        np.testing.assert_allclose(answer.json["outputs"]["double"], np.array(example["inputs"]) * 2, rtol=1e-6)

    with_client(scenario, bundles["echo"])


def test_inputs_of_every_type_are_described(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        paths = (await client.ask("/openapi.json")).json["paths"]
        schema = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        kinds = {name: each["items"]["items"]["type"] for name, each in schema["properties"]["inputs"]["properties"].items()}
        assert (kinds["bool"], kinds["uint8"], kinds["int16"], kinds["fp64"]) == ("boolean", "integer", "integer", "number")

    with_client(scenario, bundles["mirror"])


def test_while_models_are_loading_the_server_lives_and_is_not_ready(bundles: Bundles) -> None:
    async def scenario() -> None:
        async with started(create_app(bundles["echo"], settings=Settings(log="off"))) as client:
            assert (await client.ask("/v2/health/live")).status == 200
            for path in ("/v2/health/ready", "/ping", "/v2/models/echo/ready", "/models"):
                answer = await client.ask(path)
                is_error(answer, 503, "not ready")
                assert answer.headers["retry-after"] == "1"

    asyncio.run(scenario())


def test_a_server_whose_model_cannot_be_loaded_does_not_live(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with started(create_app(tmp_path / "absent.bundle", settings=Settings(log="off"))) as client:
            while client.app.failure is None:
                await asyncio.sleep(0.01)
            is_error(await client.ask("/v2/health/live"), 503, "cannot be served")
            is_error(await client.ask("/v2/health/ready"), 503)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_two_bundles_of_one_name_and_version_cannot_be_served(bundles: Bundles, tmp_path: Path) -> None:
    again = networks.write(tmp_path, networks.echo(), name="echo")

    async def scenario() -> None:
        async with started(create_app(bundles["echo"], again, settings=Settings(log="off"))) as client:
            while client.app.failure is None:
                await asyncio.sleep(0.01)
            assert "Two bundles are echo version 1" in str(client.app.failure)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_bundle_that_changed_is_served_anew_without_a_request_failing(tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.echo(), name="model")

    async def scenario(client: Client) -> None:
        statuses: list[int] = []
        going = True

        async def ask() -> None:
            while going:
                statuses.append((await client.ask("/predict", {"inputs": [1]})).status)
                await asyncio.sleep(0)

        asking = asyncio.ensure_future(ask())
        before = (await client.ask("/models")).json[0]["digest"]
        networks.write(tmp_path, networks.folding(), name="model")
        await client.app.models.reload()
        after = (await client.ask("/models")).json[0]["digest"]
        going = False
        await asking
        assert before != after
        assert (await client.ask("/predict", {"inputs": [5]})).json["outputs"] == {"y": [5]}
        assert set(statuses) == {200}
        metrics = (await client.ask("/metrics")).body.decode()
        assert f'digest="{before[:12]}",model="model",runtime="onnxruntime",version="1"}} 0.0' in metrics
        assert f'digest="{after[:12]}",model="model",runtime="onnxruntime",version="1"}} 1.0' in metrics

    with_client(scenario, path)


@pytest.mark.parametrize("harm", ["broken", "gone", "same name as another"])
def test_a_bundle_that_changed_for_the_worse_leaves_the_old_one_in_service(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = networks.write(tmp_path, networks.echo(), name="model")
    other = networks.write(tmp_path, networks.echo(), name="other")

    async def scenario(client: Client) -> None:
        if harm == "gone":
            shutil.rmtree(path)
        elif harm == "broken":
            (path / "manifest.json").write_text("{}")
        else:
            shutil.rmtree(path)
            shutil.copytree(other, path)
        await client.app.models.reload()
        assert (await client.ask("/models/model/predict", {"inputs": [1]})).status == 200
        assert (await client.ask("/models/other/predict", {"inputs": [1]})).status == 200
        assert ("stays as it was" in caplog.text) == (harm != "gone")

    with_client(scenario, path, other)


def test_a_model_that_is_replaced_waits_for_those_who_use_it(bundles: Bundles) -> None:
    async def scenario() -> None:
        hosted = host(bundles["echo"], Settings())
        with hosted.used():
            closing = asyncio.ensure_future(hosted.close())
            await asyncio.sleep(0.01)
            assert not closing.done()
        await asyncio.wait_for(closing, 30)

    asyncio.run(scenario())


def test_a_server_that_stops_finishes_what_it_accepted_and_refuses_the_rest(bundles: Bundles) -> None:
    async def scenario(client: Client) -> None:
        body = {"inputs": np.ones(networks.WORK).tolist()}
        accepted = [asyncio.ensure_future(client.ask("/predict", body)) for _ in range(4)]
        await asyncio.sleep(0.01)
        draining = asyncio.ensure_future(client.app.drain())
        await asyncio.sleep(0)
        refused = await client.ask("/predict", body)
        is_error(refused, 503, "stopping")
        assert refused.headers["connection"] == "close"
        is_error(await client.ask("/v2/health/ready"), 503, "stopping")
        assert (await client.ask("/v2/health/live")).status == 200
        assert [(await each).status for each in accepted] == [200] * 4
        await draining

    with_client(scenario, bundles["slow"], largest_batch=2)
