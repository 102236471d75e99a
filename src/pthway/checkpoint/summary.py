"""A checkpoint in words: one description, shown as text, in a terminal, or as JSON."""

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from pthway.checkpoint import tree
from pthway.checkpoint.checkpoint import Checkpoint
from pthway.checkpoint.state_dicts import StateDict
from pthway.formats.tensors import AnyTensor, TensorSpec

LISTED: Final = 40
"""Modules that are listed: as many levels of the tree as have no more."""


def report(checkpoint: Checkpoint) -> dict[str, object]:
    """Everything that is known of the checkpoint, as plain data for JSON."""
    parts = checkpoint.container.parts
    return {
        "path": str(checkpoint.path),
        "format": str(parts.format),
        "bytes": checkpoint.container.source.size,
        "written_by": parts.written_by,
        "origin": list(checkpoint.origin),
        "saved_as": parts.stem,
        "byte_order": parts.byteorder,
        "safety": {
            "verdict": str(checkpoint.safety.verdict),
            "calls": [str(call) for call in checkpoint.safety.calls],
            "classes": list(checkpoint.safety.classes),
        },
        "weights": [state_report(state) for state in checkpoint.state_dicts],
        "extras": dict(checkpoint.extras),
        "notes": list(parts.notes),
    }


def state_report(state: StateDict) -> dict[str, object]:
    """One state dict as plain data."""
    return {
        "path": state.path,
        "averaged": state.averaged,
        "module": state.module,
        "tensor_count": len(state.tensors),
        "elements": state.elements,
        "bytes": state.nbytes,
        "dtypes": dtypes(state.tensors),
        "devices": devices(state.tensors),
        "renames": [str(rule) for rule in state.renames],
        "left_out": dict(state.left_out or {}),
        "modules": [module_report(row) for row in tree.rows(state)],
        "tensors": [tensor_report(name, state.keys[name], spec) for name, spec in state.tensors.items()],
    }


def module_report(row: tree.Row) -> dict[str, object]:
    """One module as plain data."""
    return {
        "path": row.path,
        "class": row.kind or None,
        "attributes": row.attributes,
        "tensor_count": row.tensors,
        "elements": row.elements,
        "bytes": row.nbytes,
    }


def tensor_report(name: str, key: str, spec: AnyTensor) -> dict[str, object]:
    """One tensor as plain data."""
    kind = "strided" if isinstance(spec, TensorSpec) else spec.kind
    return {"name": name, "key": key, "dtype": spec.dtype, "shape": list(spec.shape), "bytes": spec.nbytes, "kind": kind}


def dtypes(tensors: Mapping[str, AnyTensor]) -> dict[str, int]:
    """Number of tensors of each element type, the most frequent first."""
    return dict(Counter(spec.dtype for spec in tensors.values()).most_common())


def devices(tensors: Mapping[str, AnyTensor]) -> list[str]:
    """Where the tensors were when they were saved."""
    return sorted({spec.storage.device for spec in tensors.values() if isinstance(spec, TensorSpec)})


def listed(state: StateDict, limit: int | None = LISTED) -> tuple[list[tree.Row], str]:
    """The modules that a summary shows, and a line on what it leaves out; None for *limit* leaves nothing out.

    The root is among them where the file tells its class.
    """
    everything = tree.rows(state)
    found = [row for row in everything if row.path or row.kind] or everything
    kept = found if limit is None else tree.to_depth(found, limit)[:limit]
    left = len(found) - len(kept)
    return kept, f"… {left:,} more modules (pthway inspect --modules shows all)" if left else ""


def facts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """The lines of the summary: what is known, and the value."""
    parts = checkpoint.container.parts
    rows = [
        ("file", f"{shown(str(checkpoint.path))}, {checkpoint.container.source.size:,} bytes"),
        ("format", f"{parts.format}, written by {parts.written_by}"),
    ]
    rows += [("origin", shown(sentence)) for sentence in checkpoint.origin]
    if parts.stem not in (None, "archive", checkpoint.path.stem):
        rows.append(("saved as", shown(str(parts.stem))))
    rows.append(("safety", shown(str(checkpoint.safety))))
    for state in checkpoint.state_dicts:
        rows += _state_facts(state, checkpoint.extras)
    if not checkpoint.state_dicts:
        rows.append(("weights", "no state dict found"))
    rows += [("also holds", shown(f"{path}: {_words(value)}")) for path, value in list(checkpoint.extras.items())[:12]]
    if len(checkpoint.extras) > 12:  # noqa: PLR2004  # lines shown
        rows.append(("also holds", f"… {len(checkpoint.extras) - 12} more (--json shows all)"))
    rows += [("note", note) for note in parts.notes]
    return [(label, shown(value)) for label, value in rows]


def _state_facts(state: StateDict, extras: Mapping[str, object]) -> list[tuple[str, str]]:
    types = ", ".join(f"{name} × {count}" for name, count in dtypes(state.tensors).items())
    rows = [("weights", shown(f"{state}, {types}{' (averaged)' if state.averaged else ''}"))]
    if state.module:
        rows.append(("", shown(f"held by a pickled module of class {state.module}, which is not needed to read them")))
    saved_on = [device for device in devices(state.tensors) if device != "cpu"]
    if saved_on:
        rows.append(("", f"saved from {', '.join(saved_on)}; read to the CPU"))
    rows += [("", shown(str(rule))) for rule in state.renames]
    inside = f"{state.path}." if state.path else ""
    left_out = [(key, reason) for key, reason in (state.left_out or {}).items() if inside + key not in extras]
    rows += [("", shown(f"left out: {key} ({reason})")) for key, reason in left_out[:6]]
    return rows


def summary(checkpoint: Checkpoint) -> str:
    """The checkpoint as plain text."""
    lines = [f"{label:<11} {value}" for label, value in facts(checkpoint)]
    for state in checkpoint.state_dicts:
        rows, rest = listed(state)
        lines.append(f"{'modules':<11} {'of ' + shown(state.path) if state.path else ''}".rstrip())
        names = ["  " * row.depth + shown(row.name) for row in rows]
        width = min(max(map(len, names), default=0), 40)
        for name, row in zip(names, rows, strict=True):
            detail = shown(" ".join(filter(None, (row.kind.rpartition(".")[2], row.shapes))))
            lines.append(f"{name:<{width}}  {row.tensors:>4} tensors  {row.elements:>13,} numbers  {detail}".rstrip())
        lines += [f"  {rest}"] if rest else []
    return "\n".join(lines)


def shown(text: str) -> str:
    """*text* with control characters and surrogates escaped: a file must not be able to write to the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _words(value: object) -> str:
    """Plain data in one line."""
    match value:
        case {"state": dict() as state, "param_groups": [dict() as group, *_] as groups}:
            settings = {name: setting for name, setting in group.items() if name != "params"}
            count = sum(len(of["params"]) for of in groups if isinstance(of, dict) and isinstance(of.get("params"), list))
            text = f"optimizer of {count:,} parameters, state of {len(state):,}; {_pairs(settings)}"
        case {"<class>": kind, **attributes}:
            text = f"{kind}: {_pairs(attributes)}"
        case dict() as entries:
            text = _pairs(entries)
        case _:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 100 else text[:97] + "…"  # noqa: PLR2004  # characters of a line


def _pairs(values: dict[Any, object]) -> str:
    shown_pairs = (f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items())
    return ", ".join(islice(shown_pairs, 12)) or "empty"
