"""Evaluation mode for the time of a forward pass, for several threads at once."""

from threading import Lock
from typing import final

from torch import nn


@final
class Evaluation:
    """A context in which every submodule is in evaluation mode; the last thread to leave restores each one's own flag.

    Flags are written only if some submodule is in training mode, and then one by one: ``train()`` may be overridden.
    """

    __slots__ = ("_inside", "_lock", "_module", "_training")

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._lock = Lock()
        self._inside = 0
        self._training: list[nn.Module] = []

    def __enter__(self) -> None:
        with self._lock:
            found = _in_training(self._module)
            for each in found:
                each.training = False
            self._training += found
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._training and not self._inside:
                for each in self._training:
                    each.training = True
                self._training = []


def _in_training(module: nn.Module) -> list[nn.Module]:
    """The submodules in training mode. Walks on its own: ``Module.modules()`` takes as long as a small network's forward pass."""
    found: list[nn.Module] = []
    seen: set[nn.Module] = set()
    waiting = [module]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        if each.training:
            found.append(each)
        waiting += [child for child in each._modules.values() if child is not None]
    return found
