"""A copy of a bundle inside of what is exported, opened with its fastest runtime, and what has to be installed for that."""

import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pthway import __version__
from pthway.bundle import manifest
from pthway.bundle.folder import SUMS, Bundle
from pthway.runtime.runner import Array, Runner
from pthway.runtime.session import Session, open_session

PACKAGES: Final = {"onnxruntime": "onnxruntime", "openvino": "openvino"}
"""What each runtime is installed by; the others are torch's."""


def copy_bundle(bundle: Bundle, target: Path) -> Session:
    """Copy the files of a bundle to *target*, and open the copy."""
    for name in (manifest.NAME, SUMS, *bundle.manifest.files):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.file(name), target / name)
    return open_session(target)


def runner(session: Session) -> Runner:
    """The answers of a session, by position."""
    taken, outputs = session.signature.inputs, session.signature.outputs

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        answers = session.run({each.name: array for each, array in zip(taken, inputs, strict=True)})
        return [answers[each.name] for each in outputs]

    return run


def requirements(session: Session) -> tuple[str, ...]:
    """What pip has to install for the session's runtime, in the releases that it was verified with."""
    package = PACKAGES.get(session.runtime, "torch")
    described = session.bundle.manifest.architecture
    own = described.requires if described is not None and session.runtime == "eager" else ()
    return (f"pthway=={__version__}", f"{package}=={version(package).partition('+')[0]}", *own)
