"""A live module with weights and a signature, and the way there from a file."""

from pthway.model.loading import load
from pthway.model.model import Model, wrap

__all__ = ["Model", "load", "wrap"]
