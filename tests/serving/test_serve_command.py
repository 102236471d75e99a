"""``pthway serve`` as a person starts it: what it says, what it refuses, and with which exit code."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pthway
from pthway.errors import UsageError
from tests.serving import networks
from tests.serving.servers import Server, until

Bundles = dict[str, Path]
Start = Callable[..., Server]
DEMO = Path(pthway.__file__).parent / "demo"
CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""Self-signed, with its key, which is therefore no secret."""


def refused(*words: object) -> tuple[int, str]:
    """The exit code and the error of a server that does not start."""
    done = subprocess.run([sys.executable, "-m", "pthway", "serve", *map(str, words)], capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_it_says_what_it_serves_how_long_that_took_and_a_line_to_try_that_works(bundles: Bundles, start: Start) -> None:
    server = start(bundles["echo"])
    text = "\n".join(server.lines)
    assert re.search(r"echo 1: onnxruntime, .*; read \d+\.\d\d s, verify \d+\.\d\d s, warm \d+\.\d\d s; batches of up to \d+, ", text)
    assert f"listening at http://127.0.0.1:{server.port}" in text
    assert re.search(r"ready after \d+\.\d\d s, of which import \d+\.\d\d s", text)
    found = re.search(r"try it: (curl .*)", text)
    assert found is not None
    done = subprocess.run(found[1], shell=True, capture_output=True, text=True, timeout=60)
    assert len(json.loads(done.stdout)["outputs"]["total"]) == 1


def test_the_log_has_a_line_a_request(bundles: Bundles, start: Start) -> None:
    server = start(bundles["echo"])
    server.ask("/predict", {"inputs": [1]}, X_Request_Id="mine")
    server.ask("/no%20where")
    until(lambda: len(server.log) == 2)
    first, second = server.log
    assert {key: first[key] for key in ("id", "method", "path", "status", "model", "batch")} == {
        "id": "mine", "method": "POST", "path": "/predict", "status": 200, "model": "echo:1", "batch": 1,
    }  # fmt: skip
    assert first["milliseconds"] >= first["queue_milliseconds"] >= 0
    assert (second["status"], "model" in second) == (404, False)


@pytest.mark.parametrize(("form", "lines"), [("text", 1), ("off", 0)])
def test_the_log_is_text_or_silent_if_that_was_said(bundles: Bundles, start: Start, form: str, lines: int) -> None:
    server = start(bundles["echo"], log=form)
    server.ask("/a%20%22b%22")
    server.ask("/v2/health/live")
    assert server.stop() == 0
    found = [line for line in server.lines if re.search(r'^\S+ \S+ id=\w+ method=GET path="/a \\"b\\"" status=404 ', line)]
    assert len(found) == lines
    assert len([line for line in server.lines if "path=/v2/health/live" in line]) == lines


def test_the_numbers_of_all_workers_are_told_by_any_of_them(bundles: Bundles, start: Start) -> None:
    server = start(bundles["echo"], workers=2)
    for _ in range(30):
        assert server.ask("/predict", {"inputs": [1]}).status == 200
    assert {server.metric("pthway_requests_total", model="echo", status="200") for _ in range(8)} == {30}
    assert server.metric("pthway_model", model="echo") == 1


def test_a_weights_file_is_packed_and_served(start: Start, tmp_path: Path) -> None:
    server = start(DEMO / "digits.pth", arch=f"{DEMO / 'digitnet.py'}:DigitNet", environment={"TMPDIR": str(tmp_path)})
    image = (DEMO / "images" / "0_three.png").read_bytes()
    answer = server.ask("/predict", image, method="PUT")
    model = pthway.load(DEMO / "digits.pth", f"{DEMO / 'digitnet.py'}:DigitNet")
    expected = model.predict(DEMO / "images" / "0_three.png")
    np.testing.assert_allclose(answer.json["outputs"]["output"], expected.array, rtol=1e-4, atol=1e-4)
    assert any(line.startswith("packing: ") for line in server.lines)
    assert len([*tmp_path.glob("pthway-*/digits.bundle")]) == 1
    assert server.stop() == 0
    assert [*tmp_path.glob("pthway-*")] == []


def test_a_model_that_cannot_be_served_ends_the_server_with_its_error(bundles: Bundles, tmp_path: Path) -> None:
    broken = networks.write(tmp_path, networks.echo(), name="broken")
    (broken / "model.onnx").write_bytes(b"no model")
    for workers in (1, 2):
        code, text = refused(bundles["echo"], broken, "--port=0", f"--workers={workers}", "--log=off")
        assert (code, "was changed since it was packed: model.onnx" in text) == (3, True)
    code, text = refused(tmp_path / "absent.bundle", "--port=0")
    assert (code, "There is no bundle" in text) == (3, True)


def test_a_port_that_somebody_has_is_refused(bundles: Bundles) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = refused(bundles["echo"], f"--port={taken.getsockname()[1]}")
    assert (code, "Address already in use" in text) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--arch", "model.py:Net"], "--arch is given with bundles"),
        (["--tls-cert", "a.pem"], "Only one of --tls-cert and --tls-key"),
        (["--tls-cert", "absent.pem", "--tls-key", "absent.pem"], "absent.pem cannot be used"),
        (["--api-key-file", "absent.txt"], "absent.txt cannot be read"),
        (["--api-key-file", os.devnull], "holds no key"),
        (["--timeout", "-1"], "timeout is -1"),
        (["--port", "99999"], "99999"),
        (["--host", "nowhere.invalid"], "cannot be listened at"),
        (["--threads", "100000"], "threads is 100000"),
        (["--runtime", "abacus"], "no program for 'abacus'"),
    ],
)
def test_what_cannot_be_meant_is_refused(bundles: Bundles, words: list[str], told: str) -> None:
    code, text = refused(bundles["echo"], *([] if "--port" in words else ["--port=0"]), *words)
    assert (code, told in text) == (2, True), text


