"""State dicts are found wherever they are; wrappers are undone by rule; every key is accounted for; nothing runs."""

import argparse
import os
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pthway
from pthway import errors
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.soundness import NonFinite, non_finite


def network() -> nn.Module:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), head=nn.Linear(4, 2)))


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in network().state_dict().items()}


def opened(path: Path, content: Any, **options: Any) -> pthway.Checkpoint:
    torch.save(content, path, **options)
    return pthway.open(path)


NESTINGS = ["state_dict", "model", "model_state_dict", "net", "params", "params_ema", "ema", "generator", "nobody_knows_this_key"]


@pytest.mark.parametrize("key", NESTINGS)
def test_a_state_dict_is_found_under_any_key(key: str, tmp_path: Path) -> None:
    content = {"epoch": 3, key: network().state_dict(), "mean": torch.zeros(3), "optimizer": {"state": {0: {"step": torch.zeros(1)}}}}
    checkpoint = opened(tmp_path / "m.pth", content)
    (state,) = checkpoint.state_dicts
    assert state.path == key
    assert list(state.tensors) == list(network().state_dict())
    assert set(checkpoint.extras) == {"epoch", "mean", "optimizer"}


def test_a_state_dict_is_found_deep_inside(tmp_path: Path) -> None:
    checkpoint = opened(tmp_path / "m.pth", {"run": [{"nets": {"policy": network().state_dict()}}]})
    assert checkpoint.choose().path == "run.0.nets.policy"
    assert checkpoint.extras == {}


def test_the_flat_file_is_the_state_dict(tmp_path: Path) -> None:
    state = network().state_dict()
    checkpoint = opened(tmp_path / "m.pth", state)
    assert list(checkpoint) == list(state)
    for name in checkpoint:
        assert checkpoint[name].shape == tuple(state[name].shape)
        assert np.array_equal(checkpoint[name].numpy(), state[name].numpy())
    assert checkpoint.choose().metadata is not None


PREFIXES = ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.", "_forward_module.module."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_wrapper_prefixes_are_undone_and_reported(prefix: str, tmp_path: Path) -> None:
    state = opened(tmp_path / "m.pth", {"state_dict": prefixed(prefix)}).choose()
    assert list(state.tensors) == list(network().state_dict())
    assert "".join(rule.prefix for rule in state.renames) == prefix
    assert all(state.keys[name] == prefix + name for name in state.tensors), "the rule can be undone"


def test_wrappers_of_parts_are_undone(tmp_path: Path) -> None:
    names = {"a._orig_mod.weight": torch.zeros(2), "b._checkpoint_wrapped_module.c.weight": torch.zeros(2)}
    assert list(opened(tmp_path / "m.pth", names).choose().tensors) == ["a.weight", "b.c.weight"]


def test_a_prefix_that_some_names_lack_stays(tmp_path: Path) -> None:
    names = {"module.weight": torch.zeros(2), "weight": torch.zeros(2)}
    assert list(opened(tmp_path / "m.pth", names).choose().tensors) == list(names)


def test_names_that_would_become_one_are_refused(tmp_path: Path) -> None:
    names = {"a._orig_mod.weight": torch.zeros(2), "a.weight": torch.zeros(2)}
    with pytest.raises(errors.CorruptFile, match="makes two of them equal"):
        opened(tmp_path / "m.pth", names)


def test_the_counter_of_an_averaged_model_is_left_out_by_name(tmp_path: Path) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(network())
    state = opened(tmp_path / "m.pth", averaged.state_dict()).choose()
    assert list(state.tensors) == list(network().state_dict())
    assert state.left_out == {"n_averaged": "AveragedModel's counter of averaged steps"}


def test_raw_and_averaged_weights_are_an_error_that_lists_both(tmp_path: Path) -> None:
    checkpoint = opened(tmp_path / "m.pth", {"model": network().state_dict(), "model_ema": network().state_dict()})
    with pytest.raises(errors.AmbiguousWeights) as caught:
        checkpoint["head.bias"]
    assert "model: 9 tensors" in str(caught.value) and "model_ema: 9 tensors" in str(caught.value)
    assert 'weights="ema"' in caught.value.fix and "--weights ema" in caught.value.fix
    assert checkpoint.choose("ema").path == "model_ema" == checkpoint.choose("model_ema").path
    assert checkpoint.choose("raw").path == "model"
    with pytest.raises(errors.UsageError, match="no weights named 'other'"):
        checkpoint.choose("other")


def test_non_tensors_of_a_state_dict_are_left_out_for_a_reason(tmp_path: Path) -> None:
    state = opened(tmp_path / "m.pth", {"weight": torch.zeros(2), "height": 192, "name": "x"}).choose()
    assert state.left_out == {"height": "not a tensor", "name": "not a tensor"}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_module_gives_up_its_weights_without_its_class(legacy: bool, tmp_path: Path) -> None:
    module = network()
    module.register_buffer("scratch", torch.zeros(3), persistent=False)
    checkpoint = opened(tmp_path / "m.pth", module, _use_new_zipfile_serialization=not legacy)
    (state,) = checkpoint.state_dicts
    assert state.module == "torch.nn.modules.container.Sequential"
    assert checkpoint.safety.verdict is Verdict.DESCRIPTIVE
    assert list(state.tensors) == list(module.state_dict())
    assert np.array_equal(checkpoint["head.weight"].numpy(), module.state_dict()["head.weight"].numpy())


