"""ONNX Runtime: the program ``model.onnx``, whose weights it maps from the bundle's own file."""

from collections.abc import Callable, Sequence
from typing import Any

import onnxruntime

from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program
from pthway.errors import BundleRefused, UsageError
from pthway.runtime.runner import Array, Runner, Settings

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
FATAL = 4
"""Errors are raised; they need not be written to the terminal as well, for every request that brings one."""


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:
    """The runner of an ONNX program. Raises `UsageError` for a device that this build of ONNX Runtime has not."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    # A thread that spins between two calls takes its processor from everybody else: a call each 5 ms burnt ten times the processor time of
    # one without, and force_spinning_stop did not help. It gains some 15 µs a call, which small networks get by one thread instead.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = _session(bundle.file(program.file or ""), options, _provider(settings.device))
    names = [each.name for each in session.get_inputs()]
    wanted = [each.name for each in session.get_outputs()]
    call: Callable[[list[str], dict[str, Array]], Sequence[Array]] = session.run

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        return call(wanted, dict(zip(names, inputs, strict=True)))

    def run_one(inputs: Sequence[Array], /) -> Sequence[Array]:
        return call(wanted, {only: inputs[0]})

    only = next(iter(names), "")
    return run_one if len(names) == 1 else run


def _provider(device: str) -> str:
    provider = PROVIDERS.get(device, "")
    available = onnxruntime.get_available_providers()
    if provider not in available:
        known = [name for name, each in PROVIDERS.items() if each in available]
        raise UsageError(
            f"This ONNX Runtime has no device {device!r}.",
            f"It was built for {', '.join(known)}.",
            "device='cpu', or pip install onnxruntime-gpu",
        )
    return provider


def _session(path: Any, options: Any, provider: str) -> Any:
    try:
        return onnxruntime.InferenceSession(path, options, providers=[provider])
    except Exception as cause:
        raise BundleRefused(
            f"ONNX Runtime {onnxruntime.__version__} does not load {path.name}: {str(cause).strip().partition(chr(10))[0]}",
            "The program is for a newer release, or uses what this build lacks.",
            "pip install --upgrade onnxruntime; or another runtime of the bundle: open_session(…, runtime=…)",
        ) from cause
