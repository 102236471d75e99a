"""The gate draws the same examples every time, so that it says something about the change; `make test` draws new ones."""

import os

from hypothesis import settings

settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")
