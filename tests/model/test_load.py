"""From a file and a class to a model: the same numbers as by hand, and every classic failure with its cause."""

import os
import pickle
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import pthway
from pthway import errors
from pthway.architecture.match import Origin


class Net(nn.Module):
    """A small network with batch norm, dropout and a buffer that is not saved."""

    def __init__(self, width: int, num_classes: int = 10, dropout: float = 0.1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(width * 4 * 4, num_classes)
        self.register_buffer("scale", torch.tensor(0.5), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(torch.relu(self.norm(self.conv(x))), 4)
        result: torch.Tensor = self.fc(self.drop(x.flatten(1)) * self.scale)
        return result


class Other(nn.Module):
    """A network that has nothing in common with the first."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 4)


def trained(width: int = 6, classes: int = 10, seed: int = 0) -> Net:
    torch.manual_seed(seed)
    net = Net(width, classes).train()
    for _ in range(3):
        net(torch.randn(8, 3, 8, 8))
    return net.eval()


X = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def by_hand(net: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return net.eval()(X)


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_the_answers_are_those_of_plain_torch_bit_for_bit(legacy: bool, tmp_path: Path) -> None:
    net = trained()
    path = saved(tmp_path / "m.pth", net.state_dict(), _use_new_zipfile_serialization=not legacy)
    model = pthway.load(path, Net)
    assert torch.equal(model(X), by_hand(net))
    assert model.predict(X.numpy()).array.tobytes() == by_hand(net).numpy().tobytes()
    assert not model.module.training
    assert model.arguments["width"].value == 6
    assert model.arguments["width"].origin is Origin.SOLVED
    assert model.arguments["dropout"].origin is Origin.DEFAULT
    assert not model.arguments["dropout"].determined


def test_the_module_is_a_plain_one_that_trains_as_ever(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", trained().state_dict())
    before = path.read_bytes()
    net = pthway.load(path, Net).module
    assert type(net) is Net
    optimizer = torch.optim.SGD(net.train().parameters(), 0.1)
    net(X).square().mean().backward()
    optimizer.step()
    assert path.read_bytes() == before, "the file is mapped, and must not change"
    assert not torch.equal(net.fc.weight, trained().fc.weight)


def test_a_given_argument_is_used_and_said_to_be_given(tmp_path: Path) -> None:
    model = pthway.load(saved(tmp_path / "m.pth", trained().state_dict()), Net, dropout=0.7)
    assert model.module.drop.p == 0.7
    assert model.arguments["dropout"].origin is Origin.GIVEN


class Attending(nn.Module):
    """A network whose heads leave no trace in its weights."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.attention(x, x, x)[0]
        return result


def test_hyper_parameters_in_the_file_give_what_the_weights_cannot(tmp_path: Path) -> None:
    net = Attending(12, 3)
    with pytest.raises(errors.UnsolvedArguments, match="heads of Attending"):
        pthway.load(saved(tmp_path / "m.pth", {"state_dict": net.state_dict()}), Attending)
    stored = {"state_dict": net.state_dict(), "hyper_parameters": {"dim": 12, "heads": 3, "lr": 0.1}}
    model = pthway.load(saved(tmp_path / "m.ckpt", stored), Attending)
    x = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model(x), net.eval()(x))
    assert model.arguments["heads"].origin is Origin.STORED


ARCHITECTURES = [Net, partial(Net, dropout=0.3), lambda width, num_classes: Net(width, num_classes)]


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=["class", "partial", "function"])
def test_an_architecture_is_a_class_or_a_factory(architecture: Any, tmp_path: Path) -> None:
    model = pthway.load(saved(tmp_path / "m.pth", trained(5, 7).state_dict()), architecture)
    assert torch.equal(model(X), by_hand(trained(5, 7)))


