"""Bundles that answer: the runtimes, one small protocol for them, and the proof that they give the recorded numbers."""

import os

# ONNX Runtime, 1.32 for one, collects and sends telemetry from its import on unless it is told not to. Who wants that sets it to 0.
# It is said here, before any module of this room, or of one above it, can import it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from pthway.runtime.session import Session, open_session
from pthway.runtime.verification import verify

__all__ = ["Session", "open_session", "verify"]
