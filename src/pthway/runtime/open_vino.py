"""OpenVINO on the processor: it reads ``model.onnx``, and so maps the same weights as ONNX Runtime."""

from collections.abc import Sequence
from typing import Any, Final

import openvino

from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program
from pthway.errors import BundleRefused, UsageError
from pthway.runtime.runner import Array, Runner, Settings

DEVICE: Final = "CPU"


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:
    """The runner of an ONNX program in OpenVINO. Raises `UsageError` for another device than the processor."""
    if settings.device != "cpu":
        raise UsageError(
            f"OpenVINO has no device {settings.device!r} here.", "It runs on the processor.", "device='cpu', or another runtime"
        )
    compiled = _compiled(bundle.file(program.file or ""), settings.threads)
    idle: list[Any] = []

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        # A request is one caller's at a time. There are as many as ever called at once.
        try:
            request = idle.pop()
        except IndexError:
            request = compiled.create_infer_request()
        try:
            answers = request.infer(list(inputs), share_inputs=True, share_outputs=False)
            return list(answers.to_tuple())
        finally:
            idle.append(request)

    return run


def _compiled(path: Any, threads: int) -> Any:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "f32",  # where there are units for bfloat16, it would use these
        "ENABLE_CPU_PINNING": "NO",  # two processes would pin their threads to the same processors
    }
    try:
        core: Any = openvino.Core()
        return core.compile_model(core.read_model(path), DEVICE, settings)
    except Exception as cause:
        raise BundleRefused(
            f"OpenVINO {openvino.__version__.partition('-')[0]} does not load {path.name}: {_reason(cause)}",
            "It has not every operator of ONNX.",
            "pip install --upgrade openvino; or another runtime of the bundle: open_session(…, runtime=…)",
        ) from cause


def _reason(cause: Exception) -> str:
    """The last line of what OpenVINO says: those before are places in its own source."""
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
