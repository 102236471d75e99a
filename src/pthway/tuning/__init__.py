"""Which way to run a bundle is the fastest on this machine: found by measuring, among those whose answers are right."""

from pthway.runtime.tuned import Tuned
from pthway.tuning.measuring import tune

__all__ = ["Tuned", "tune"]
