"""The page at ``/``: what a model takes, a way to try it, and the same request as code. Plain files; nothing is fetched from elsewhere."""

import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pthway.serving.hosted import Hosted
from pthway.serving.http import HttpError
from pthway.signature import Input

TYPES: Final = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
FILES: Final = ("index.html", "style.css", "script.js")
POLICY: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
VECTOR: Final = 32
"""Numbers that get a field each; more are given as JSON."""
DRAWN: Final = 64
"""Side of a grey image that can be drawn with the mouse."""


@cache
def read(name: str) -> bytes:
    """The file *name* of the page. Raises `HttpError` 404 for any other name."""
    if name not in FILES:
        raise HttpError(404, "The page has no such file.", f"It has {', '.join(FILES)}.", "GET /")
    return files(__package__).joinpath(name).read_bytes()


def described(hosted: Hosted) -> Mapping[str, Any]:
    """What the page, and anybody else, has to know of a model."""
    manifest = hosted.manifest
    return {
        "name": hosted.name,
        "version": hosted.version,
        "description": manifest.description,
        "licence": manifest.licence,
        "runtime": hosted.session.runtime,
        "digest": hosted.session.bundle.digest,
        "labels": manifest.labels,
        "largest_batch": hosted.curve.largest,
        "inputs": [_input(each) for each in manifest.signature.inputs],
        "outputs": [{"name": each.name, "dtype": each.dtype, "shape": each.shape} for each in manifest.signature.outputs],
    }


def _input(wanted: Input) -> Mapping[str, Any]:
    sample = wanted.sample or ()
    return {
        "name": wanted.name,
        "dtype": wanted.dtype,
        "shape": wanted.shape,
        "vocabulary": wanted.vocabulary,
        "form": _form(sample, wanted.dtype),
    }


def _form(sample: tuple[int | str, ...], dtype: str | None) -> str:
    """How a person gives it: ``image``, ``drawing``, ``fields`` or ``json``."""
    match sample:
        case (1, int(rows), int(columns)) if dtype == "float32" and max(rows, columns) <= DRAWN:
            return "drawing"
        case (1 | 3 | 4, _, _) if dtype == "float32":
            return "image"
        case (int(size),) if size <= VECTOR:
            return "fields"
    numbers = [side for side in sample if isinstance(side, int)]
    return "fields" if len(numbers) == len(sample) and math.prod(numbers) <= VECTOR else "json"
