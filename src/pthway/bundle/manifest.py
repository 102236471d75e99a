"""What a bundle says of itself: ``manifest.json``, whose every field is here. The JSON Schema in ``docs/`` is made from these classes."""

from collections import Counter
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from pthway import _lazy
from pthway.bundle.consistent import contradictions
from pthway.data.preparation import ColumnPreparation, ImagePreparation
from pthway.data.reading import Reading
from pthway.errors import BundleRefused
from pthway.signature import Signature

Part = TypeVar("Part", bound=Struct)

FORMAT: Final = 1
"""The version of the format that is written; others are refused."""
NAME: Final = "manifest.json"
MAX_BYTES: Final = 1 << 24
"""Of a manifest: labels of a hundred thousand classes fit."""

END: Final = r"$(?!\n)"
"""In a pattern: the end of the text; in Python's, a bare $ also stands before a last line break."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}" + END)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Number = Annotated[float, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(gt=0)]
RuntimeName = Literal["eager", "compiled", "exported", "aotinductor", "onnxruntime", "openvino"]


class _Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every field is required unless it has a default, and no others are taken."""


class File(_Record, frozen=True):
    """One file of the folder."""

    size: Count
    """Bytes."""
    sha256: Sha256


class Architecture(_Record, frozen=True):
    """How the network is built again by torch: ``name(**arguments)``."""

    reference: str
    """``file.py:Name`` or ``package.module:Name`` in ``source/``; else one of an installed package, or ``timm:name``."""
    arguments: dict[str, Any]
    """As `pthway.bundle.values` writes them."""
    source: bool
    """Whether it lies in ``source/``, which is Python code: eager torch runs it."""
    requires: tuple[str, ...] = ()
    """The installed package that it comes from, as ``name==version``."""


class Difference(_Record, frozen=True):
    """How far a runtime was from the reference."""

    absolute: Number
    """The largest difference of two numbers."""
    relative: Number
    """The largest difference in parts of the largest number of its output."""


class Program(_Record, frozen=True):
    """A form of the network that one runtime takes."""

    runtime: RuntimeName
    file: str | None
    """Where it is in the folder; None for the architecture itself, which torch runs."""
    difference: Difference
    """Measured against the golden record when the bundle was packed."""
    milliseconds: Annotated[dict[Positive, Milliseconds], Meta(extra_json_schema={"propertyNames": {"pattern": "^[1-9][0-9]*$"}})]
    """By the number of samples: the time of one call when the bundle was packed."""
    dynamic: tuple[str, ...]
    """The names of the sizes that are free; "batch" is among them unless the network fixes it."""
    made_by: str
    """The program that made it, as ``name==version``."""
    fixed: dict[str, Positive] = {}
    """The sizes that it fixes although the network does not, each by its name in the signature."""
    keeps_nan: bool = True
    """Whether a NaN in the input is still one in the output, where the reference has one."""
    one_thread: bool = False
    """Whether one processor was as fast as all of them when the bundle was packed: the network is too small to be shared."""
    notes: tuple[str, ...] = ()


class Tolerance(_Record, frozen=True):
    """What rounding may explain: |got − expected| ≤ absolute + relative · |expected|."""

    absolute: Number
    relative: Number


class Golden(_Record, frozen=True):
    """The golden record, whose arrays are in ``golden.safetensors`` as ``record/inputs/name`` and ``record/outputs/name``."""

    records: tuple[str, ...]
    """Names of the records, in the order in which they are tried."""
    given: bool
    """Whether the inputs were the packer's own; else they are random."""
    seed: int | None
    """Of the random inputs."""
    tolerances: dict[str, Tolerance]
    """By the name of the output."""


class Environment(_Record, frozen=True):
    """Where numbers were measured."""

    python: str
    platform: str
    processor: str
    instructions: tuple[str, ...]
    """Those of the instruction sets that runtimes choose their code by."""
    cores: int
    packages: dict[str, str]
    """Versions of torch, the runtimes and numpy, of those that were installed."""


class Provenance(_Record, frozen=True):
    """Where the weights come from."""

    file: str | None
    """The name of the weights file, without its folder; None for a module that was at hand."""
    sha256: Sha256 | None
    """Of that file."""
    packed: str
    """When, as ISO 8601 in UTC."""
    pthway: str
    environment: Environment


class Manifest(_Record, frozen=True):
    """Everything that a bundle says of itself."""

    format: Literal[1]
    name: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}" + END)]
    version: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}" + END)]
    description: str
    licence: str
    signature: Signature
    preparation: ImagePreparation | ColumnPreparation | None
    """How images become the input, or how the columns of tables are scaled; None where this was not told."""
    reading: Reading
    """How the output is read."""
    labels: tuple[str, ...] | None
    functions: Annotated[dict[Literal["before", "after"], str], Meta(extra_json_schema={"propertyNames": {"enum": ["after", "before"]}})]
    """Functions of the packer's in ``source/`` or a package, as ``module:name``: what is done to the inputs and to the outputs. What they
    give is recorded in ``functions.safetensors`` as ``before/inputs/name`` and so on."""
    architecture: Architecture | None
    """None where the network cannot be built again: only its programs run."""
    programs: tuple[Program, ...]
    golden: Golden
    provenance: Provenance
    files: dict[str, File]
    """Every file of the folder but this one, by its path."""
    notes: tuple[str, ...]
    """What packing could not do, and why."""


class _Format(Struct):
    """The one field that every version has."""

    format: int


def encode(manifest: Manifest) -> bytes:
    """The manifest as JSON, indented to be read."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes, where: str) -> Manifest:
    """The manifest that *data* is. Raises `BundleRefused` naming the field that is missing, unknown or of another kind."""
    try:
        version = msgspec.json.decode(data, type=_Format).format
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise BundleRefused(
            f"{where}/{NAME} cannot be read: {cause}.", "It is a JSON object with the field format.", "Pack the model again: pthway pack"
        ) from cause
    if version != FORMAT:
        newer = version > FORMAT
        raise BundleRefused(
            f"{where} has the format {version}; this pthway reads {FORMAT}.",
            "A format that is not known cannot be checked.",
            "pip install --upgrade pthway" if newer else "Pack the model again: pthway pack",
        )
    try:
        described = msgspec.json.decode(data, type=Manifest)
        if encode(described) != data:  # as it is written, it holds no name twice; the other parser is imported for others alone
            _lazy.load("json:loads")(data, object_pairs_hook=_once)
    except (msgspec.DecodeError, ValueError, RecursionError) as cause:
        raise _refused(where, str(cause)) from cause
    fault = next(contradictions(described), None)
    if fault is not None:
        raise _refused(where, fault)
    return described


def _once(pairs: list[tuple[str, object]]) -> None:
    """Raise `ValueError` if one name stands twice: of two values, two readers may take another one."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"the name {next(name for name, count in Counter(names).items() if count > 1)!r:.200} stands twice in one object")


def _refused(where: str, fault: str) -> BundleRefused:
    return BundleRefused(
        f"{where}/{NAME} is not as the format says: {fault}.",
        "Every field is known, of its kind, and agrees with the others, so that nothing is misread.",
        "Pack the model again; a manifest is not edited by hand",
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pthway bundle manifest", **msgspec.json.schema(Manifest)}


def replaced(part: Part, **changes: Any) -> Part:
    """*part* of a manifest, or a whole one, with other values of some fields."""
    return msgspec.structs.replace(part, **changes)
