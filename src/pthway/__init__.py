"""pthway: from a ``.pth`` file to a prediction you can trust.

>>> checkpoint = pthway.open("model.pth")              # what it is, without torch and without running it
>>> model = pthway.load("model.pth", MyNetwork)        # constructor arguments solved from the weights
>>> model.predict(x).label

Importing pthway loads no third-party package; each verb imports what it needs when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from pthway.errors import PthwayError

if TYPE_CHECKING:
    from pthway.bundle import Bundle, open_bundle
    from pthway.checkpoint import Checkpoint
    from pthway.checkpoint import open_checkpoint as open  # noqa: A004  # pthway.open, as in gzip.open
    from pthway.data.preparation import ColumnPreparation, ImagePreparation
    from pthway.data.reading import Reading
    from pthway.evaluation import Evaluation, evaluate
    from pthway.export import Card, pack
    from pthway.identification import identify
    from pthway.model import Model, load, wrap
    from pthway.onward import export_bundle
    from pthway.runtime import Session, open_session, verify
    from pthway.serving import Settings as ServerSettings
    from pthway.serving import create_app, serve
    from pthway.tuning import tune

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "Card",
    "Checkpoint",
    "ColumnPreparation",
    "Evaluation",
    "ImagePreparation",
    "Model",
    "PthwayError",
    "Reading",
    "ServerSettings",
    "Session",
    "__version__",
    "create_app",
    "evaluate",
    "export_bundle",
    "identify",
    "load",
    "open",
    "open_bundle",
    "open_session",
    "pack",
    "serve",
    "tune",
    "verify",
    "wrap",
]

_HOMES = {
    "Evaluation": ("pthway.evaluation", "Evaluation"),
    "evaluate": ("pthway.evaluation", "evaluate"),
    "Bundle": ("pthway.bundle", "Bundle"),
    "Card": ("pthway.export", "Card"),
    "Reading": ("pthway.data.reading", "Reading"),
    "ServerSettings": ("pthway.serving", "Settings"),
    "Session": ("pthway.runtime", "Session"),
    "export_bundle": ("pthway.onward", "export_bundle"),
    "create_app": ("pthway.serving", "create_app"),
    "serve": ("pthway.serving", "serve"),
    "open_bundle": ("pthway.bundle", "open_bundle"),
    "open_session": ("pthway.runtime", "open_session"),
    "pack": ("pthway.export", "pack"),
    "tune": ("pthway.tuning", "tune"),
    "verify": ("pthway.runtime", "verify"),
    "Checkpoint": ("pthway.checkpoint", "Checkpoint"),
    "ColumnPreparation": ("pthway.data.preparation", "ColumnPreparation"),
    "ImagePreparation": ("pthway.data.preparation", "ImagePreparation"),
    "Model": ("pthway.model", "Model"),
    "identify": ("pthway.identification", "identify"),
    "load": ("pthway.model", "load"),
    "open": ("pthway.checkpoint", "open_checkpoint"),
    "wrap": ("pthway.model", "wrap"),
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pthway' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value: object = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