def test_an_architecture_is_a_file_and_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shapes.py").write_text("HIDDEN = 4\n")
    source = "from torch import nn\nfrom shapes import HIDDEN\ndef make(n):\n    return nn.Sequential(nn.Linear(n, HIDDEN))\n"
    (tmp_path / "model.py").write_text(source)
    saved(tmp_path / "m.pth", nn.Sequential(nn.Linear(9, 4)).state_dict())
    monkeypatch.chdir(tmp_path)
    assert pthway.load("m.pth", "model.py:make").arguments["n"].value == 9


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "backbone.net."])
def test_a_prefix_is_undone_when_that_makes_the_names_fit(prefix: str, tmp_path: Path) -> None:
    content = {"state_dict": {prefix + key: value for key, value in trained().state_dict().items()}}
    model = pthway.load(saved(tmp_path / "m.pth", content), Net)
    assert torch.equal(model(X), by_hand(trained()))
    assert all(part in str(model.report) for part in prefix.split(".")), "the rule is reported"


def test_a_prefix_is_renamed_as_asked(tmp_path: Path) -> None:
    content = {f"old.{key}": value for key, value in trained().state_dict().items()}
    model = pthway.load(saved(tmp_path / "m.pth", content), Net, rename={"old.": ""})
    assert torch.equal(model(X), by_hand(trained()))
    assert "renamed to '' as asked" in str(model.report)


def test_a_prefix_is_added_as_the_error_proposes(tmp_path: Path) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(6)

    path = saved(tmp_path / "m.pth", trained().state_dict())
    with pytest.raises(errors.Mismatch) as caught:
        pthway.load(path, Wrapped)
    rename = eval(caught.value.fix.partition("rename=")[2].rstrip(")"))
    assert torch.equal(pthway.load(path, Wrapped, rename=rename).module.net(X), by_hand(trained()))


def test_a_network_that_calls_a_part_module_keeps_its_names(tmp_path: Path) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 3)

    assert pthway.load(saved(tmp_path / "m.pth", Outer().state_dict()), Outer).module.module.weight.shape == (3, 2)


def test_raw_and_averaged_weights_must_be_chosen(tmp_path: Path) -> None:
    raw, averaged = trained(seed=1), trained(seed=2)
    path = saved(tmp_path / "m.pth", {"model": raw.state_dict(), "model_ema": averaged.state_dict(), "epoch": 4})
    with pytest.raises(errors.AmbiguousWeights, match="2 sets of weights that fit"):
        pthway.load(path, Net)
    assert torch.equal(pthway.load(path, Net, weights="raw")(X), by_hand(raw))
    model = pthway.load(path, Net, weights="ema")
    assert torch.equal(model(X), by_hand(averaged))
    assert "left out: model (" in str(model.report) and "left out: epoch (" in str(model.report)


