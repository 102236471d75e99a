"""When two patterns make the same names."""

import hashlib

from pthway.architecture.source.limits import MAX_DEPTH
from pthway.architecture.source.values import UNKNOWN, Choice, Module, Value, Weight


def signature(value: Value, depth: int = 0) -> str:
    """Return a text that is equal for patterns with the same names and shapes; classes and what is unknown play no part."""
    if isinstance(value, Weight):
        return f"w{value.shape}"
    if isinstance(value, Choice):
        return "|".join(sorted({signature(option, depth) for option in value.options}))
    if not isinstance(value, Module) or depth > MAX_DEPTH:
        return "?" if value is UNKNOWN else ""
    lines = []
    for name, part in value.parts.items():
        text = signature(part, depth + 1)
        if text.strip("|?"):
            lines.append(f"{name}{'?' * (name in value.optional)}({text})")
    return hashlib.sha256("\n".join([*sorted(lines), "…" * value.open]).encode("utf-8", "replace")).hexdigest()
