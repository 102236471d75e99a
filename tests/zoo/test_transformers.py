"""Folders that transformers wrote are loaded from their configuration, and give the bits that transformers gives."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import pthway
from pthway.errors import ArchitectureNotFound, Mismatch

BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 99}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99, "n_positions": 64}
VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 32, "patch_size": 8}


def written(folder: Path, name: str, config: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    network: torch.nn.Module = getattr(transformers, name)(config).eval()
    network.save_pretrained(folder)  # type: ignore[operator]
    return network


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("BertForSequenceClassification", transformers.BertConfig(**BERT, num_labels=3)),
        ("BertModel", transformers.BertConfig(**BERT)),
        ("GPT2LMHeadModel", transformers.GPT2Config(**GPT2)),
        ("ViTForImageClassification", transformers.ViTConfig(**VIT, num_labels=5)),
        ("DistilBertForTokenClassification", transformers.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=99)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_folder_gives_the_network_that_its_configuration_names(tmp_path: Path, name: str, config: Any) -> None:
    network = written(tmp_path, name, config)
    model = pthway.load(tmp_path)
    given = torch.randn(2, 3, 32, 32) if name.startswith("ViT") else torch.randint(0, 99, (2, 7))
    with torch.inference_mode():
        expected, found = network(given), model.module(given)
    assert type(model.module) is type(network) and list(expected) == list(found)
    assert torch.equal(expected[0], found[0])
    assert model.report.match.architecture.name == f"transformers:{name}"


def test_settings_that_leave_no_trace_in_the_weights_come_from_the_configuration(tmp_path: Path) -> None:
    written(tmp_path, "BertModel", transformers.BertConfig(**{**BERT, "num_attention_heads": 8}, hidden_act="relu"))
    assert pthway.load(tmp_path).module.config.num_attention_heads == 8
    assert pthway.load(tmp_path).module.config.hidden_act == "relu"


def test_code_that_a_folder_brings_is_not_run(tmp_path: Path) -> None:
    written(tmp_path, "BertModel", transformers.BertConfig(**BERT))
    (tmp_path / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "modeling.Own"}, "architectures": ["Own"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArchitectureNotFound, match=r"auto_map\) is not run"):
        pthway.load(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["AutoModel", "BertConfig", "no name", "pipeline"])
def test_only_a_network_of_transformers_is_built(tmp_path: Path, name: str) -> None:
    written(tmp_path, "BertModel", transformers.BertConfig(**BERT))
    config = json.loads((tmp_path / "config.json").read_text()) | {"architectures": [name]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArchitectureNotFound, match=f"names the class '{name}'"):
        pthway.load(tmp_path)


def test_a_configuration_of_other_sizes_is_a_mismatch(tmp_path: Path) -> None:
    written(tmp_path, "BertModel", transformers.BertConfig(**BERT))
    config = json.loads((tmp_path / "config.json").read_text()) | {"num_hidden_layers": 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(Mismatch, match=r"the checkpoint has 2 blocks in encoder\.layer, BertModel builds 3"):
        pthway.load(tmp_path)
