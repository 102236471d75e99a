"""Stand-ins for packages that third-party model code imports at its top and never calls.

The packages are installed without their dependencies, which would drag in another torch. A dependency that is really
installed is used.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec

NEVER_CALLED: Mapping[str, Mapping[str, object]] = {
    "librosa": {},
    "requests": {},
    "requests.adapters": {"HTTPAdapter": None},
    "resampy": {},
    "scipy": {},
    "scipy.io": {"wavfile": None},
    "torchaudio": {},
    "torchvision": {},
    "torchvision.ops": {},
    "torchvision.ops.boxes": {"batched_nms": None},
    "torchvision.transforms": {"functional": None},
    "tqdm": {},
    "tqdm.auto": {"tqdm": None},
}
"""Modules, each with the names that are imported from it; a package stands before its parts."""
USERS = {"facenet_pytorch", "torchcrepe"}
"""The packages under test: forgotten together with the stand-ins that they have bound."""


@contextmanager
def standing_in() -> Iterator[None]:
    """Empty modules for those of `NEVER_CALLED` whose package is absent; `sys.modules` is restored afterwards."""
    absent = {name for name in NEVER_CALLED if "." not in name and find_spec(name) is None}
    for name, names in NEVER_CALLED.items():
        if _package(name) in absent:
            sys.modules[name] = module_from_spec(ModuleSpec(name, loader=None, is_package=True))
            vars(sys.modules[name]).update(names)
    yield
    for name in list(sys.modules):
        if _package(name) in absent | USERS:
            del sys.modules[name]


def _package(name: str) -> str:
    return name.partition(".")[0]
