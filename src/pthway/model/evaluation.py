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

    @property
    def needed(self) -> bool:
        """Whether some submodule is in training mode, or would be but for a thread that is inside."""
        with self._lock:  # flags seen while another thread is about to restore them would be no module at rest
            return self._inside > 0 or _trains(self._module)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if found := _in_training(self._module):
                self._training += found
                for each in found:
                    each.training = False

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._training and not self._inside:
                for each in self._training:
                    each.training = True
                self._training = []


def _trains(module: nn.Module) -> bool:
    """Whether any submodule is in training mode. On the path of every prediction: leaves are looked at without being queued."""
    if module.training:
        return True
    waiting, seen = [module], {module}
    for each in waiting:
        for child in each._modules.values():
            if child is not None and child.training:
                return True
            if child is not None and child._modules and child not in seen:
                seen.add(child)
                waiting.append(child)
    return False


def _in_training(module: nn.Module) -> list[nn.Module]:
    """The submodules in training mode. Walks on its own: ``Module.modules()`` takes as long as a small network's forward pass."""
    found: list[nn.Module] = []
    waiting, seen = [module], {module}
    for each in waiting:
        if each.training:
            found.append(each)
        for child in each._modules.values():
            if child is not None and child not in seen:
                seen.add(child)
                waiting.append(child)
    return found
