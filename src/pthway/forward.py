"""How a module is called with named inputs, and what it returns, in whatever structure, as tensors with names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

from torch import Tensor, nn

from pthway.errors import UsageError

ONLY: Final = "output"
"""The name of an output that is one tensor."""


def called(module: nn.Module, inputs: Sequence[Tensor], names: Sequence[str]) -> Any:
    """What *module* returns. Several inputs go by name, since an example may leave out optional ones between them."""
    return module(*inputs) if len(names) < 2 else module(**dict(zip(names, inputs, strict=True)))  # noqa: PLR2004


def named_outputs(output: object) -> dict[str, Tensor]:
    """The tensors of *output* by name: keys of a mapping, fields of a named tuple or dataclass, ``output_0`` … of a sequence.

    Nested structures join their names by ``_``; None stands for an output that is switched off and is left out. Raises
    `UsageError` if there is anything else than tensors, or nothing.
    """
    if isinstance(output, Tensor):
        return {ONLY: output}
    found: dict[str, Tensor] = {}
    for name, tensor in _walk("", output):
        if name in found:
            raise _unreadable(f"two tensors that would both be named {name!r}")
        found[name] = tensor
    if not found:
        raise _unreadable(f"a {type(output).__name__} without tensors")
    return found


def _walk(name: str, value: object) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name or ONLY, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _walk(_joined(name, str(key)), entry)
    elif isinstance(value, list | tuple):
        names = getattr(value, "_fields", None) or [f"{index}" if name else f"{ONLY}_{index}" for index in range(len(value))]
        for key, entry in zip(names, value, strict=True):
            yield from _walk(_joined(name, key), entry)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _walk(_joined(name, field.name), getattr(value, field.name))
    elif value is not None:
        raise _unreadable(f"{type(value).__name__} as {name or ONLY}")


def _joined(name: str, key: str) -> str:
    return f"{name}_{key}" if name else key


def _unreadable(found: str) -> UsageError:
    return UsageError(
        f"The network returns {found}.",
        "A prediction is one tensor, or a tuple, list, dictionary, named tuple or dataclass of tensors.",
        "model(x) gives it as it is",
    )
