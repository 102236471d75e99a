"""Sessions: processors, threads, order of the runtimes, and the short way of an array that is an input as it stands."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import pthway
from pthway.bundle import environment
from pthway.bundle.environment import available_cores
from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program, replaced
from pthway.errors import InputRefused, UsageError
from pthway.runtime.choice import SLOWER, by_speed

RANDOM = np.random.default_rng(4).standard_normal((5, 16), dtype=np.float32)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("50000 100000", 1), ("100000 100000", 1), ("150000 100000", 2), ("900000 100000", 4), ("max 100000", 4), ("", 4), ("0 0", 4)],
)
def test_processors_are_those_of_the_affinity_within_the_quota_of_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(environment, "CGROUPS", tmp_path)
    monkeypatch.setattr(environment, "OWN_CGROUP", tmp_path / "absent")
    assert available_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("250000", 3), ("-1", 4)])
def test_the_quota_of_the_first_control_groups_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(environment, "CGROUPS", tmp_path)
    monkeypatch.setattr(environment, "OWN_CGROUP", tmp_path / "absent")
    assert available_cores() == cores


@pytest.mark.parametrize(("own", "cores"), [("/slice/service", 2), ("/slice", 3), ("/", 4), ("/../slice/service", 4), ("/gone", 4)])
def test_the_quota_is_the_least_of_the_own_group_and_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    (tmp_path / "slice" / "service").mkdir(parents=True)
    for folder, quota in (("", "max"), ("slice", "300000"), ("slice/service", "200000")):
        (tmp_path / folder / "cpu.max").write_text(f"{quota} 100000\n")
    (tmp_path / "own").write_text(f"0::{own}\n")
    monkeypatch.setattr(environment, "CGROUPS", tmp_path)
    monkeypatch.setattr(environment, "OWN_CGROUP", tmp_path / "own")
    assert available_cores() == cores


AFFINITY = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import onnxruntime
made = onnxruntime.InferenceSession
seen = []
onnxruntime.InferenceSession = lambda path, options, **rest: seen.append(options.intra_op_num_threads) or made(path, options, **rest)
import sys, pthway
pthway.open_session(sys.argv[1], runtime="onnxruntime")
assert seen == [1], seen
try:
    pthway.open_session(sys.argv[1], threads=2)
except pthway.PthwayError as error:
    print(error.why)
"""


def test_a_process_that_is_bound_to_one_processor_gets_one_thread(packed: Path) -> None:
    child = subprocess.run([sys.executable, "-c", AFFINITY, packed], capture_output=True, text=True, check=True)
    assert child.stdout == "1 processors are available here; more threads wait for one another.\n"


@pytest.mark.parametrize("threads", [0, -1, 1_000_000])
def test_more_threads_than_processors_are_refused(packed: Path, threads: int) -> None:
    with pytest.raises(UsageError, match=f"threads is {threads}"):
        pthway.open_session(packed, threads=threads)


def test_no_thread_of_onnx_runtime_spins(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    made = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, options, **rest: seen.append(options) or made(path, options, **rest))
    pthway.open_session(packed, runtime="onnxruntime")
    assert [options.get_session_config_entry("session.intra_op.allow_spinning") for options in seen] == ["0"]


def program(runtime: Any, **times: float) -> Program:
    difference = {"absolute": 0.0, "relative": 0.0}
    return Program(
        runtime=runtime,
        file=None,
        difference=difference,  # type: ignore[arg-type]
        milliseconds={int(size[1:]): time for size, time in times.items()},
        dynamic=("batch",),
        made_by="torch==2",
    )


def order(*programs: Program) -> list[str]:
    return [each.runtime for each in by_speed(programs)]


def test_the_order_is_by_the_mean_ratio_over_numbers_of_samples() -> None:
    assert order(program("onnxruntime", _1=2, _8=2), program("openvino", _1=1, _8=3)) == ["openvino", "onnxruntime"]


def test_what_is_slower_than_eager_torch_at_any_number_of_samples_comes_after_it() -> None:
    eager = program("eager", _1=1, _8=10)
    limit = program("openvino", _1=SLOWER, _8=0.1)
    beyond = program("onnxruntime", _1=SLOWER * 1.001, _8=0.1)
    assert order(eager, beyond, limit) == ["openvino", "eager", "onnxruntime"]


