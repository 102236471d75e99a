"""``pthway serve``: bundles, or a weights file that is packed first, behind HTTP."""

import os
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pthway import _lazy
from pthway.cli import screen
from pthway.cli.predict import argument
from pthway.errors import UsageError

KEYS: Final = "PTHWAY_API_KEYS"
"""The environment variable with API keys, commas between them."""
MEBIBYTE: Final = 1 << 20


def run(options: Namespace) -> int:
    """Serve until a signal, and tell when and where requests are answered."""
    begin = time.perf_counter()
    serving = _lazy.load("pthway.serving", extra="serve")
    imported = time.perf_counter() - begin
    settings = serving.Settings(
        host=options.host,
        port=options.port,
        workers=options.workers,
        threads=options.threads,
        runtime=options.runtime,
        queue=options.queue,
        largest_batch=options.batch,
        window=options.window,
        timeout=options.timeout,
        max_body=options.max_body * MEBIBYTE,
        keys=_keys(options.api_key_file),
        hosts=tuple(options.allow_host),
        origins=tuple(options.allow_origin),
        log=options.log,
        reload=options.reload,
    )

    def ready(address: str, models: Sequence[Any]) -> None:
        for line in _told(address, models, bool(settings.keys)):
            screen.note(line)
        screen.note(f"ready after {time.perf_counter() - begin:.2f} s, of which import {imported:.2f} s")

    with _bundles(options) as bundles:
        serving.serve(*bundles, settings=settings, tls=_tls(options.tls_cert, options.tls_key), on_ready=ready)
    return 0


@contextmanager
def _bundles(options: Namespace) -> Iterator[list[Path]]:
    """The bundles to serve; of a weights file a temporary one, which goes with the server."""
    weights = [path for path in options.paths if path.exists() and not _is_bundle(path)]
    if not weights:
        if options.arch is not None:
            raise UsageError("--arch is given with bundles.", "A bundle holds its network.", "Leave --arch out")
        yield options.paths
        return
    if len(options.paths) > 1:
        raise UsageError(
            f"{weights[0]} is no bundle, and it is not alone.", "One weights file is served, or any number of bundles.", "pthway pack"
        )
    arguments = dict(map(argument, options.arg))
    model = _lazy.load("pthway.model:load", extra="torch")(weights[0], options.arch, weights=options.weights, **arguments)
    with TemporaryDirectory(prefix="pthway-") as folder:
        target = Path(folder) / f"{weights[0].stem}.bundle"
        _lazy.load("pthway.export:pack", extra="onnx")(model, target, progress=lambda step: screen.note(f"packing: {step}"))
        yield [target]


def _is_bundle(path: Path) -> bool:
    return path.suffix == ".zip" or (path / "manifest.json").is_file()


def _keys(path: Path | None) -> tuple[str, ...]:
    """The keys of the file, a line each, and of the environment."""
    found = [key.strip() for key in os.environ.get(KEYS, "").split(",") if key.strip()]
    if path is None:
        return tuple(found)
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as cause:
        raise UsageError(f"The keys {path} cannot be read: {cause}.", "They are a text file, a key a line.", "Check the path.") from cause
    if not lines:
        raise UsageError(f"The file {path} holds no key.", "Without keys everybody is let in.", "Write one a line, or leave the option out")
    return (*lines, *found)


def _tls(certificate: Path | None, key: Path | None) -> tuple[str, str] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("Only one of --tls-cert and --tls-key is given.", "TLS needs a certificate and its key.", "Give both")
    return str(certificate), str(key)


def _told(address: str, models: Sequence[Any], keyed: bool) -> Iterator[str]:  # noqa: FBT001  # a fact, no option
    for each in models:
        times = f"read {each.read:.2f} s, verify {each.verify:.2f} s, warm {each.warm:.2f} s"
        yield f"{each.name} {each.version}: {each.runtime}, {each.because}; {times}; batches of up to {each.largest_batch}, {each.reason}"
    yield f"listening at {address}"
    path = "/predict" if len({each.name for each in models}) == 1 else f"/models/{models[0].name}/predict"
    key = " -H 'Authorization: Bearer KEY'" if keyed else ""
    yield f"try it: curl{key} {models[0].curl} {address}{path}"
