"""Sessions behind HTTP: correct under load, bounded, and safe by default."""

from pthway.serving.app import Application, create_app
from pthway.serving.server import Served, serve
from pthway.serving.settings import Settings

__all__ = ["Application", "Served", "Settings", "create_app", "serve"]
