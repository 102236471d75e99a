"""What the benchmarks of runtimes run in child processes; like ways.py, but a child lives on and measures when it is asked to.

python answering.py pack NETWORK FOLDER
python answering.py tune FOLDER
python answering.py serve eager|session NETWORK FOLDER     then one JSON line for each line "BATCH SECONDS" of its input
python answering.py overhead FOLDER
python answering.py idle FOLDER
python answering.py parts FOLDER
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

SEED = 0
LEAST_CALLS = 3
OVERHEAD_ROUNDS = 4000
WARM_UP = 200
IDLE_CALLS = 400
IDLE_SECONDS = 0.005

TORCH_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[3])
import torch
from deployed import NETWORKS
network, shape = NETWORKS[sys.argv[1]]
model = network()
model.load_state_dict(torch.load(sys.argv[2] + "/weights.pth", weights_only=True))
model.eval()
with torch.inference_mode():
    print(model(torch.ones(1, *shape)).flatten()[0].item())
"""
"""The usual way to one answer."""
SESSION_SCRIPT = """
import sys
import numpy as np, pthway
session = pthway.open_session(sys.argv[1] + "/network.bundle", runtime="onnxruntime", verify=sys.argv[2])
print(session.predict(np.load(sys.argv[1] + "/one.npy")).array.flat[0])
"""
"""The same with a bundle, as somebody would write it."""


def pack(name: str, folder: str) -> None:
    """Pack a network with random weights, and write them as torch does."""
    torch, numpy, deployed, pthway = map(import_module, ("torch", "numpy", "deployed", "pthway"))
    torch.manual_seed(SEED)
    network, shape = deployed.NETWORKS[name]
    torch.save(network().state_dict(), f"{folder}/weights.pth")
    example = numpy.random.default_rng(SEED).standard_normal((8, *shape), dtype=numpy.float32)
    numpy.save(f"{folder}/one.npy", example[:1])
    pthway.pack(pthway.load(f"{folder}/weights.pth", network), f"{folder}/network.bundle", example=example)


def tune(folder: str) -> None:
    """Tune the bundle for twenty seconds; the result goes where XDG_CACHE_HOME says."""
    import_module("pthway").tune(f"{folder}/network.bundle", budget=20)


def serve(way: str, name: str, folder: str) -> None:
    """Answer each line ``BATCH SECONDS`` with what calls with so many samples took, the first of them not counted."""
    call, told = {"eager": _eager, "session": _session}[way](name, folder)
    print(json.dumps({"ready": told}), flush=True)
    for line in sys.stdin:
        batch, seconds = line.split()
        print(json.dumps(_called(call(int(batch)), float(seconds))), flush=True)


def _called(call: Callable[[], object], seconds: float) -> dict[str, float]:
    call()
    end = time.perf_counter() + seconds
    times: list[float] = []
    while len(times) < LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return {"median": median(times), "p99": sorted(times)[int(0.99 * len(times))], "calls": len(times)}


def _eager(name: str, folder: str) -> tuple[Callable[[int], Callable[[], object]], str]:
    torch, deployed = import_module("torch"), import_module("deployed")
    network, shape = deployed.NETWORKS[name]
    model = network()
    model.load_state_dict(torch.load(f"{folder}/weights.pth", weights_only=True))
    model.eval()

    def of(batch: int) -> Callable[[], object]:
        x = torch.randn(batch, *shape)

        def call() -> object:
            with torch.inference_mode():
                return model(x)

        return call

    return of, f"eager, {torch.get_num_threads()} threads"


def _session(_: str, folder: str, runtime: str | None = None) -> tuple[Callable[[int], Callable[[], object]], str]:
    numpy, pthway = import_module("numpy"), import_module("pthway")
    session = pthway.open_session(f"{folder}/network.bundle", runtime=runtime)
    only, one = session.signature.inputs[0], numpy.load(f"{folder}/one.npy")

    def of(batch: int) -> Callable[[], object]:
        x = numpy.repeat(one, batch, axis=0)
        return lambda: session.run({only.name: x})

    return of, repr(session)


def overhead(folder: str) -> None:
    """Seconds of ONNX Runtime's own call, of `Session.run` and of `predict` with one sample, in turn."""
    numpy, onnxruntime, pthway = map(import_module, ("numpy", "onnxruntime", "pthway"))
    session = pthway.open_session(f"{folder}/network.bundle", runtime="onnxruntime", threads=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    bare = onnxruntime.InferenceSession(f"{folder}/network.bundle/model.onnx", options, providers=["CPUExecutionProvider"])
    only, outputs = session.signature.inputs[0], [each.name for each in bare.get_outputs()]
    x = numpy.load(f"{folder}/one.npy")
    ways: dict[str, Callable[[], object]] = {
        "onnxruntime": lambda: bare.run(outputs, {only.name: x}),
        "run": lambda: session.run({only.name: x}),
        "predict": lambda: session.predict(x),
        "predict_one_sample": lambda: session.predict(x[0]),
    }
    samples: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(WARM_UP + OVERHEAD_ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn >= WARM_UP:
                samples[name].append(time.perf_counter() - start)
    print(json.dumps(samples))


def idle(folder: str) -> None:
    """Processor seconds of this process for each call of ONNX Runtime where one comes each 5 ms, with threads that spin and that do not."""
    numpy, onnxruntime = import_module("numpy"), import_module("onnxruntime")
    x, found = numpy.load(f"{folder}/one.npy"), {}
    for way, spin in (("asleep", "0"), ("spinning", "1")):
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", spin)
        session = onnxruntime.InferenceSession(f"{folder}/network.bundle/model.onnx", options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x}
        start = time.process_time()
        for _ in range(IDLE_CALLS):
            session.run(None, feed)
            time.sleep(IDLE_SECONDS)
        found[way] = (time.process_time() - start) / IDLE_CALLS
        del session  # and its threads
    print(json.dumps(found))


def parts(folder: str) -> None:
    """Where the seconds of a cold start go, from the first line of this process on."""
    marks: list[tuple[str, float]] = [("", time.perf_counter())]

    def mark(name: str) -> None:
        marks.append((name, time.perf_counter()))

    numpy = import_module("numpy")
    mark("import numpy")
    runtime = import_module("pthway.runtime.session")
    mark("import pthway")
    bundle = import_module("pthway.bundle").open_bundle(f"{folder}/network.bundle")
    mark("check every file")
    import_module("pthway.runtime.onnx_runtime")
    mark("import onnxruntime")
    records = bundle.records()
    program = next(each for each in bundle.manifest.programs if each.runtime == "onnxruntime")
    runner_module, verification = import_module("pthway.runtime.runner"), import_module("pthway.runtime.verification")
    runner = runner_module.start(bundle, program, runner_module.Settings(import_module("pthway.bundle.environment").available_cores()))
    mark("load the program")
    result: Any = verification.verified(bundle.manifest, program, runner, records)
    mark("verify")
    session = runtime.Session(bundle, program, runner, result, "measured")
    session.predict(numpy.load(f"{folder}/one.npy"))
    mark("predict")
    print(json.dumps({name: then - before for (_, before), (name, then) in pairwise(marks)}))


def hold(way: str, name: str, folder: str) -> None:
    """Answer once, say so, and stay until the input ends: for looking at its memory from without."""
    call, told = _eager(name, folder) if way == "eager" else _session(name, folder, way)
    call(1)()
    print(json.dumps({"ready": told}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    {"pack": pack, "tune": tune, "serve": serve, "overhead": overhead, "idle": idle, "parts": parts, "hold": hold}[sys.argv[1]](
        *sys.argv[2:]
    )
