"""From a live model to a bundle: every program that gives the network's own answers."""

from pthway.export.packing import Card, pack

__all__ = ["Card", "pack"]
