"""What goes along with weights that are converted: epoch, metrics, settings and the versions of modules, as JSON in the new file."""

import json
import math
from collections.abc import Mapping
from typing import Final

from pthway import _lazy
from pthway.errors import PthwayError
from pthway.formats.values import PickledDict

EXTRAS: Final = "pthway.extras"
"""The key under which a converted file keeps what stood beside the weights."""

METADATA: Final = "torch._metadata"
"""The key under which a safetensors file keeps what ``Module.state_dict()`` notes of each module."""

KEPT_BYTES: Final = 1024 * 1024
"""Bytes of extras that go along: an optimizer's state is not wanted with weights that are deployed."""


def text(value: object) -> str:
    """Plain data as JSON. NaN and infinity, which JSON lacks, become their names."""
    return json.dumps(_finite(value))


def fitting(extras: Mapping[str, object]) -> tuple[dict[str, object], tuple[str, ...]]:
    """The extras that are short enough to go along, and the names of the rest."""
    kept: dict[str, object] = {}
    left = KEPT_BYTES
    for name, value in extras.items():
        size = len(text({name: value}))
        if size <= left:
            kept[name], left = value, left - size
    return kept, tuple(name for name in extras if name not in kept)


def read(beside: Mapping[str, object], name: str) -> PickledDict | None:
    """What `text` made of a dictionary, from the key *name*; None if there is none that can be read."""
    found = beside.get(name)
    if not isinstance(found, str):
        return None
    try:
        value = _lazy.load("pthway.formats.json_text:parse")(found.encode("utf-8", "surrogatepass"), name)
    except PthwayError:
        return None  # a text of another program's under this key is shown as it is
    return value if isinstance(value, PickledDict) else None


def _finite(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {name: _finite(entry) for name, entry in value.items()}
        case list() | tuple():
            return [_finite(entry) for entry in value]
    return value
