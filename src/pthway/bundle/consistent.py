"""What the types of a manifest do not forbid and no manifest says: fields that contradict one another, and numbers without meaning."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pthway.signature import BATCH, Dim, Input, Output, Signature

if TYPE_CHECKING:
    from pthway.bundle.manifest import Manifest

DTYPES: Final = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64",
)  # fmt: skip
"""Those of torch's types that numpy and safetensors have, by the same names."""
MAX_DIMENSIONS: Final = 32
MAX_DEPTH: Final = 32
"""Of constructor arguments: lists in dictionaries in lists."""


def contradictions(described: "Manifest") -> Iterator[str]:
    """What is wrong with a manifest whose fields are each of their kind, in words; nothing if it can be meant."""
    yield from _of_the_signature(described.signature)
    yield from _of_the_golden_record(described)
    if described.architecture is not None and _is_deep(described.architecture.arguments):
        yield f"architecture.arguments are nested more than {MAX_DEPTH} deep"
    if not described.programs:
        yield "programs is empty, so that nothing can be run"
    for program in described.programs:
        if program.file is not None and program.file not in described.files:
            yield f"the program for {program.runtime} is {program.file!r}, which is not among the files"
        if program.file is None and described.architecture is None:
            yield f"a program for {program.runtime} needs a file or an architecture"
        if not program.milliseconds:
            yield f"the program for {program.runtime} was not measured"


def _of_the_signature(signature: Signature) -> Iterator[str]:
    sides: dict[str, Sequence[Input | Output]] = {"inputs": signature.inputs, "outputs": signature.outputs}
    for side, named in sides.items():
        if not named:
            yield f"signature.{side} is empty"
        yield from _repeated(f"signature.{side}", [each.name for each in named])
        for each in named:
            yield from _strange(f"signature.{side}: {each.name}", each.shape, each.dtype)
    for wanted in signature.inputs:
        if any(axis not in range(len(wanted.shape or ())) for axis in wanted.limits):
            yield f"signature.inputs: {wanted.name} has a limit of a dimension that it has not"
        if wanted.batch is None:
            yield f"signature.inputs: {wanted.name} has no dimension {BATCH!r}"


def _of_the_golden_record(described: "Manifest") -> Iterator[str]:
    golden = described.golden
    yield from _repeated("golden.records", golden.records)
    if not golden.records:
        yield "golden.records is empty, so that nothing could be verified"
    if sorted(golden.tolerances) != sorted(each.name for each in described.signature.outputs):
        yield "golden.tolerances are not those of the outputs"


def _repeated(field: str, names: Sequence[str]) -> Iterator[str]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        yield f"{field} names {twice[0]!r} twice"


def _strange(name: str, shape: Sequence[Dim] | None, dtype: str | None) -> Iterator[str]:
    if dtype not in DTYPES:
        yield f"{name} has the type {dtype!r}, which is none of {', '.join(DTYPES)}"
    if shape is None or len(shape) > MAX_DIMENSIONS or any(isinstance(side, int) and not 0 <= side < 1 << 63 for side in shape):
        yield f"{name} has the shape {shape}"


def _is_deep(value: object) -> bool:
    """Whether *value* is nested too deeply to be gone through by recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [entry for each in level if isinstance(each, list | dict) for entry in (each if isinstance(each, list) else each.values())]
    return bool(level)
