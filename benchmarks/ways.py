"""What the benchmarks run in child processes: one way of doing a thing, measured from within, told as JSON on stdout.

Heavy packages are imported by `import_module` where they are needed, because how long that takes is measured too.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

BIG_NETWORK = f"{Path(__file__).with_name('big_network.py')}:BigNetwork"
WARM_UP = 50
ROUNDS = 3000


def write(path: str) -> dict[str, float]:
    """Write the state dict of a `BigNetwork` with fresh random weights to *path*."""
    torch, big_network = import_module("torch"), import_module("big_network")
    torch.manual_seed(0)
    start = time.perf_counter()
    torch.save(big_network.BigNetwork(big_network.WIDTH, big_network.CLASSES).state_dict(), path)
    return {"write": time.perf_counter() - start}


def write_large(path: str) -> dict[str, float]:
    """Write four gigabytes of random numbers in 64 tensors to *path*."""
    torch = import_module("torch")
    block = torch.randn(4096, 4096)
    start = time.perf_counter()
    torch.save({f"layers.{number}.weight": block.clone() for number in range(64)}, path)
    return {"write": time.perf_counter() - start}


def write_many(path: str) -> dict[str, float]:
    """Write as many tensors of as many numbers as the name of *path* says, such as ``100x2.pth``."""
    torch = import_module("torch")
    count, numbers = map(int, Path(path).stem.split("x"))
    start = time.perf_counter()
    torch.save({f"layers.{number}.weight": torch.zeros(numbers) for number in range(count)}, path)
    return {"write": time.perf_counter() - start}


def openings(path: str) -> dict[str, list[float]]:
    """Seconds of the processor that each opening took: several, and as many as go into three seconds."""
    opened, samples = import_module("pthway").open, []
    while len(samples) < 3 or (sum(samples) < 3 and len(samples) < 200):
        start = time.process_time()
        opened(path)
        samples.append(time.process_time() - start)
    return {"openings": samples}


def by_hand(path: str) -> dict[str, float]:
    """The common idiom: unpickle, construct, copy."""
    start = time.perf_counter()
    torch, big_network = import_module("torch"), import_module("big_network")
    clock = _Clock(start)
    module = big_network.BigNetwork(big_network.WIDTH, big_network.CLASSES)
    module.load_state_dict(torch.load(path))
    module.eval()
    return clock.loaded(module)


def given(path: str) -> dict[str, float]:
    """The same in one call of pthway."""
    start = time.perf_counter()
    load, big_network = import_module("pthway").load, import_module("big_network")
    clock = _Clock(start)
    return clock.loaded(load(path, big_network.BigNetwork, width=big_network.WIDTH, num_classes=big_network.CLASSES).module)


def solved(path: str) -> dict[str, float]:
    """The same without the constructor's arguments, which pthway has to find out."""
    start = time.perf_counter()
    load, big_network = import_module("pthway").load, import_module("big_network")
    clock = _Clock(start)
    return clock.loaded(load(path, big_network.BigNetwork).module)


def opened(path: str) -> dict[str, Any]:
    """Opening a file, and describing it in both forms: seconds of the processor, and the refusal if there is one."""
    dumps, pthway, report = json.dumps, import_module("pthway"), import_module("pthway.checkpoint.summary").report
    start = time.process_time()
    try:
        checkpoint = pthway.open(path)
        str(checkpoint)
        dumps(report(checkpoint), default=str)
        outcome = "described"
    except pthway.PthwayError as refusal:
        outcome = type(refusal).__name__
    return {"open": time.process_time() - start, "outcome": outcome}


def predictions(path: str) -> dict[str, list[float]]:
    """Seconds of calls with one row of 784 numbers, in turn: the bare module, a script's lines, predict with a tensor and an array."""
    numpy, torch, load = import_module("numpy"), import_module("torch"), import_module("pthway").load
    torch.set_num_threads(1)
    model = load(path, f"{Path(path).with_name('model.py')}:SimpleMLP")
    module, array = model.module, numpy.random.default_rng(0).random((1, 784), dtype=numpy.float32)
    tensor = torch.from_numpy(array)

    def script() -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(array)).numpy()

    ways: dict[str, Callable[[], object]] = {
        "module": lambda: module(tensor),
        "module_inside_inference_mode": lambda: module(tensor),
        "script": script,
        "predict_tensor": lambda: model.predict(tensor),
        "predict_array": lambda: model.predict(array),
    }
    # The second is as cheap as a call can be: it keeps no graph for gradients, and is spared the entry into inference mode.
    return _alternated(ways, {"module_inside_inference_mode": torch.inference_mode})


def _alternated(
    ways: dict[str, Callable[[], object]], contexts: dict[str, Callable[[], AbstractContextManager[object]]]
) -> dict[str, list[float]]:
    """Seconds of each way, taking turns; entering a way's context is not counted."""
    samples: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(WARM_UP + ROUNDS):
        for name, way in ways.items():
            with contexts.get(name, nullcontext)():
                start = time.perf_counter()
                way()
                seconds = time.perf_counter() - start
            if turn >= WARM_UP:
                samples[name].append(seconds)
    return samples


class _Clock:
    """Seconds of the imports, of the load step that follows, and of the first reading of every weight, which a map puts off."""

    def __init__(self, start: float) -> None:
        self.imports = time.perf_counter() - start
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def loaded(self, module: Any) -> dict[str, float]:
        """What was measured, now that *module* is there."""
        loaded, cpu = time.perf_counter(), time.process_time()
        for parameter in module.parameters():
            parameter.detach().sum()
        touch = time.perf_counter() - loaded
        return {"import": self.imports, "load": loaded - self.wall, "load_cpu": cpu - self.cpu, "touch": touch}


def _memory() -> dict[str, int]:
    """Bytes: the peak of this process, and the part of what it holds now that no file backs."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("utf-8").splitlines())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak": peak * 1024, "anonymous": int(status["RssAnon"].split()[0]) * 1024}


WAYS = {way.__name__: way for way in (write, write_large, write_many, openings, by_hand, given, solved, opened, predictions)}

if __name__ == "__main__":
    name, file = sys.argv[1:]
    seconds = WAYS[name](file)
    json.dump({"seconds": seconds, "bytes": _memory()}, sys.stdout)
