"""The bundle: a folder of plain files that holds a model, its programs, and the answers that it has to give."""

from pthway.bundle.folder import Bundle, open_bundle

__all__ = ["Bundle", "open_bundle"]
