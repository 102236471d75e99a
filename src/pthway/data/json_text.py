"""JSON and JSON lines to named arrays."""

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pthway.data.limits import JSON_BYTES, JSON_DEPTH
from pthway.data.numbers import to_array
from pthway.errors import InputRefused, LimitExceeded

Array = npt.NDArray[Any]

UNNAMED: Final = "inputs"
"""The name that means: the input itself."""
FORMS: Final = 'JSON inputs are a list, a list of lists, {"inputs": list}, {"name": list, …}, or one of these a line.'


def read_json(text: str, name: str) -> tuple[dict[str, Array], str]:
    """Return the arrays by input name ("" where the file names none), and what the file was in words.

    Raises `InputRefused` for text that is no such JSON, naming line and column or the entry, and `LimitExceeded` for size and depth.
    """
    if len(text) > JSON_BYTES:
        raise LimitExceeded(f"{name} has {len(text):,} characters.", f"JSON is read up to {JSON_BYTES:,}.", "numpy.save(path, array)")
    try:
        return _named(_parse(text, name), name), "JSON"
    except json.JSONDecodeError as cause:
        if cause.msg == "Extra data" and "\n" in text.strip():
            return _read_lines(text, name)
        raise InputRefused(f"{name}, line {cause.lineno}, column {cause.colno}: {cause.msg}.", FORMS, "Correct that line.") from cause


def _read_lines(text: str, name: str) -> tuple[dict[str, Array], str]:
    samples: list[dict[str, Array]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            sample = _named(_parse(line, where), where)
        except json.JSONDecodeError as cause:
            raise InputRefused(f"{where}, column {cause.colno}: {cause.msg}.", FORMS, "Correct that line.") from cause
        if samples and _outline(sample) != _outline(samples[0]):
            raise InputRefused(
                f"{where} holds {_outline(sample)}, the first line {_outline(samples[0])}.",
                "Each line of JSON lines is one sample, and all have the same inputs and shapes.",
                "Correct that line.",
            )
        samples.append(sample)
    return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}, f"JSON lines, {len(samples)} samples"


def _outline(sample: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    return {key: array.shape for key, array in sample.items()}


def _parse(text: str, name: str) -> Any:
    def refuse(constant: str) -> None:
        raise InputRefused(
            f"{name} holds {constant}.",
            "Text inputs hold finite numbers; what is missing there is better decided than computed with.",
            "Leave the sample out, put a number there, or save the array as .npy, where NaN is taken as it is.",
        )

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [key for key, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(key for key in names if names.count(key) > 1)
            raise InputRefused(f"{name} names {twice!r} twice.", "Each input is named once.", "Leave one out.")
        return dict(pairs)

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except RecursionError as cause:
        raise LimitExceeded(f"{name} is nested too deeply.", f"A list is a dimension; {JSON_DEPTH} are read.", "Check the file.") from cause
    except (json.JSONDecodeError, InputRefused):
        raise
    except ValueError as cause:  # Python's own limit on the digits of a whole number
        raise InputRefused(f"{name} holds a number of thousands of digits.", str(cause), "Correct the number.") from cause


def _named(parsed: Any, name: str) -> dict[str, Array]:
    if isinstance(parsed, dict) and set(parsed) == {UNNAMED}:
        return _named(parsed[UNNAMED], name)
    if isinstance(parsed, list):
        return {"": to_array(parsed, f"{name}: {UNNAMED}")}
    if isinstance(parsed, dict) and parsed and all(isinstance(value, list) for value in parsed.values()):
        return {key: to_array(value, f"{name}: {key}") for key, value in parsed.items()}
    found = (
        f"an object of {', '.join(map(repr, list(parsed)[:5])) or 'nothing'}" if isinstance(parsed, dict) else f"{type(parsed).__name__}"
    )
    raise InputRefused(f"{name} is {found}.", FORMS, 'Write {"inputs": [[…], …]}')
