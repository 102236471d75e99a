"""Other ways to write the same tensor: norms of weights, pruning, quantisation, adapters, old names. Pure.

The names are those that torch (``torch.nn.utils``, ``torch.nn.utils.parametrize``, ``torch.ao.quantization``), PEFT, GPTQ and AWQ write.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple


class Form(NamedTuple):
    """A way to write one tensor as several, or under another name."""

    words: str
    family: str
    """Forms of one family hold the same tensors."""
    endings: Mapping[str, str]
    """Ending of a key → what that tensor is in the family. ``{0}`` stands for the name of the parameter."""


_WEIGHT_NORM: Final = "weight norm"
_SPECTRAL_NORM: Final = "spectral norm"

FORMS: Final = (
    Form("weight norm (weight_g, weight_v)", _WEIGHT_NORM, {"{0}_g": "length", "{0}_v": "direction"}),
    Form(
        "weight norm (parametrizations)",
        _WEIGHT_NORM,
        {"parametrizations.{0}.original0": "length", "parametrizations.{0}.original1": "direction"},
    ),
    Form("spectral norm (weight_orig, weight_u)", _SPECTRAL_NORM, {"{0}_orig": "weight", "{0}_u": "left", "{0}_v": "right"}),
    Form(
        "spectral norm (parametrizations)",
        _SPECTRAL_NORM,
        {"parametrizations.{0}.original": "weight", "parametrizations.{0}.0._u": "left", "parametrizations.{0}.0._v": "right"},
    ),
    Form("pruning (weight_orig, weight_mask)", "pruning", {"{0}_orig": "weight", "{0}_mask": "mask"}),
    Form("a parametrization", "parametrization", {"parametrizations.{0}.original": "weight"}),
)
"""The forms of one parameter; a form that says more comes before one that says less."""

_PARAMETRIZED: Final = "parametrizations.{0}."
_OF_PARAMETRIZED: Final = re.compile(r"(?:.*\.)?parametrizations\.\w+\.")

NAMES: Final = {"gamma": "weight", "beta": "bias"}
"""Old names of the parameters of normalising layers → those of torch."""


class Treatment(NamedTuple):
    """What was done to a whole network, which left keys that the plain one lacks."""

    words: str
    fix: str
    mark: re.Pattern[str]
    """A key that only such networks have."""
    ending: re.Pattern[str]
    """How the keys end that go with it; what comes before is the module that was treated."""


TREATMENTS: Final = (
    Treatment(
        "LoRA adapters",
        "merge them into the weights first (PEFT: model.merge_and_unload()), and save that",
        re.compile(r"(^|\.)lora_(A|B|up|down)\b"),
        re.compile(r"\.?(lora_\w+\b.*|alpha|base_layer\..*)$"),
    ),
    Treatment(
        "weights quantised by GPTQ or AWQ",
        "it takes the library that quantised them, or the weights from before",
        re.compile(r"\.qweight$"),
        re.compile(r"\.(qweight|qzeros|scales|g_idx)$"),
    ),
    Treatment(
        "weights quantised by bitsandbytes",
        "it takes bitsandbytes, or the weights from before",
        re.compile(r"\.(SCB|quant_map|quant_state\..*)$"),
        re.compile(r"\.(weight\.)?(SCB|weight_format|absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..*)$"),
    ),
    Treatment(
        "observers of quantisation-aware training",
        "build the prepared variant of the class (torch.ao.quantization.prepare_qat)",
        re.compile(r"(^|\.)(activation_post_process|weight_fake_quant)\."),
        re.compile(r"\.?(activation_post_process|weight_fake_quant)\..*$"),
    ),
    Treatment(
        "weights quantised by torch",
        "build the quantised variant of the class (torch.ao.quantization), or take the float checkpoint",
        re.compile(r"(^|\.)zero_point$"),
        re.compile(r"\.?(_packed_params\b.*|scale|zero_point)$"),
    ),
)
"""Each with the keys by which it is known."""


class Written(NamedTuple):
    """One parameter in some form."""

    form: Form
    keys: Mapping[str, str]
    """What the tensor is in the family → its key."""
    others: tuple[str, ...]
    """Further keys of a parametrization, which only its own class understands."""


def written(keys: Iterable[str]) -> dict[str, Written]:
    """The parameters among *keys* that are written in some form, under the name that they would have plain."""
    present = set(keys)
    held: dict[str, list[str]] = defaultdict(list)
    for key in present:
        if match := _OF_PARAMETRIZED.match(key):
            held[match[0]].append(key)
    found: dict[str, Written] = {}
    for form in FORMS:
        first, *rest = form.endings
        shape = re.compile(rf"(?P<path>.*\.|){re.escape(first).replace(re.escape('{0}'), '(?P<name>[A-Za-z_]+)')}")
        for key in sorted(present):
            match = shape.fullmatch(key)
            if match is None:
                continue
            path, name = match["path"], match["name"]
            parts = [path + ending.format(name) for ending in (first, *rest)]
            if path + name not in found and all(part in present for part in parts):
                others = tuple(sorted(set(held[path + _PARAMETRIZED.format(name)]).difference(parts)))
                found[path + name] = Written(form, dict(zip(form.endings.values(), parts, strict=True)), others)
    return found


def treated(keys: Iterable[str]) -> dict[Treatment, dict[str, str]]:
    """The treatments that *keys* show, each with its keys and the modules that they belong to."""
    left = set(keys)
    found: dict[Treatment, dict[str, str]] = {}
    for treatment in TREATMENTS:
        if any(treatment.mark.search(key) for key in left):
            modules = {key: treatment.ending.sub("", key) for key in sorted(left) if treatment.ending.search(key)}
            found[treatment] = modules
            left -= modules.keys()
    return found