def test_a_weights_file_is_served_alone(bundles: Bundles) -> None:
    code, text = refused(bundles["echo"], DEMO / "digits.pth")
    assert (code, "no bundle, and it is not alone" in text) == (2, True)


def test_keys_come_from_a_file_and_from_the_environment(bundles: Bundles, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("first\n\n second \n")
    server = start(bundles["echo"], api_key_file=file, environment={"PTHWAY_API_KEYS": "third, fourth"})
    assert server.ask("/models").status == 401
    for key in ("first", "second", "third", "fourth"):
        assert server.ask("/models", Authorization=f"Bearer {key}").status == 200
    assert "try it: curl -H 'Authorization: Bearer KEY' " in "\n".join(server.lines)


@pytest.mark.parametrize(("key", "warned"), [(None, True), ("secret", False)])
def test_whoever_listens_beyond_this_machine_without_a_key_is_warned(bundles: Bundles, start: Start, key: str | None, warned: bool) -> None:
    server = start(bundles["echo"], host="0.0.0.0", environment={"PTHWAY_API_KEYS": key or ""})
    assert any("asks for no API key" in line for line in server.lines) is warned


def test_names_and_origins_that_are_allowed_are_allowed(bundles: Bundles, start: Start) -> None:
    server = start(bundles["echo"], allow_host="model.example", allow_origin="https://good.example", max_body=1, batch=1, queue=3)
    assert server.ask("/models", Host="model.example").json[0]["largest_batch"] == 1
    assert server.ask("/models", Host="evil.example").status == 421
    assert server.ask("/models", Origin="https://good.example").status == 200
    assert server.ask("/predict", bytes((1 << 20) + 1)).status == 413


def test_it_speaks_tls(bundles: Bundles, start: Start) -> None:
    server = start(bundles["echo"], tls_cert=CERTIFICATE, tls_key=CERTIFICATE)
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    with urllib.request.urlopen(f"https://localhost:{server.port}/v2/health/ready", context=trusted, timeout=60) as answer:
        assert answer.status == 200
    assert f"https://127.0.0.1:{server.port}" in "\n".join(server.lines)


def test_it_is_there_from_python_too(bundles: Bundles) -> None:
    app = pthway.create_app(bundles["echo"], settings=pthway.ServerSettings(queue=7))
    assert callable(app)
    with pytest.raises(UsageError, match="queue is 0"):
        pthway.serve(bundles["echo"], settings=pthway.ServerSettings(queue=0))
