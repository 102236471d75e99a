"""What machine and which packages numbers are computed with, as far as these change the last bits or the speed."""

import math
import os
import platform
from pathlib import Path, PurePosixPath
from typing import Final

from pthway import _lazy
from pthway.bundle.manifest import Environment

PACKAGES: Final = ("numpy", "onnxruntime", "openvino", "torch")
INSTRUCTIONS: Final = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "sve")
CPU_INFO: Final = Path("/proc/cpuinfo")
CGROUPS: Final = Path("/sys/fs/cgroup")
OWN_CGROUP: Final = Path("/proc/self/cgroup")
"""The groups that this process is in, a line each: ``number:controllers:path``."""


def environment() -> Environment:
    """Return what is true of this machine and of the packages installed on it."""
    told = _cpu_info()
    flags = (told.get("flags") or told.get("Features") or "").split()
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        processor=told.get("model name") or platform.processor() or platform.machine(),
        instructions=tuple(name for name in INSTRUCTIONS if name in flags),
        cores=available_cores(),
        packages={name: found for name in PACKAGES if (found := _version(name)) is not None},
    )


def changes(before: Environment, now: Environment) -> list[str]:
    """What is other than it was, in words."""
    found = [
        f"{name}: {old} → {new}"
        for name, old, new in (
            ("python", before.python, now.python),
            ("platform", before.platform, now.platform),
            ("processor", before.processor, now.processor),
            ("instructions", " ".join(before.instructions) or "none", " ".join(now.instructions) or "none"),
            ("cores", before.cores, now.cores),
        )
        if old != new
    ]
    names = sorted(before.packages.keys() | now.packages.keys())
    versions = [(name, before.packages.get(name, "absent"), now.packages.get(name, "absent")) for name in names]
    return found + [f"{name}: {old} → {new}" for name, old, new in versions if old != new]


def available_cores() -> int:
    """How many processors this process may really use: by its affinity, and by the quotas of its control groups (versions 1 and 2).

    A quota is that of the group or of any above it; in a container the topmost is the container's own.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in _groups() if (quota := _quota(folder)) is not None]
    return max(1, min(allowed, math.ceil(min(quotas)))) if quotas else allowed


def _groups() -> list[Path]:
    """The folders of the control groups that this process is in, and of all above them."""
    roots = {CGROUPS, CGROUPS / "cpu"}
    found = set(roots)
    for line in _read(OWN_CGROUP).splitlines():
        inside = PurePosixPath(line.split(":", 2)[-1].lstrip("/"))
        if ".." not in inside.parts:
            found |= {root / each for root in roots for each in (inside, *inside.parents)}
    return sorted(found)


def _quota(folder: Path) -> float | None:
    """Processors by the quota of one group; None if it has none."""
    words = _read(folder / "cpu.max").split() or [_read(folder / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):
        return None  # "max", or no control group
    return quota / period if quota > 0 and period > 0 else None


def _cpu_info() -> dict[str, str]:
    first = _read(CPU_INFO).partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _version(name: str) -> str | None:
    metadata = _lazy.load("importlib.metadata")  # costs as much as all else that opening a bundle imports of Python's own
    try:
        found: str = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
    return found.partition("+")[0]
