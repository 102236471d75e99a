"""From a path to a `Container`: what kind of file it is, where its tensors lie, its metadata as inert values.

Nothing here imports torch, and nothing in a file is imported or called.
"""

from pthway.formats.container import Container, open_container

__all__ = ["Container", "open_container"]
