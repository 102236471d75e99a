"""What a file tells beside its numbers: modules and their settings, who made it, and what else it holds."""

import argparse
import datetime
import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pthway import errors
from pthway.checkpoint import open_checkpoint, tree
from pthway.checkpoint.modules import Module
from pthway.checkpoint.plain import Plain
from pthway.checkpoint.state_dicts import StateDict
from pthway.checkpoint.summary import facts, report, summary
from pthway.formats import limits
from pthway.formats.parts import Format
from pthway.formats.values import PickledDict


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1, dilation=2),
        nn.Sequential(nn.BatchNorm2d(8, eps=1e-3), nn.ReLU(inplace=True), nn.Dropout(0.25)),
        nn.MultiheadAttention(8, 4, batch_first=True),
    )


def saved(value: object, path: Path, **options: Any) -> Path:
    torch.save(value, path, **options)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_every_setting_of_a_pickled_module_is_told_by_module(legacy: bool, tmp_path: Path) -> None:
    module = network()
    (state,) = open_checkpoint(saved(module, tmp_path / "m.pth", _use_new_zipfile_serialization=not legacy)).state_dicts
    rows = {row.path: row for row in tree.rows(state)}
    assert list(rows) == [path for path, _ in module.named_modules()]
    for path, child in module.named_modules():
        assert rows[path].kind == f"{type(child).__module__}.{type(child).__name__}"
        for name, value in vars(child).items():
            if not name.startswith("_") and name != "training":
                told = rows[path].attributes[name]
                assert told == (list(value) if isinstance(value, tuple) else value), (path, name)


def test_the_tree_counts_what_state_dict_holds_at_and_below_each_module(tmp_path: Path) -> None:
    module = network()
    (state,) = open_checkpoint(saved(module.state_dict(), tmp_path / "m.pth")).state_dicts
    for row in tree.rows(state):
        held = module.get_submodule(row.path).state_dict().values()
        assert row.tensors == len(held)
        assert row.elements == sum(value.numel() for value in held)
        assert row.nbytes == sum(value.nbytes for value in held)
    assert [row.path for row in tree.rows(state)] == [path for path, _ in module.named_modules()], "modules without tensors too"


def test_without_metadata_the_tree_comes_from_the_names(tmp_path: Path) -> None:
    (state,) = open_checkpoint(saved({"b.c.w": torch.ones(2), "a.w": torch.ones(3), "b.w": torch.ones(4)}, tmp_path / "m.pth")).state_dicts
    assert [(row.path, row.tensors, row.elements) for row in tree.rows(state)] == [("", 3, 9), ("b", 2, 6), ("b.c", 1, 2), ("a", 1, 3)]


def test_wrappers_are_undone_in_the_tree_of_a_pickled_module(tmp_path: Path) -> None:
    (state,) = open_checkpoint(saved(nn.DataParallel(nn.Linear(2, 3)), tmp_path / "m.pth")).state_dicts
    (row,) = tree.rows(state)
    assert (row.path, row.kind, row.attributes) == ("", "torch.nn.modules.linear.Linear", {"in_features": 2, "out_features": 3})


def test_a_long_tree_is_folded_to_the_level_that_fits(tmp_path: Path) -> None:
    module = nn.Sequential(*(nn.Sequential(*(nn.Linear(1, 1) for _ in range(10))) for _ in range(10)))
    (state,) = open_checkpoint(saved(module.state_dict(), tmp_path / "m.pth")).state_dicts
    rows = tree.rows(state)
    assert len(rows) == 111
    assert len(tree.to_depth(rows, 111)) == 111
    assert [row.depth for row in tree.to_depth(rows, 110)] == [0] + [1] * 10
    assert "… 100 more modules" in summary(open_checkpoint(tmp_path / "m.pth"))


def test_a_module_inside_itself_is_refused(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(1, 1))
    module._modules["1"] = module
    with pytest.raises(errors.CorruptFile, match="is inside itself"):
        open_checkpoint(saved(module, tmp_path / "m.pth"))


