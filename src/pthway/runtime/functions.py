"""The packer's own functions: imported when an answer needs them, and held to what they gave when the bundle was packed.

``before(inputs)`` gets the arrays by name as they were given or read (images prepared, columns scaled, a table with a row a sample) and
returns those that the network takes. ``after(outputs)`` gets the network's outputs by name, batch first, and returns what is answered.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pthway.architecture.resolve import resolve_in
from pthway.architecture.source_only import source_only
from pthway.bundle.folder import SOURCE, Bundle
from pthway.bundle.function_record import FUNCTIONS, read_record
from pthway.bundle.golden import compare, tolerance_for
from pthway.data.intake import numbers_of
from pthway.errors import ArchitectureNotFound, BundleRefused, Drift, FunctionFailed

Array = npt.NDArray[Any]
Role = Literal["before", "after"]


class Function(NamedTuple):
    """One of them."""

    role: Role
    reference: str
    """As ``module:name``."""
    code: Callable[..., Any]

    def __call__(self, arrays: Mapping[str, Any]) -> dict[str, Array]:
        """What it returns for *arrays*, which are copied for it. Raises `FunctionFailed` if it raises, or returns no arrays by name."""
        given = {name: np.array(numbers_of(value, name)) for name, value in arrays.items()}
        try:
            got = self.code(given)
        except Exception as cause:
            told = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in given.items())
            raise FunctionFailed(
                f"The function {self.reference} raised {type(cause).__name__}: {cause}",
                f"It was given {told}.",
                "Give what it takes, or mend it and pack the model again",
            ) from cause
        if not isinstance(got, Mapping) or not got or not all(isinstance(name, str) for name in got):
            raise FunctionFailed(
                f"The function {self.reference} returned a {type(got).__name__}.",
                f"{self.role}(arrays) returns a dictionary of arrays by name.",
                "return {'name': array}",
            )
        return {name: numbers_of(value, f"{name} of {self.reference}") for name, value in got.items()}


def load_function(bundle: Bundle, role: Role) -> Function:
    """The function of a bundle, imported, after it gave what is recorded. Raises `Drift` if it gives something else here."""
    reference = bundle.manifest.functions[role]
    try:
        function = Function(role, reference, _found(bundle, reference))
    except ArchitectureNotFound as cause:
        raise BundleRefused(f"The function {reference} of {bundle.path} cannot be imported: {cause.what}", cause.why, cause.fix) from cause
    record = read_record(bundle.file(FUNCTIONS), role)
    got = function(record.inputs)
    apart = compare(record.outputs, got, tolerance_for({name: [array] for name, array in record.outputs.items()}))
    if apart.deviation is not None or got.keys() != record.outputs.keys():
        raise Drift(
            f"The function {reference} of {bundle.manifest.name} gives other numbers than when it was packed: "
            f"{apart.deviation or ', '.join(got)}",
            "What stands before and after the network has to be the same everywhere, too.",
            f"pthway verify {bundle.path} shows what is other here; install the packages that it was packed with",
        )
    return function


def _found(bundle: Bundle, reference: str) -> Callable[..., Any]:
    """In ``source/`` of the bundle or in an installed package; importing a file runs it."""
    where, _, name = reference.rpartition(":")
    folder = bundle.file(SOURCE)
    source_only(folder)
    return resolve_in([folder], f"{folder / where}:{name}" if where.endswith(".py") else reference).factory
