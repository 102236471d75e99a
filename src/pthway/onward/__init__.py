"""From a bundle to what other programs serve, each proved by the golden record before it is kept."""

from pthway.onward.export import Exported, export_bundle

__all__ = ["Exported", "export_bundle"]
