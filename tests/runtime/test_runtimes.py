"""Every runtime answers as eager torch does, on inputs that nobody recorded."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import pthway
from pthway.errors import InputRefused

RUNTIMES = ("exported", "onnxruntime", "openvino", "eager")
pytest.importorskip("openvino")


def eager(module, inputs):
    with torch.inference_mode():
        answers = module(*(torch.from_numpy(array) for array in inputs.values()))
    return {name: tensor.numpy() for name, tensor in (answers if isinstance(answers, dict) else {"output": answers}).items()}


def same(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=2e-5 * max(1, np.abs(array).max()))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_answers_as_eager_torch_for_other_numbers_of_samples_and_sizes(packed, case, runtime):
    module, session, rng = packed.module(case.network), packed.session(case, runtime), np.random.default_rng(7)
    for count in (1, 2, 3, 5):
        inputs = case.inputs(rng, count)
        same(session.run(inputs), eager(module, inputs))


def test_every_program_leaves_the_sizes_free_that_the_network_does(packed, case):
    bundle = packed.of(case)
    assert {program.runtime for program in bundle.manifest.programs} == set(RUNTIMES)
    for program in bundle.manifest.programs:
        assert len(program.dynamic) == len(case.free) and "batch" in program.dynamic and not program.fixed


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_eight_threads_on_one_session_get_their_own_answers(packed, runtime):
    case = next(case for case in _cases(packed) if case.network == "UNet")
    module, session, rng = packed.module(case.network), packed.session(case, runtime), np.random.default_rng(3)
    asked = [case.inputs(rng, 1 + index % 3) for index in range(24)]
    expected = [eager(module, inputs) for inputs in asked]
    with ThreadPoolExecutor(8) as pool:
        for got, right in zip(pool.map(session.run, asked), expected, strict=True):
            same(got, right)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_input_is_not_written_to_and_may_be_read_only(packed, runtime):
    case = next(case for case in _cases(packed) if case.network == "TwoHeads")
    inputs = case.inputs(np.random.default_rng(0), 2)
    before = inputs["x"].copy()
    inputs["x"].flags.writeable = False
    first = packed.session(case, runtime).run(inputs)
    kept = {name: array.copy() for name, array in first.items()}
    packed.session(case, runtime).run(case.inputs(np.random.default_rng(1), 2))
    np.testing.assert_array_equal(inputs["x"], before)
    for name, array in kept.items():
        np.testing.assert_array_equal(first[name], array, err_msg="an answer changed with the next call")


def test_openvino_does_not_let_a_nan_through_and_so_is_not_given_one(packed):
    case = next(case for case in _cases(packed) if case.network == "Mlp")
    program = next(each for each in packed.of(case).manifest.programs if each.runtime == "openvino")
    assert not program.keeps_nan
    x = np.zeros((2, 20), np.float32)
    x[1, 3] = np.nan
    assert np.isnan(eager(packed.module("Mlp"), {"x": x})["output"][1]).any()
    assert np.isfinite(packed.session(case, "openvino").run({"x": x})["output"]).all(), "it does by now: this promise can go"
    with pytest.raises(InputRefused, match="x holds NaN"):
        packed.session(case, "openvino").predict(x)
    assert np.isnan(packed.session(case, "exported").predict(x).array[1]).any()


def test_a_program_of_one_number_of_samples_refuses_others_and_is_the_last_choice(packed):
    bundle = packed.bundle("Fixed")
    fixed = {program.runtime: program for program in bundle.manifest.programs}
    for runtime in ("exported", "onnxruntime", "openvino"):
        program = fixed[runtime]
        assert program.fixed == {"batch": 1} and program.dynamic == () and "number of samples at 1" in program.notes[0]
        session = pthway.open_session(bundle, runtime=runtime)
        x = np.ones((1, 4), np.float32)
        same({"output": session.predict(x[0]).array}, eager(packed.module("Fixed"), {"x": x}))
        for ask in (session.predict, lambda x: session.run({"x": x})):  # noqa: B023  # called at once
            with pytest.raises(InputRefused, match=f"number of samples of x is 3.*\n.*program for {runtime} runs with 1 only"):
                ask(np.ones((3, 4), np.float32))
    assert pthway.open_session(bundle).runtime == "eager"


def _cases(packed):
    return __import__("sys").modules["runtime_cases"].CASES
