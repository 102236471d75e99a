"""What is measured, ranked and kept, and what the next session makes of it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import pthway
from pthway.bundle.environment import available_cores, environment
from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import replaced
from pthway.errors import PthwayWarning, UsageError
from pthway.runtime import runner as runners
from pthway.runtime import tuned as tuned_files
from pthway.runtime.tuned import Measured, Setting, Timing, Tuned
from pthway.tuning import candidates, race

SIZES = (1, 4)
RANDOM = np.random.default_rng(3).standard_normal((32, 16), dtype=np.float32)


@pytest.fixture(autouse=True)
def _few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "TURNS", 1)


def kept_by(bundle: Bundle) -> Path:
    folder = tuned_files.cache_folder(bundle.digest)
    assert folder is not None
    return folder / f"{tuned_files.machine(environment())}.json"


def ranked(bundle: Bundle, *settings: Setting) -> Tuned:
    measured = tuple(Measured(setting, (Timing(1, 0.1, 0.1, 5),)) for setting in settings)
    return Tuned(1, bundle.digest, environment(), "2026-01-02T03:04:05+00:00", 1, measured, settings, ())


def test_every_runtime_is_measured_with_each_number_of_threads_and_samples(bundle: Bundle) -> None:
    tuned = pthway.tune(bundle, batch_sizes=SIZES)
    counts = {available_cores(), 1}
    assert {(each.setting.runtime, each.setting.threads) for each in tuned.measured} >= {
        (runtime, count) for runtime in ("onnxruntime", "eager") for count in counts
    }
    for each in tuned.measured:
        assert [timing.batch_size for timing in each.timings] == [1, 4]
        assert all(0 < timing.median <= timing.p99 for timing in each.timings)


def test_the_ranking_is_by_the_times_that_were_measured(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(opened: Bundle, program: Any, settings: runners.Settings) -> runners.Runner:
        run, pause = runners.start(opened, program, settings), 0.0 if program.runtime == "eager" else 0.1

        def paused(inputs: Any) -> Any:
            time.sleep(pause)
            return run(inputs)

        return paused

    monkeypatch.setattr(candidates, "start", slow)
    tuned = pthway.tune(bundle, batch_sizes=SIZES)
    assert tuned.ranking[0].runtime == "eager"
    assert pthway.open_session(bundle).runtime == "eager"


def test_what_gives_other_answers_is_not_ranked_and_told_why(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(opened: Bundle, program: Any, settings: runners.Settings) -> runners.Runner:
        run = runners.start(opened, program, settings)
        return (lambda inputs: [array + 1 for array in run(inputs)]) if program.runtime == "onnxruntime" else run

    monkeypatch.setattr(candidates, "start", wrong)
    tuned = pthway.tune(bundle, batch_sizes=SIZES)
    assert {setting.runtime for setting in tuned.ranking} == {"eager"}
    assert all(
        each.stopped.startswith("other answers: record 2: output") for each in tuned.measured if each.setting.runtime == "onnxruntime"
    )


def test_if_nothing_is_right_that_is_an_error_and_nothing_is_kept(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "start", lambda *_: lambda inputs: [np.zeros((len(inputs[0]), 4), np.float32)])
    with pytest.raises(UsageError, match="No way to run small is right here"):
        pthway.tune(bundle, batch_sizes=SIZES)
    assert not kept_by(bundle).exists()


def test_only_the_named_runtime_is_tried(bundle: Bundle) -> None:
    assert {each.setting.runtime for each in pthway.tune(bundle, runtimes=["onnxruntime"], batch_sizes=SIZES).measured} == {"onnxruntime"}


def test_torch_has_the_threads_that_it_had(bundle: Bundle) -> None:
    import torch

    torch.set_num_threads(1)
    pthway.tune(bundle, batch_sizes=SIZES)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget is 0"),
        ({"batch_sizes": ()}, r"batch_sizes is \(\)"),
        ({"batch_sizes": (0,)}, r"batch_sizes is \(0,\)"),
        ({"runtimes": ["abacus"]}, "no program for 'abacus'"),
        ({"variants": ["int8"]}, "int8 computes other numbers"),
        ({"variants": ["bfloat16"], "accuracy": 0.1}, "bfloat16 computes other numbers"),
        ({"accuracy": 0.1, "data": RANDOM}, "nothing that computes other numbers"),
        ({"variants": ["int8"], "accuracy": 1.0, "data": RANDOM}, "accuracy is 1.0"),
        ({"variants": ["channels-last"], "runtimes": ["onnxruntime"]}, "no channels-last for onnxruntime"),
    ],
)
def test_what_cannot_be_tried_is_refused(bundle: Bundle, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pthway.tune(bundle, **options)


def test_the_next_session_takes_what_was_found_and_says_so(bundle: Bundle) -> None:
    tuned_files.write(ranked(bundle, Setting("eager", 1), Setting("onnxruntime", 1)))
    session = pthway.open_session(bundle)
    assert (session.runtime, session.because) == ("eager", "tuned on this machine, 2026-01-02")
    assert pthway.open_session(bundle, runtime="onnxruntime").because == "asked for"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[runners.Settings]:
    """The settings of every runtime that a session starts."""
    seen: list[runners.Settings] = []

    def start(opened: Bundle, program: Any, settings: runners.Settings) -> runners.Runner:
        seen.append(settings)
        return runners.start(opened, program, settings)

    monkeypatch.setattr("pthway.runtime.session.start", start)
    return seen


def test_the_next_session_has_the_threads_that_were_found(bundle: Bundle, started: list[runners.Settings]) -> None:
    tuned_files.write(ranked(bundle, Setting("onnxruntime", 1)))
    pthway.open_session(bundle)
    pthway.open_session(bundle, threads=available_cores())
    assert [settings.threads for settings in started] == [1, available_cores()]


def test_a_network_that_one_processor_ran_as_fast_when_it_was_packed_gets_one(bundle: Bundle, started: list[runners.Settings]) -> None:
    for one in (True, False):
        programs = tuple(replaced(program, one_thread=one) for program in bundle.manifest.programs)
        pthway.open_session(Bundle(bundle.path, bundle.folder, replaced(bundle.manifest, programs=programs)))
    assert [settings.threads for settings in started] == [1, available_cores()]


def test_what_was_found_is_not_used_for_another_bundle_or_machine(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned_files.write(ranked(bundle, Setting("eager", 1)))
    other = Bundle(bundle.path, bundle.folder, replaced(bundle.manifest, version="2"))
    assert pthway.open_session(other).because == "the fastest when it was packed"
    elsewhere = replaced(environment(), processor="another")
    monkeypatch.setattr(tuned_files, "environment", lambda: elsewhere)
    assert pthway.open_session(bundle).because == "the fastest when it was packed"


def changed(**values: Any) -> Callable[[Path, Tuned], None]:
    def change(path: Path, tuned: Tuned) -> None:
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(tuned, **values)))

    return change


def as_link(path: Path, tuned: Tuned) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def as_pipe(path: Path, tuned: Tuned) -> None:
    path.unlink()
    os.mkfifo(path)


def with_a_field_more(path: Path, tuned: Tuned) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1}))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path, _: path.write_bytes(b""), "truncated"),
        (lambda path, _: path.write_bytes(b"\xff\xfe"), "invalid|malformed"),
        (lambda path, _: path.write_bytes(b"[" * 100_000), "recursion|Expected"),
        (lambda path, _: path.write_bytes(b" " * (tuned_files.MAX_BYTES + 1)), "more than 1,048,576 bytes"),
        (with_a_field_more, "unknown field"),
        (changed(format=2), "Invalid enum value 2"),
        (changed(bundle="0" * 64), "another bundle"),
        (changed(environment=replaced(environment(), processor="x")), "another machine"),
        (changed(ranking=()), "ranks what was not measured"),
        (changed(ranking=(Setting("openvino", 1),), measured=(Measured(Setting("openvino", 1)),)), "not there"),
        (changed(ranking=(Setting("eager", 4096),), measured=(Measured(Setting("eager", 4096)),)), "not there"),
        (changed(ranking=(Setting("eager", 1, "int8"),), measured=(Measured(Setting("eager", 1, "int8")),)), "other numbers"),
        (as_link, "symbolic link"),
        (as_pipe, "not a file of this user"),
    ],
)
def test_a_broken_or_hostile_file_is_passed_over_with_a_warning(bundle: Bundle, damage: Callable[[Path, Tuned], None], reason: str) -> None:
    tuned = ranked(bundle, Setting("eager", 1))
    path = tuned_files.write(tuned)
    assert path == kept_by(bundle)
    damage(path, tuned)
    with pytest.warns(PthwayWarning, match=f"(?s)is passed over: .*({reason})"):
        session = pthway.open_session(bundle)
    assert session.because == "the fastest when it was packed"


def test_a_file_of_exactly_the_limit_is_read(bundle: Bundle) -> None:
    path = tuned_files.write(ranked(bundle, Setting("eager", 1)))
    assert path is not None
    path.write_bytes(path.read_bytes().ljust(tuned_files.MAX_BYTES))
    assert pthway.open_session(bundle).runtime == "eager"


def test_a_cache_that_cannot_be_written_is_a_warning(bundle: Bundle, cache: Path) -> None:
    cache.write_text("a file in its place")
    with pytest.warns(PthwayWarning, match="What was found is not kept: .* XDG_CACHE_HOME names another folder"):
        tuned = pthway.tune(bundle, batch_sizes=SIZES)
    assert tuned.ranking


def test_nothing_is_kept_if_that_is_not_wanted(bundle: Bundle) -> None:
    pthway.tune(bundle, keep=False, batch_sizes=SIZES)
    assert not kept_by(bundle).exists()


def test_nothing_but_the_result_is_left_in_the_cache_folder(bundle: Bundle) -> None:
    pthway.tune(bundle, batch_sizes=SIZES)
    assert [*kept_by(bundle).parent.iterdir()] == [kept_by(bundle)]


def test_a_cache_folder_that_is_not_absolute_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert tuned_files.cache_folder("0" * 64) == Path.home() / ".cache" / "pthway" / "tuned" / ("0" * 32)


@pytest.fixture
def quantised(bundle: Bundle) -> Tuned:
    """Tuned with int8 within a wide bound, as if it had been faster."""
    tuned = pthway.tune(bundle, variants=["int8"], data=RANDOM, accuracy=0.5, batch_sizes=SIZES)
    found = next(each.setting for each in tuned.measured if each.setting.variant == "int8")
    assert not any(setting.variant == "int8" for setting in tuned.ranking)
    tuned = msgspec.structs.replace(tuned, approximate=(found,))
    tuned_files.write(tuned)
    return tuned


def test_int8_is_used_only_by_who_asks_for_its_accuracy(bundle: Bundle, quantised: Tuned) -> None:
    measured = quantised.of(quantised.approximate[0])
    assert measured is not None and measured.error is not None and 0 < measured.error < 0.5
    exact = pthway.open_session(bundle, runtime="onnxruntime").predict(RANDOM).array
    asked = pthway.open_session(bundle, accuracy=measured.error)
    assert "int8, off by" in asked.because
    off = np.abs(asked.predict(RANDOM).array - exact).max() / np.abs(exact).max()
    assert off == pytest.approx(measured.error, rel=1e-3)
    assert "int8" not in pthway.open_session(bundle).because
    assert "int8" not in pthway.open_session(bundle, accuracy=measured.error * 0.99).because


def test_an_int8_program_that_was_changed_since_is_not_used(bundle: Bundle, quantised: Tuned) -> None:
    program = next(kept_by(bundle).parent.glob("*.onnx"))
    program.write_bytes(program.read_bytes()[:-1] + b"\0")
    assert "int8" not in pthway.open_session(bundle, accuracy=0.5).because


def test_an_int8_program_outside_of_the_folder_is_not_used(bundle: Bundle, quantised: Tuned, tmp_path: Path) -> None:
    program = next(kept_by(bundle).parent.glob("*.onnx"))
    program.rename(tmp_path / "elsewhere.onnx")
    measured = tuple(
        msgspec.structs.replace(each, file=str(tmp_path / "elsewhere.onnx")) if each.file else each for each in quantised.measured
    )
    tuned_files.write(msgspec.structs.replace(quantised, measured=measured))
    assert "int8" not in pthway.open_session(bundle, accuracy=0.5).because


def test_what_is_off_by_more_than_the_bound_is_told_and_not_kept(bundle: Bundle) -> None:
    tuned = pthway.tune(bundle, variants=["int8"], data=RANDOM, accuracy=1e-6, batch_sizes=SIZES)
    refused = [each for each in tuned.measured if each.setting.variant == "int8"]
    assert refused and all("other answers" in each.stopped or "the bound is" in each.stopped for each in refused)
    assert not tuned.approximate
    assert not [*kept_by(bundle).parent.glob("*.onnx")]


def test_bfloat16_is_not_tried_on_a_processor_that_lacks_it(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    without = replaced(environment(), instructions=("avx2",))
    monkeypatch.setattr(candidates, "environment", lambda: without)
    tuned = pthway.tune(bundle, variants=["bfloat16"], data=RANDOM, accuracy=0.5, batch_sizes=SIZES)
    assert {each.stopped for each in tuned.measured if each.setting.variant == "bfloat16"} == {
        "this processor computes no bfloat16: it has none of amx_bf16, avx512_bf16"
    }


def test_bfloat16_computes_in_bfloat16(bundle: Bundle) -> None:
    import torch

    program = next(each for each in bundle.manifest.programs if each.runtime == "eager")
    plain, half = (runners.start(bundle, program, runners.Settings(1, "cpu", variant))([RANDOM])[0] for variant in ("plain", "bfloat16"))
    assert half.dtype == np.float32
    assert not np.array_equal(plain, half)
    assert np.array_equal(half, torch.from_numpy(half).bfloat16().float().numpy())


@pytest.mark.parametrize("accuracy", [0, 1, -0.1, float("nan")])
def test_an_accuracy_that_is_no_part_is_refused(bundle: Bundle, accuracy: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        pthway.open_session(bundle, accuracy=accuracy)


def test_an_accuracy_without_anything_tuned_is_refused(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="nothing was tuned on this machine"):
        pthway.open_session(bundle, accuracy=0.01)
