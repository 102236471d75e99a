"""What the packer's own functions gave when a bundle was packed: a record for each, in a file of its own beside the golden one."""

from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from pthway.bundle.golden import Record
from pthway.errors import BundleRefused

FUNCTIONS: Final = "functions.safetensors"


def read_record(path: Path, role: str) -> Record:
    """What the function *role* was given and gave, under the names that it used. Raises `BundleRefused` if the file does not say."""
    begins = [f"{role}/{side}/" for side in ("inputs", "outputs")]
    try:
        with safe_open(path, framework="np") as file:
            keys = list(file.keys())
            sides = [{key.removeprefix(begin): file.get_tensor(key) for key in keys if key.startswith(begin)} for begin in begins]
    except (SafetensorError, OSError) as cause:
        raise _refused(path, f"cannot be read: {cause}") from cause
    if not all(sides):
        raise _refused(path, f"has no record of {role}")
    return Record(*sides)


def _refused(path: Path, fault: str) -> BundleRefused:
    return BundleRefused(f"{path.name} {fault}.", "It holds what each packed function was given and gave.", "Pack the model again")
