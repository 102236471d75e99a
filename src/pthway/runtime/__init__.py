"""Bundles that answer: the runtimes, one small protocol for them, and the proof that they give the recorded numbers."""

from pthway.runtime.session import Session, open_session
from pthway.runtime.verification import verify

__all__ = ["Session", "open_session", "verify"]