def test_metrics_and_settings_beside_the_weights_are_read_as_data(tmp_path: Path) -> None:
    content = {"state_dict": network().state_dict(), "best": np.float64(0.913), "args": argparse.Namespace(lr=0.1), "where": Path("/a/b")}
    extras = opened(tmp_path / "m.pth", content).extras
    assert extras["best"] == 0.913
    assert extras["args"] == {"<class>": "argparse.Namespace", "lr": 0.1}
    assert extras["where"] == "/a/b"


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_would_run_code_is_named_and_not_run(legacy: bool, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    checkpoint = opened(tmp_path / "m.pth", {"weight": torch.ones(2), "x": Payload(mark)}, _use_new_zipfile_serialization=not legacy)
    assert checkpoint.safety.verdict is Verdict.RUNS_CODE
    assert "posix.mkdir('/" in str(checkpoint.safety.calls[0])
    assert checkpoint["weight"].numpy().tolist() == [1, 1]
    assert not mark.exists()
    torch.load(tmp_path / "m.pth", weights_only=False)
    assert mark.exists(), "the payload is live, or the test proves nothing"


CALLS = ["builtins eval", "builtins getattr", "os system", "numpy.f2py.crackfortran getlincoef", "my.own function"]


@pytest.mark.parametrize("call", CALLS)
def test_no_list_of_bad_names_is_needed(call: str, tmp_path: Path) -> None:
    stream = b"\x80\x02c" + call.replace(" ", "\n").encode() + b"\nX\x01\x00\x00\x00x\x85R."
    with zipfile.ZipFile(tmp_path / "m.pth", "w") as archive:
        archive.writestr("m/data.pkl", stream)
        archive.writestr("m/version", b"3\n")
    checkpoint = pthway.open(tmp_path / "m.pth")
    assert checkpoint.safety.verdict is Verdict.RUNS_CODE
    assert call.replace(" ", ".") in str(checkpoint.safety)


def test_terminal_escapes_in_names_are_shown_escaped(tmp_path: Path) -> None:
    text = str(opened(tmp_path / "m.pth", {"a\x1b[2Jb.w": torch.zeros(1), "x": "\x1b]0;owned\x07"}))
    assert "\x1b" not in text and "\\x1b[2J" in text


def counted(checkpoint: pthway.Checkpoint) -> dict[str, NonFinite]:
    return non_finite(checkpoint.container, checkpoint.choose().tensors)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "float8_e5m2"])
def test_nan_and_infinity_are_counted(dtype: str, tmp_path: Path) -> None:
    bad = torch.ones(300_000, dtype=torch.complex64 if dtype == "complex64" else torch.float32)
    bad[7], bad[290_000], bad[290_001] = float("nan"), float("inf"), float("-inf")
    names = {"good": torch.ones(5).to(getattr(torch, dtype)), "bad": bad.to(getattr(torch, dtype)), "count": torch.tensor(3)}
    checkpoint = opened(tmp_path / "m.pth", names)
    found = counted(checkpoint)
    assert list(found) == ["bad"]
    assert (found["bad"].nan, found["bad"].infinite) == (1, 2)


def test_large_finite_numbers_are_no_false_alarm(tmp_path: Path) -> None:
    checkpoint = opened(tmp_path / "m.pth", {"w": torch.full((1000,), 3e38), "h": torch.full((1000,), 6e4).half()})
    assert counted(checkpoint) == {}


def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(errors.NoWeights, match="epoch: 3"):
        opened(tmp_path / "m.pth", {"epoch": 3}).choose()


def test_a_mistyped_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match=r"Did you mean 'head\.bias'"):
        opened(tmp_path / "m.pth", network().state_dict())["head.bais"]


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    torch.save({"aa": torch.zeros(1), "bb": torch.zeros(1)}, tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "m.pth").read_bytes()
    (tmp_path / "m.pth").write_bytes(content.replace(b"bb", b"aa"))
    with pytest.raises(errors.CorruptFile, match="'aa' twice"):
        pthway.open(tmp_path / "m.pth")


def test_opening_a_file_imports_neither_torch_nor_numpy(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "m.pth")
    looked = f"import sys, pthway; print(pthway.open({str(tmp_path / 'm.pth')!r}))"
    probe = looked + "; assert not {'torch', 'numpy', 'rich'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2"])
def test_nan_of_any_bits_is_counted_without_a_warning(dtype: str, tmp_path: Path) -> None:
    kind = getattr(torch, dtype)
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(torch.uint8).view(kind)
    checkpoint = opened(tmp_path / "m.pth", {"w": every})
    assert counted(checkpoint)["w"].nan == int(torch.isnan(every.float()).sum())
