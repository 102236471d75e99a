"""From a `Container` to a `Checkpoint`: state dicts found and unwrapped, every key accounted for, and a safety verdict."""

from pthway.checkpoint.checkpoint import Checkpoint, StoredTensor, open_checkpoint
from pthway.checkpoint.state_dicts import StateDict

__all__ = ["Checkpoint", "StateDict", "StoredTensor", "open_checkpoint"]
