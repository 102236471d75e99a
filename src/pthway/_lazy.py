"""The one door for imports that cost time or may be absent: torch, numpy, rich, pillow, and the rooms that need them."""

from importlib import import_module
from typing import Any

from pthway.errors import MissingDependency


def load(target: str, extra: str = "") -> Any:
    """Return the module ``"package.module"``, or the attribute of ``"package.module:attribute"``.

    *extra* is the name of pthway's own extra that brings the package, if it is not part of the base install.
    Raises `MissingDependency` if a third-party package is absent; an absence inside pthway itself is a bug and shown as such.
    """
    module_name, _, attribute = target.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as cause:
        missing = (cause.name or "").partition(".")[0]
        if missing in ("", "pthway"):
            raise
        wanted = f"pthway[{extra}]" if extra else missing
        raise MissingDependency(
            f"The package {missing} is not installed.",
            f"{module_name} needs it, and pthway imports it only when it is used.",
            f"pip install '{wanted}'",
        ) from cause
    return getattr(module, attribute) if attribute else module