def by_torch(bundle: Bundle, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import torch
    from safetensors.torch import load_file

    weights = load_file(bundle.file("weights.safetensors"))
    hidden = torch.relu(torch.from_numpy(x) @ weights["first.weight"].T + weights["first.bias"])
    return (hidden @ weights["second.weight"].T + weights["second.bias"]).numpy()


@pytest.mark.parametrize("runtime", ["onnxruntime", "eager"])
def test_an_array_is_answered_as_torch_does_whichever_way_it_takes(bundle: Bundle, runtime: str) -> None:
    session, expected = pthway.open_session(bundle, runtime=runtime), by_torch(bundle, RANDOM)
    wide = np.zeros((5, 32), np.float32)
    wide[:, ::2] = RANDOM
    for x in (RANDOM, RANDOM.astype(np.float64), np.asfortranarray(RANDOM), wide[:, ::2], RANDOM.tolist(), RANDOM.astype(">f4")):
        answer = session.predict(x)
        assert np.allclose(answer.array, expected, atol=1e-5)
        assert (answer.array.dtype, answer.single) == (np.float32, False)
    one = session.predict(RANDOM[0])
    assert one.single and np.allclose(one.array, expected[:1], atol=1e-5)


def test_neither_the_input_nor_an_earlier_answer_changes(bundle: Bundle) -> None:
    session = pthway.open_session(bundle)
    x = RANDOM.copy()
    first = session.predict(x).array
    kept = first.copy()
    session.predict(-x)
    assert np.array_equal(x, RANDOM) and np.array_equal(first, kept)


@pytest.mark.parametrize("shape", [(5, 15), (5, 16, 1), (), (17,), (0, 15)])
def test_an_array_of_another_shape_is_refused(bundle: Bundle, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputRefused, match=r"x has the shape|x holds"):
        pthway.open_session(bundle).predict(np.zeros(shape, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_refused_where_the_runtime_hides_it(bundle: Bundle, bad: float) -> None:
    programs = tuple(replaced(program, keeps_nan=False) for program in bundle.manifest.programs)
    session = pthway.open_session(Bundle(bundle.path, bundle.folder, replaced(bundle.manifest, programs=programs)))
    x = RANDOM.copy()
    x[2, 3] = bad
    with pytest.raises(InputRefused, match="x holds NaN or infinity"):
        session.predict(x)
    assert np.isnan(pthway.open_session(bundle).predict(x).array[2]).any() or np.isinf(bad)


def test_an_own_function_between_input_and_network_closes_the_short_way(bundle: Bundle) -> None:
    from pthway.runtime.session import _quick

    assert _quick(bundle.manifest) is not None
    assert _quick(replaced(bundle.manifest, functions={"before": "prep:scale"})) is None


def test_onnx_runtime_collects_nothing_about_its_user(packed: Path, cache: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    script = "import sys, pthway; pthway.open_session(sys.argv[1], runtime='onnxruntime')"
    subprocess.run([sys.executable, "-c", script, packed], check=True, env=environment | {"HOME": str(cache)})
    assert not cache.exists() or not [*cache.rglob("*onnxruntime*")]


ONLY = """
import sys

class Absent:
    ALLOWED = {*sys.stdlib_module_names, "pthway", "numpy", "onnxruntime", "msgspec", "safetensors",
               "google", "flatbuffers", "packaging", "typing_extensions", "sitecustomize", "usercustomize"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.ALLOWED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Absent())
import numpy, pthway
session = pthway.open_session(sys.argv[1])
print(session.runtime, session.because)
numpy.save(sys.argv[2] + "/x.npy", numpy.ones((3, 16), numpy.float32))
for x in (numpy.ones((3, 16), numpy.float32), [[1.0] * 16] * 3, sys.argv[2] + "/x.npy"):
    assert session.predict(x).array.shape == (3, 4)
print(*session.predict([1.0] * 16).labels, bool(pthway.verify(sys.argv[1])))
"""


def test_a_bundle_runs_where_only_numpy_and_onnx_runtime_can_be_imported(packed: Path, tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", ONLY, packed, tmp_path], capture_output=True, text=True, check=False)
    assert child.stderr == ""
    first, second = child.stdout.splitlines()
    assert first.startswith("onnxruntime the fastest when it was packed")
    assert second.split()[1] == "True"


PACKING = """
import sys, pathlib, pthway
path = pathlib.Path(sys.argv[1])
model = pthway.load(path / "small.pth", str(path / "small_network.py") + ":Small")
print(pthway.pack(model, path / "again.bundle", programs=["eager"]))
"""


def test_what_python_compiles_of_the_source_while_it_is_tried_is_no_part_of_the_bundle(packed: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", PACKING, packed.parent], check=True, env=environment, capture_output=True)
    assert not [name for name in pthway.open_bundle(packed.parent / "again.bundle").manifest.files if "__pycache__" in name]
