"""A checkpoint in words: one description, shown as text, in a terminal, or as JSON."""

from collections import Counter
from collections.abc import Mapping

from pthway.checkpoint.checkpoint import Checkpoint
from pthway.checkpoint.state_dicts import StateDict
from pthway.formats.tensors import AnyTensor, TensorSpec

_TOP_LEVEL = 40
"""Modules that are listed; deeper ones are counted into them."""


def report(checkpoint: Checkpoint) -> dict[str, object]:
    """Everything that is known of the checkpoint, as plain data for JSON."""
    parts = checkpoint.container.parts
    return {
        "path": str(checkpoint.path),
        "format": str(parts.format),
        "bytes": checkpoint.container.source.size,
        "written_by": parts.written_by,
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
        "tensors": [tensor_report(name, state.keys[name], spec) for name, spec in state.tensors.items()],
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


def modules(state: StateDict) -> dict[str, tuple[int, int, str]]:
    """Top-level modules → (tensors, numbers, shapes of the first tensors)."""
    grouped: dict[str, list[AnyTensor]] = {}
    for name, spec in state.tensors.items():
        grouped.setdefault(name.partition(".")[0], []).append(spec)
    return {
        name: (len(specs), sum(s.elements for s in specs), ", ".join(str(list(s.shape)) for s in specs[:2]) + (", …" * (len(specs) > 2)))  # noqa: PLR2004
        for name, specs in grouped.items()
    }


def facts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """The lines of the summary: what is known, and the value."""
    parts = checkpoint.container.parts
    rows = [
        ("file", f"{shown(str(checkpoint.path))}, {checkpoint.container.source.size:,} bytes"),
        ("format", f"{parts.format}, written by {parts.written_by}"),
    ]
    if parts.stem not in (None, "archive", checkpoint.path.stem):
        rows.append(("saved as", shown(str(parts.stem))))
    rows.append(("safety", shown(str(checkpoint.safety))))
    for state in checkpoint.state_dicts:
        rows += _state_facts(state)
    if not checkpoint.state_dicts:
        rows.append(("weights", "no state dict found"))
    rows += [("also holds", shown(f"{path}: {_short(value)}")) for path, value in list(checkpoint.extras.items())[:12]]
    if len(checkpoint.extras) > 12:  # noqa: PLR2004  # lines shown
        rows.append(("also holds", f"… {len(checkpoint.extras) - 12} more (--json shows all)"))
    rows += [("note", note) for note in parts.notes]
    return [(label, shown(value)) for label, value in rows]


def _state_facts(state: StateDict) -> list[tuple[str, str]]:
    types = ", ".join(f"{name} × {count}" for name, count in dtypes(state.tensors).items())
    rows = [("weights", shown(f"{state}, {types}{' (averaged)' if state.averaged else ''}"))]
    if state.module:
        rows.append(("", shown(f"held by a pickled module of class {state.module}, which is not needed to read them")))
    saved_on = [device for device in devices(state.tensors) if device != "cpu"]
    if saved_on:
        rows.append(("", f"saved from {', '.join(saved_on)}; read to the CPU"))
    rows += [("", shown(str(rule))) for rule in state.renames]
    rows += [("", shown(f"left out: {key} ({reason})")) for key, reason in list((state.left_out or {}).items())[:6]]
    return rows


def summary(checkpoint: Checkpoint) -> str:
    """The checkpoint as plain text."""
    lines = [f"{label:<11} {value}" for label, value in facts(checkpoint)]
    for state in checkpoint.state_dicts:
        rows = modules(state)
        lines.append(f"{'modules':<11} {'of ' + shown(state.path) if state.path else ''}".rstrip())
        width = min(max(map(len, rows), default=0), 40)
        for name, (count, elements, shapes) in list(rows.items())[:_TOP_LEVEL]:
            lines.append(f"  {shown(name):<{width}}  {count:>4} tensors  {elements:>13,} numbers  {shapes}")
        if len(rows) > _TOP_LEVEL:
            lines.append(f"  … {len(rows) - _TOP_LEVEL} more")
    return "\n".join(lines)


def shown(text: str) -> str:
    """*text* with control characters and surrogates escaped: a file must not be able to write to the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _short(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 100 else text[:97] + "…"  # noqa: PLR2004  # characters of a line
