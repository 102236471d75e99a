"""Whether the class that was written has the tensors that it was written from: torch itself loads them strictly."""

import warnings
from collections import OrderedDict
from collections.abc import Mapping
from types import ModuleType

import torch
from torch import nn

from pthway.architecture.build import shapes
from pthway.architecture.difference import BATCH_COUNTER, compare
from pthway.architecture.scaffold.told import Told
from pthway.errors import Mismatch


def verify(text: str, told: Told) -> int:
    """The number of tensors that torch loaded strictly into the class ``Model`` of *text*, which is built on the meta device.

    Names, shapes and types are all compared. *text* is what `scaffold` wrote; no number of the file is read. Raises `Mismatch`.
    """
    try:
        module = built(text)
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as cause:
        raise _wrong(f"torch does not build it, {type(cause).__name__}: {' '.join(str(cause).split())[:300]}") from cause
    found = shapes(module)
    difference = compare(found, told.tensors)
    counters = {name for name in found if name.rpartition(".")[2] == BATCH_COUNTER}
    types = {
        name: (found[name].dtype, tensor.dtype)
        for name, tensor in told.tensors.items()
        if name in found and name not in counters and not found[name].free and found[name].dtype != tensor.dtype
    }
    if not difference.fits or types:
        wrong = [*difference.missing, *difference.unexpected, *difference.differing, *types]
        raise _wrong(f"{len(wrong)} tensors, the first {wrong[0]!a}")
    try:
        module.load_state_dict(_meta(told), strict=True, assign=True)
    except RuntimeError as cause:
        raise _wrong(" ".join(str(cause).split())[:300]) from cause
    return len(told.tensors)


def built(text: str) -> nn.Module:
    """An instance of the class ``Model`` of *text*, its parameters without memory."""
    home = ModuleType("scaffold")
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")  # torch says that its older weight_norm is out of date, which the file's names ask for
        exec(compile(text, "<scaffold>", "exec"), vars(home))
        module: nn.Module = home.Model()
    return module


def _meta(told: Told) -> Mapping[str, object]:
    state: OrderedDict[str, object] = OrderedDict(
        (name, torch.empty(tensor.shape, dtype=getattr(torch, tensor.dtype), device="meta")) for name, tensor in told.tensors.items()
    )
    if told.versions is not None:
        noted = {path: {} if version is None else {"version": version} for path, version in told.versions.items()}
        vars(state)["_metadata"] = OrderedDict(noted)
    return state


def _wrong(what: str) -> Mismatch:
    return Mismatch(
        f"The class that was written does not fit the weights: {what}.",
        "It is built and loaded strictly before it is kept; this is a fault of pthway.",
        "Nothing was written. Please report the names and shapes: pthway inspect --json",
    )