def test_modules_that_double_at_every_level_are_bounded(tmp_path: Path) -> None:
    module: nn.Module = nn.ReLU()
    for _ in range(20):
        module = nn.Sequential(module, module)
    with pytest.raises(errors.LimitExceeded, match=f"more than {limits.MAX_MODULES:,} modules"):
        open_checkpoint(saved(module, tmp_path / "m.pth"))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"state_dict": {"w": torch.ones(2)}, "pytorch-lightning_version": "2.1.0"}, "Lightning 2.1.0 (key pytorch-lightning_version)"),
        ({"torch_version": torch.torch_version.TorchVersion("2.3.1"), "w": torch.ones(2)}, "torch 2.3.1 (key torch_version)"),
        ({"bn.running_mean": torch.ones(2)}, "trained with torch 0.4.0 or earlier, or stripped of its counters"),
    ],
)
def test_what_the_content_tells_of_its_maker_is_told_with_its_evidence(value: object, sentence: str, tmp_path: Path) -> None:
    origin = open_checkpoint(saved(value, tmp_path / "m.pth")).origin
    assert any(told.startswith(sentence) for told in origin), origin


def test_norms_with_their_counters_are_no_sign_of_an_old_torch(tmp_path: Path) -> None:
    assert open_checkpoint(saved(nn.BatchNorm2d(2).state_dict(), tmp_path / "m.pth")).origin == ()


def test_a_legacy_stream_is_dated_by_the_functions_that_it_names(tmp_path: Path) -> None:
    path = saved({"w": torch.ones(2)}, tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    assert open_checkpoint(path).origin == ("torch 0.4 or later (names torch._utils._rebuild_tensor_v2)",)
    old = path.read_bytes().replace(b"_rebuild_tensor_v2\n", b"_rebuild_tensor\n")
    assert old.count(b"_rebuild_tensor\n") == 1
    without_flags, changed = re.subn(rb"\x89(?:ccollections\nOrderedDict\nq.|h.)\)Rq.t", b"t", old, flags=re.DOTALL)
    assert changed == 1
    path.write_bytes(without_flags)
    assert open_checkpoint(path).container.parts.format is Format.TORCH_LEGACY
    assert open_checkpoint(path).origin == ("torch 0.3 or earlier (names torch._utils._rebuild_tensor)",)


def test_a_module_of_torch_1_5_is_known_by_what_it_lacks(tmp_path: Path) -> None:
    module = nn.BatchNorm1d(2)
    del module.__dict__["_non_persistent_buffers_set"]
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(module))
    assert "pickled by torch 1.5 or earlier (modules without _non_persistent_buffers_set)" in open_checkpoint(tmp_path / "m.pkl").origin


def test_epoch_metrics_settings_labels_and_optimizer_are_told(tmp_path: Path) -> None:
    module = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.125, momentum=0.5)
    extras = {
        "epoch": 7,
        "best_acc": 0.93,
        "classes": ["cat", "dog"],
        "args": argparse.Namespace(arch="tiny", depth=3),
        "date": datetime.date(2024, 5, 6),
        "optimizer": optimizer.state_dict(),
    }
    checkpoint = open_checkpoint(saved({"state_dict": module.state_dict(), **extras}, tmp_path / "m.pth"))
    told = [value for label, value in facts(checkpoint) if label == "also holds"]
    assert told[:4] == ["epoch: 7", "best_acc: 0.93", "classes: ['cat', 'dog']", "args: argparse.Namespace: arch=tiny, depth=3"]
    assert any(line.startswith("optimizer: optimizer of 2 parameters, state of 0; lr=0.125, momentum=0.5") for line in told)
    assert json.loads(json.dumps(report(checkpoint), default=str))["extras"]["args"] == {
        "<class>": "argparse.Namespace",
        "arch": "tiny",
        "depth": 3,
    }


def test_values_beside_the_tensors_of_one_dictionary_are_told(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(saved({"w": torch.ones(2), "epoch": 3}, tmp_path / "m.pth"))
    assert list(checkpoint) == ["w"]
    assert checkpoint.extras == {"epoch": 3}
    assert checkpoint.state_dicts[0].left_out == {"epoch": "not a tensor"}


def test_attributes_under_keys_that_no_attribute_has_are_left_out() -> None:
    knot: list[object] = []
    knot.append(knot)
    held = Module("nets.Net", PickledDict(pairs=[("stride", 2), (knot, 1), ((1, 2), 3), (5, 4), ("training", False)]))
    assert held.attributes(Plain()) == {"stride": 2}


def test_the_attributes_of_all_modules_together_are_bounded() -> None:
    shared: object = "x" * 1000
    for _ in range(4):
        shared = [shared] * 50
    modules = {str(number): Module("nets.Net", PickledDict(pairs=[("a", shared)])) for number in range(100)}
    state = StateDict("", {}, {}, modules={"": Module("nets.Net", PickledDict())} | modules)
    assert len(json.dumps([row.attributes for row in tree.rows(state)])) < 2 * limits.MAX_SHOWN_CHARACTERS
