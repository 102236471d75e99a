"""The keys under which training programs put weights, and the prefixes that wrappers put before names."""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from tests.corpus.entry import Entry, Read, file
from tests.corpus.honest import STATE, saved

NESTING = (
    "state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "params_ema", "params-ema",
    "state_dict_ema", "model_ema", "ema", "ema_model", "ema_state_dict", "generator", "discriminator", "netG", "netD", "g_ema", "g", "d",
    "G", "D", "encoder", "decoder", "student", "teacher", "target_network", "online_network", "backbone", "base_encoder", "actor",
    "critic", "policy", "model_state", "state", "checkpoint", "best_model", "net_state_dict", "model_weights", "unknown_to_all",
)  # fmt: skip

UNDONE = ("module.", "_orig_mod.", "_forward_module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")

STACKED = ("module._orig_mod.", "_orig_mod.module.", "module.module.", "_forward_module.module._orig_mod.")

KEPT = (
    "model.", "net.", "network.", "backbone.", "encoder.", "encoder_q.", "base_encoder.", "student.backbone.", "teacher.", "netG.",
    "generator.", "visual.", "visual.trunk.", "timm_model.", "base_model.model.", "ema_model.", "ema.",
)  # fmt: skip


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in STATE.items()}


def optimizer() -> dict[str, Any]:
    network = nn.Linear(3, 2)
    made = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    made.step()
    return {"model": network.state_dict(), "optimizer": made.state_dict(), "epoch": 7}


def inside(prefix: str) -> dict[str, torch.Tensor]:
    return {f"layers.{prefix}{name}": value for name, value in STATE.items()}


ENTRIES = (
    *(Entry(f"under {key}", None, file(saved({key: STATE, "epoch": 7})), Read(2, says=f"{key}: 2 tensors")) for key in NESTING),
    *(Entry(f"prefix {prefix}", None, file(saved(prefixed(prefix))), Read(2, says=f"{prefix}' taken off 2")) for prefix in UNDONE),
    *(Entry(f"prefixes {prefix}", None, file(saved(prefixed(prefix))), Read(2, says="taken off 2 names")) for prefix in STACKED),
    *(Entry(f"prefix kept {prefix}", None, file(saved(prefixed(prefix))), Read(2, says=f"  {prefix.split('.')[0]} ")) for prefix in KEPT),
    *(Entry(f"prefix inside {prefix}", None, file(saved(inside(prefix))), Read(2, says="taken off 2 names")) for prefix in UNDONE[1::2]),
    Entry("raw and averaged", None, file(saved({"state_dict": STATE, "state_dict_ema": {name: value / 2 for name,
        value in STATE.items()}})), Read(4, says="averaged")),
    Entry("two networks", None, file(saved({"generator": STATE, "discriminator": {"b": torch.ones(1)}})), Read(3)),
    Entry("three levels down", None, file(saved({"run": {"best": {"state_dict": STATE}}})), Read(2, says="run.best.state_dict")),
    Entry("in a list", None, file(saved([{"state_dict": STATE}, 7])), Read(2, says=r"0\.state_dict")),
    Entry("beside an optimizer", None, file(saved(optimizer)), Read(2, says="optimizer")),
    Entry("averaged by torch", None, file(saved(lambda: AveragedModel(nn.Linear(3, 2)).state_dict())), Read(2, says="n_averaged")),
    Entry("averaged by mmengine", None, file(saved({**STATE, **{f"ema_{name.replace('.', '_')}": value for name, value in STATE.items()}})),
        Read(4)),
    Entry("weight norm", None, file(saved(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)).state_dict())), Read(3)),
    Entry("spectral norm", None, file(saved(lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2)).state_dict())), Read(4)),
    Entry("ordered dictionary", None, file(saved(OrderedDict(STATE))), Read(2)),
    Entry("one tensor", None, file(saved(torch.ones(3))), Read(0)),
    Entry("list of tensors", None, file(saved([torch.ones(3)])), Read(0)),
    Entry("tensors by number", None, file(saved({0: torch.ones(3), 1: torch.ones(2)})), Read(0)),
    Entry("empty dictionary", None, file(saved({})), Read(0, says="no state dict")),
    Entry("settings among the tensors", None, file(saved({**STATE, "height": 640, "width": 192, "use_stereo": True})),
        Read(2, says="height: 640")),
)  # fmt: skip