def test_of_two_networks_the_one_that_fits_is_taken(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", {"generator": Other().state_dict(), "discriminator": trained().state_dict()})
    assert torch.equal(pthway.load(path, Net)(X), by_hand(trained()))


def test_a_whole_module_loads_into_its_class_without_unpickling(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", trained())
    assert torch.equal(pthway.load(path, Net)(X), by_hand(trained()))
    with pytest.raises(errors.WholeModule, match=r"test_load\.Net"):
        pthway.load(path)


def test_no_architecture_is_an_error_that_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(errors.ArchitectureNotFound, match=r"MyNetwork"):
        pthway.load(saved(tmp_path / "m.pth", trained().state_dict()))


def test_another_head_is_solved_or_explained(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", trained(6, 37).state_dict())
    assert pthway.load(path, Net).arguments["num_classes"].value == 37
    with pytest.raises(RuntimeError, match="num_classes=37"):
        pthway.load(path, Net, width=6, num_classes=10)


def test_a_wrong_class_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(errors.Mismatch, match="another class"):
        pthway.load(saved(tmp_path / "m.pth", trained().state_dict()), Other)


def test_a_renamed_key_is_told_with_the_map_that_mends_it(tmp_path: Path) -> None:
    content = {key.replace("fc.", "head."): value for key, value in trained().state_dict().items()}
    path = saved(tmp_path / "m.pth", content)
    with pytest.raises(errors.Mismatch, match="rename=") as caught:
        pthway.load(path, Net)
    rename = eval(caught.value.fix.partition("rename=")[2].rstrip(")"))
    assert torch.equal(pthway.load(path, Net, rename=rename)(X), by_hand(trained()))


def test_a_rename_that_hits_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="changes nothing"):
        pthway.load(saved(tmp_path / "m.pth", trained().state_dict()), Net, rename={"nothing": "x"})


def test_partial_loading_only_when_asked_for_and_reported(tmp_path: Path) -> None:
    content = trained().state_dict()
    del content["fc.weight"]
    content["extra.weight"] = torch.zeros(2)
    path = saved(tmp_path / "m.pth", content)
    with pytest.raises(errors.Mismatch, match="fc"):
        pthway.load(path, Net, width=6)
    model = pthway.load(path, Net, width=6, strict=False)
    assert torch.equal(model.module.conv.weight, trained().conv.weight)
    assert model.module.fc.weight.abs().sum() > 0, "initialised, not empty"
    assert "fc.weight" in str(model.report) and "extra.weight" in str(model.report)


def test_half_precision_weights_run_in_the_precision_of_the_class(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", trained().half().state_dict())
    plain = Net(6)
    plain.load_state_dict(torch.load(path))
    model = pthway.load(path, Net)
    assert torch.equal(model(X), by_hand(plain))
    assert "float16" in str(model.report) and "float32" in str(model.report)


def test_tensors_that_were_saved_on_a_gpu_are_read_to_the_cpu(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", trained().state_dict(), _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(path)
    assert torch.equal(pthway.load(path, Net)(X), by_hand(trained()))


def test_nan_in_the_weights_is_a_warning_that_names_the_tensor(tmp_path: Path) -> None:
    net = trained()
    with torch.no_grad():
        net.fc.bias[3] = float("nan")
    with pytest.warns(errors.PthwayWarning, match=r"fc\.bias holds 1 NaN"):
        model = pthway.load(saved(tmp_path / "m.pth", net.state_dict()), Net)
    assert "not finite: fc.bias holds 1 NaN" in str(model.report)


def test_a_file_that_would_run_code_is_named_and_refused(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = saved(tmp_path / "m.pth", {"state_dict": trained().state_dict(), "x": Payload()})
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.mkdir"):
        pthway.load(path, Net)
    assert not (tmp_path / "ran").exists()


CLASSIC = {
    "missing": (None, FileNotFoundError),
    "empty": (b"", EOFError),
    "truncated": (b"PK\x03\x04" + bytes(400), RuntimeError),
    "web page": (b"<html>404</html>", pickle.UnpicklingError),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\n", RuntimeError),
    "path configuration": (b"import site\n", RuntimeError),
}


@pytest.mark.parametrize("name", CLASSIC)
def test_a_plain_script_still_catches_the_classic_failures(name: str, tmp_path: Path) -> None:
    content, caught_as = CLASSIC[name]
    if content is not None:
        (tmp_path / "m.pth").write_bytes(content)
    with pytest.raises(caught_as) as caught:
        pthway.load(tmp_path / "m.pth", Net)
    assert isinstance(caught.value, errors.PthwayError)


def test_loading_leaves_torch_and_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", trained().state_dict())
    state = torch.get_rng_state()
    pthway.load(path, Net)
    assert torch.equal(torch.get_rng_state(), state)
    assert nn.Linear(2, 2).weight.device.type == "cpu"


def test_two_threads_load_at_once(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", trained().state_dict())
    answers: list[torch.Tensor] = []
    threads = [threading.Thread(target=lambda: answers.append(pthway.load(path, Net)(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 and all(torch.equal(answer, by_hand(trained())) for answer in answers)
