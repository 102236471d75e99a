"""Weights that come without an architecture: the index of networks, or a configuration beside them, tells which they are of.

The libraries are not installed here; a stand-in for timm builds the residual networks of these tests. `make test-zoo` has the real ones.
"""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pthway
from pthway.architecture import hugging_face
from pthway.architecture.zoo import library
from pthway.errors import (
    AmbiguousArchitecture,
    AmbiguousWeights,
    ArchitectureNotFound,
    CorruptFile,
    Mismatch,
    MissingDependency,
    NotWeights,
    UnsolvedArguments,
    UsageError,
    WholeModule,
)
from tests.architecture.bert import bert
from tests.architecture.residual import Residual, resnet34, resnet50

BUILDERS = {"resnet18": Residual, "resnet34": resnet34, "resnet50": resnet50}


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    for name in ("timm", "torchvision", "torchvision.models", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises ModuleNotFoundError


@pytest.fixture
def timm(no_library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, *, pretrained: bool, **arguments: Any) -> nn.Module:
        assert pretrained is False, "nothing is downloaded"
        return BUILDERS[name](**arguments)

    module = ModuleType("timm")
    vars(module).update(create_model=create_model, is_model=BUILDERS.__contains__)
    monkeypatch.setitem(sys.modules, "timm", module)
    monkeypatch.setattr(library, "find_spec", lambda name: object() if name == "timm" else None)


def saved(module: nn.Module, path: Path, prefix: str = "") -> Path:
    torch.save({prefix + name: tensor for name, tensor in module.state_dict().items()}, path)
    return path


def images(channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 64, 64, generator=torch.Generator().manual_seed(0))


# --- the index --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_a_file_alone_gives_the_network_with_its_numbers(tmp_path: Path, prefix: str) -> None:
    network = resnet34(num_classes=5, in_chans=1).eval()
    model = pthway.load(saved(network, tmp_path / "flowers.pth", prefix))
    with torch.inference_mode():
        assert torch.equal(model(images(1)), network(images(1)))
    assert [str(argument) for argument in model.arguments.values()] == [
        "num_classes=5  solved: fc.weight is [5, 512]: dimension 0 is num_classes",
        "in_chans=1  solved: conv1.weight is [64, 1, 7, 7]: dimension 1 is in_chans",
    ]


@pytest.mark.usefixtures("timm")
def test_what_the_caller_passes_wins_over_what_the_weights_show(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="fc is 5 wide in the checkpoint, resnet34 builds 6"):
        pthway.load(saved(resnet34(num_classes=5), tmp_path / "m.pth"), num_classes=6)


@pytest.mark.usefixtures("timm")
def test_names_that_the_caller_undoes_are_undone_first(tmp_path: Path) -> None:
    network = resnet34()
    torch.save({name.replace("fc.", "top."): tensor for name, tensor in network.state_dict().items()}, tmp_path / "m.pth")
    assert pthway.load(tmp_path / "m.pth", rename={"top.": "fc."}).arguments["num_classes"].value == 1000


@pytest.mark.usefixtures("timm")
def test_a_group_is_an_error_that_names_its_members_until_one_is_named(tmp_path: Path) -> None:
    network = resnet50(num_classes=7, in_chans=1).eval()
    with pytest.raises(AmbiguousArchitecture, match=r"timm:resnetblur50: aa_layer=BlurPool2d") as raised:
        pthway.load(saved(network, tmp_path / "m.pth"))
    assert '"timm:resnet50")' in raised.value.fix, "torchvision cannot build it for one channel"
    model = pthway.load(tmp_path / "m.pth", "timm:resnet50")
    with torch.inference_mode():
        assert torch.equal(model(images(1)), network(images(1)))
    assert {name: argument.value for name, argument in model.arguments.items()} == {"num_classes": 7, "in_chans": 1}


def test_weights_of_another_network_than_the_class_are_named(tmp_path: Path) -> None:
    def deep(num_classes: int = 1000) -> nn.Module:
        return Residual((3, 4, 6, 3), bottleneck=True, num_classes=num_classes)

    path = saved(Residual((3, 4, 23, 3), bottleneck=True, num_classes=9), tmp_path / "m.pth")
    with pytest.raises(Mismatch, match="these are the weights of torchvision:resnet101") as raised:
        pthway.load(path, deep)
    assert "the checkpoint has 23 blocks in layer3" in raised.value.why
    assert raised.value.fix.startswith(f'pthway.load("{path}"')
    torch.save({"fc.weight": torch.ones(3, 4), "fc.bias": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(Mismatch) as plain:
        pthway.load(tmp_path / "other.pth", deep)
    assert "these are the weights of" not in plain.value.why


@pytest.mark.usefixtures("timm")
def test_a_network_that_no_installed_library_has_is_looked_for_among_the_indexed_names(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureNotFound, match="timm has no network named 'resnet19'") as raised:
        pthway.load(saved(Residual(), tmp_path / "m.pth"), "timm:resnet19")
    assert '"timm:resnet1' in raised.value.fix


@pytest.mark.usefixtures("no_library")
def test_a_library_that_is_missing_is_named_with_the_command(tmp_path: Path) -> None:
    torch.save(Residual(num_classes=5).state_dict(), tmp_path / "m.pth")
    with pytest.raises(MissingDependency, match=r"is torchvision:resnet18, and torchvision is not installed") as raised:
        pthway.load(tmp_path / "m.pth")
    assert raised.value.fix == "pip install torchvision"
    with pytest.raises(MissingDependency, match="timm is not installed"):
        pthway.load(tmp_path / "m.pth", "timm:resnet18")


@pytest.mark.usefixtures("no_library")
def test_a_network_that_the_only_library_cannot_build_is_said_to_be_so(tmp_path: Path) -> None:
    torch.save(Residual(in_chans=2).state_dict(), tmp_path / "m.pth")  # the module tree is torchvision's
    with pytest.raises(ArchitectureNotFound, match="torchvision:resnet18 for 2 input channels"):
        pthway.load(tmp_path / "m.pth")


@pytest.mark.usefixtures("timm")
def test_a_network_inside_another_is_told_and_not_loaded(tmp_path: Path) -> None:
    class Segmenter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = Residual(head=False)
            self.decoder = nn.Sequential(*(nn.Conv2d(8, 8, 3) for _ in range(20)))

    with pytest.raises(ArchitectureNotFound, match=r"contains torchvision:resnet18 or .* below 'encoder\.': 100 of its 102"):
        pthway.load(saved(Segmenter(), tmp_path / "m.pth"))


@pytest.mark.usefixtures("timm")
def test_a_whole_module_names_the_network_that_has_its_weights(tmp_path: Path) -> None:
    torch.save(resnet34(), tmp_path / "m.pth")
    with pytest.raises(WholeModule, match=r'Residual\) with the class imported.* or pthway\.load\(.*, "torchvision:resnet34"\), which has'):
        pthway.load(tmp_path / "m.pth")


@pytest.mark.usefixtures("timm")
def test_two_networks_in_a_file_are_a_choice(tmp_path: Path) -> None:
    torch.save({"generator": Residual().state_dict(), "discriminator": Residual(num_classes=1).state_dict()}, tmp_path / "m.pth")
    with pytest.raises(AmbiguousWeights, match="generator"):
        pthway.load(tmp_path / "m.pth")
    bare = dict(resnet34(num_classes=1).state_dict())
    torch.save({"generator": bare, "other": 1}, tmp_path / "m.pth")
    assert pthway.load(tmp_path / "m.pth", weights="generator").arguments["num_classes"].value == 1


# --- a configuration beside the weights -------------------------------------------------------------------------------


def configured(folder: Path, config: object, *names: str) -> Path:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name in names:
        saved(Residual(num_classes=4), folder / name)
    return folder


@pytest.mark.usefixtures("timm")
def test_a_folder_with_a_configuration_of_timm_is_loaded(tmp_path: Path) -> None:
    folder = configured(tmp_path, {"architecture": "resnet18", "num_classes": 4}, "pytorch_model.bin")
    for path in (folder, folder / "pytorch_model.bin"):
        model = pthway.load(path)
        assert str(model.arguments["num_classes"]) == "num_classes=4  solved: config.json says so"


@pytest.mark.usefixtures("timm")
def test_a_configuration_that_the_weights_contradict_does_not_win(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="fc is 4 wide in the checkpoint, resnet18 builds 9"):
        pthway.load(configured(tmp_path, {"architecture": "resnet18", "num_classes": 9}, "pytorch_model.bin"))


def test_two_files_of_weights_in_a_folder_are_a_choice(tmp_path: Path) -> None:
    folder = configured(tmp_path, {"architecture": "resnet18"}, "pytorch_model.bin", "model.safetensors")
    with pytest.raises(NotWeights, match=r"2 files of weights: model\.safetensors, pytorch_model\.bin"):
        pthway.load(folder)


def test_a_folder_with_a_configuration_alone_has_no_weights(tmp_path: Path) -> None:
    with pytest.raises(NotWeights, match="no file of weights"):
        pthway.load(configured(tmp_path, {"architecture": "resnet18"}))


@pytest.mark.parametrize(("config", "how"), [("{", "no JSON that can be read"), ("[1]", "no JSON object"), ("[" * 100_000, "no JSON that")])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, config: str, how: str) -> None:
    with pytest.raises(CorruptFile, match=how):
        pthway.load(configured(tmp_path, config, "pytorch_model.bin"))


def test_a_configuration_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.dumps({"architecture": 1})
    monkeypatch.setattr(hugging_face, "LARGEST", len(config))
    folder = configured(tmp_path, config, "pytorch_model.bin")
    with pytest.raises((MissingDependency, AmbiguousArchitecture, ArchitectureNotFound)):
        pthway.load(folder)  # at the limit it is read, and names nothing
    monkeypatch.setattr(hugging_face, "LARGEST", len(config) - 1)
    with pytest.raises(CorruptFile, match=f"has {len(config)} bytes"):
        pthway.load(folder)


@pytest.mark.usefixtures("no_library")
def test_a_configuration_of_transformers_needs_the_library(tmp_path: Path) -> None:
    folder = configured(tmp_path, {"architectures": ["BertModel"], "model_type": "bert"}, "pytorch_model.bin")
    with pytest.raises(MissingDependency, match="transformers is not installed"):
        pthway.load(folder)


@pytest.mark.usefixtures("timm")
def test_a_configuration_beside_other_files_does_not_count(tmp_path: Path) -> None:
    folder = configured(tmp_path, {"architecture": "nothing"})
    saved(resnet34(), folder / "flowers.pth")
    assert pthway.load(folder / "flowers.pth").report.match.architecture.name == "timm:resnet34"


# --- a class of transformers without its configuration ----------------------------------------------------------------

BERT = "transformers:BertForSequenceClassification"


class Configuration:
    """A stand-in for ``BertConfig``: takes any setting, as the library's do."""

    def __init__(self, **settings: Any) -> None:
        vars(self).update({"hidden_size": 768, "num_attention_heads": 12} | settings)

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class Pretrained(nn.Module):
    """A stand-in for ``PreTrainedModel``."""

    config_class = Configuration


class Encoder(Pretrained):
    """The weights of BERT, and the number of heads, which is not among them."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        sizes = {"hidden": "hidden_size", "layers": "num_hidden_layers", "vocabulary": "vocab_size", "inner": "intermediate_size"}
        for name, shape in bert(**{key: getattr(config, value) for key, value in sizes.items()}, labels=config.num_labels).items():
            owner, *path = self, *name.split(".")[:-1]
            for part in path:
                if part not in owner._modules:
                    owner.add_module(part, nn.Module())
                owner = owner.get_submodule(part)
            owner.register_parameter(name.rpartition(".")[2], nn.Parameter(torch.zeros(shape.shape)))


@pytest.fixture
def transformers(no_library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("transformers")
    vars(module).update(PreTrainedModel=Pretrained, BertForSequenceClassification=Encoder)
    monkeypatch.setitem(sys.modules, "transformers", module)
    monkeypatch.setattr(hugging_face, "find_spec", lambda _: None)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(
        {name: torch.rand(each.shape) for name, each in bert(hidden=32, layers=2, vocabulary=99, inner=64, labels=3).items()},
        tmp_path / "bert.pth",
    )
    return tmp_path / "bert.pth"


def test_a_class_whose_settings_the_weights_do_not_show_is_not_loaded_as_if_they_did(weights: Path) -> None:
    with pytest.raises(ArchitectureNotFound, match=f"has the weights of .*{BERT}") as raised:
        pthway.load(weights)
    assert "hidden_size=32" in raised.value.why and "num_attention_heads=12" in raised.value.why
    assert "config.json" in raised.value.fix and "num_attention_heads=12" in raised.value.fix


@pytest.mark.usefixtures("transformers")
def test_the_line_that_the_error_proposes_loads_the_class_with_the_settings_that_the_weights_show(weights: Path) -> None:
    with pytest.raises(UnsolvedArguments, match=r"settings of transformers:BertForSequenceClassification have to be passed") as raised:
        pthway.load(weights, BERT, num_attention_heads=4)
    call = raised.value.fix.partition("pass them: ")[2]
    assert "num_attention_heads=4" in call
    model = eval(call, {"pthway": pthway, "path": weights})
    assert (model.module.config.hidden_size, model.module.config.num_hidden_layers, model.module.config.num_attention_heads) == (32, 2, 4)
    assert str(model.arguments["num_labels"]) == "num_labels=3  solved: classifier.weight is [3, 32]: dimension 0: num_labels"
    assert torch.equal(model.module.classifier.weight, torch.load(weights)["classifier.weight"])


@pytest.mark.usefixtures("transformers")
def test_a_setting_that_the_configuration_does_not_have_is_refused(weights: Path) -> None:
    with pytest.raises(UsageError, match="no setting 'num_atention_heads'") as raised:
        pthway.load(weights, BERT, num_atention_heads=4)
    assert "num_attention_heads" in raised.value.fix


@pytest.mark.usefixtures("transformers")
@pytest.mark.parametrize("name", ["BertForSequenceClasification", "PreTrainedConfig", "no name"])
def test_only_a_network_of_transformers_is_a_class_of_it(weights: Path, name: str) -> None:
    with pytest.raises(ArchitectureNotFound, match=f"transformers has no network named '{name}'"):
        pthway.load(weights, f"transformers:{name}")


@pytest.mark.usefixtures("no_library")
def test_the_class_is_recognised_without_the_library_and_needs_it_to_be_built(weights: Path) -> None:
    with pytest.raises(MissingDependency, match="transformers is not installed"):
        pthway.load(weights, BERT)
    with pytest.raises(Mismatch, match=f"these are the weights of .*{BERT}"):
        pthway.load(weights, Residual)
