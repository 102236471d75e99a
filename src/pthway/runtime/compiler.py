"""Whether this machine has the C++ compiler that torch's own compilers call."""

import os
import shutil

from pthway.errors import MissingDependency


def require_compiler() -> None:
    """Raise `MissingDependency` unless there is a C++ compiler: the one that CXX names, or g++, or clang++."""
    named = os.environ.get("CXX")
    if not any(shutil.which(name) for name in ([named] if named else ["g++", "clang++"])):
        raise MissingDependency(
            f"There is no C++ compiler {named or 'g++'}.",
            "torch writes C++ and has it compiled.",
            "apt-get install g++; or another runtime of the bundle",
        )
