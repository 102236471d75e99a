"""The property: a file gives an answer or a `PthwayError`, and nothing else happens."""

import json
import os
import resource
import signal
import sys
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NamedTuple

import pthway
from pthway.checkpoint import Checkpoint
from pthway.checkpoint.checkpoint import StoredTensor
from pthway.checkpoint.statistics import statistics
from pthway.checkpoint.summary import report
from pthway.errors import PthwayError

MEMORY = 300 * 1024 * 1024
"""Bytes that a small file may cost."""
SECONDS = 5
"""Of the processor's time."""

_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "shutil")
_RUNS = (
    "import", "exec", "compile", "marshal", "pickle.find_class", "code.__new__", "subprocess", "os.system", "os.exec", "os.posix_spawn",
    "os.fork", "os.spawn", "socket", "ctypes", "builtins.input", "webbrowser",
)  # fmt: skip


armed = False
"""Whether events are findings now: making the input is not."""


class Broken(Exception):
    """Something happened that is neither an answer nor a refusal."""


class Outcome(NamedTuple):
    """What became of one file."""

    kind: str
    """``answer``, the class of the refusal, or ``finding``."""
    signature: str = ""
    """Of a finding: the exception, and the line of pthway that it came from."""
    details: str = ""


def prepare() -> None:
    """Import everything that an inspection may import, so that any import, compilation or execution afterwards is a finding."""
    for room in ("formats", "checkpoint", "checkpoint.writing"):
        package = import_module(f"pthway.{room}")
        for module in iter_modules(package.__path__):
            if module.name != "torch_tensors":
                import_module(f"pthway.{room}.{module.name}")
    for name in ("concurrent.futures.thread", "zlib_ng.zlib_ng", "difflib", "encodings.latin_1", "encodings.ascii",
                 "encodings.unicode_escape",
                 "encodings.raw_unicode_escape", "encodings.utf_8", "tempfile", "numpy.lib.format"):  # fmt: skip
        import_module(name)


def guard(workspace: Path) -> None:
    """Report what runs code while a file is examined, and what writes outside of *workspace*. It cannot be undone."""
    inside = str(workspace)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not armed:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) and not str(path).startswith(inside):
                raise Broken(f"opens {path!r} for writing")
        elif event.startswith(_CHANGES):
            if not str(arguments[0]).startswith(inside):
                raise Broken(f"{event} {arguments!r}")
        elif event.startswith(_RUNS):
            raise Broken(f"{event} {arguments[:1]!r}")

    def late(_signal: int, _frame: object) -> None:
        raise Broken(f"takes more than {SECONDS} seconds")

    signal.signal(signal.SIGPROF, late)
    warnings.simplefilter("error")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * MEMORY, used + 4 * MEMORY))
    sys.addaudithook(hook)


def examine(path: Path, number: int, out: Path) -> Outcome:
    """Open the file, describe it, and with some numbers also read its tensors, sum them up, and write it anew into *out*."""
    global armed  # the hook cannot be taken away
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        armed = True
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            outcome = _examined(path, number, out)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            armed = False
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if grown > MEMORY:
            return Outcome("finding", f"memory: more than {MEMORY >> 20} MiB", f"{grown:,} bytes")
    except Exception as cause:  # noqa: BLE001  # that is what is looked for
        frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if "pthway" in Path(frame.filename).parts]
        at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        said = str(cause) if isinstance(cause, Broken) else ""
        return Outcome("finding", f"{type(cause).__name__} {said[:60]} at {at}", "".join(traceback.format_exception(cause))[-3000:])
    return outcome


def _examined(path: Path, number: int, out: Path) -> Outcome:
    try:
        checkpoint = pthway.open(path)
    except PthwayError as refusal:
        _check_refusal(refusal)
        return Outcome(type(refusal).__name__)
    _check_text(str(checkpoint))
    json.dumps(report(checkpoint), default=str)
    if number % 4 == 0:
        _read(checkpoint)
    if number % 16 == 1:
        for state in checkpoint.state_dicts:
            _refused(statistics, checkpoint.container, state.tensors)
    if number % 16 == 2:
        _rewritten(checkpoint, out / f"out{('.safetensors', '.npz', '.pth')[number // 16 % 3]}")
    return Outcome("answer")


def _check_text(text: str) -> None:
    """A file must not be able to write to the terminal."""
    text.encode()
    if not text.replace("\n", "").isprintable():
        raise Broken("shows characters that control a terminal")


def _check_refusal(refusal: PthwayError) -> None:
    """What, why and fix are a line each, whatever the file holds: it must not be able to write a line of its own."""
    _check_text(str(refusal))
    if "\n" in refusal.what + refusal.why + refusal.fix:
        raise Broken("lets the file write a line of its own")


def _refused(function: Any, *arguments: Any, **named: Any) -> Any:
    """What a function returns; None where it refuses."""
    try:
        return function(*arguments, **named)
    except PthwayError as refusal:
        _check_refusal(refusal)
        return None


def _read(checkpoint: Checkpoint) -> None:
    for state in checkpoint.state_dicts:
        for name, spec in list(state.tensors.items())[:50]:
            array = _refused(StoredTensor(name, spec, checkpoint.container).numpy)
            if array is not None and array.nbytes < 2**20:
                if array.shape != spec.shape:
                    raise Broken("reads another shape than it describes")
                array.tobytes()


def _rewritten(checkpoint: Checkpoint, path: Path) -> None:
    """Conversion is refused, or gives a file that holds the same names and shapes."""
    for state in checkpoint.state_dicts[:1]:
        if _refused(checkpoint.save, path, weights=state.path or None):
            found = pthway.open(path).choose().tensors
            path.unlink()
            if {name: spec.shape for name, spec in found.items()} != {name: spec.shape for name, spec in state.tensors.items()}:
                raise Broken("writes another file than it read")
