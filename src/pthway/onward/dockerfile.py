"""A folder to build an image from: the bundle, a Dockerfile, and the few packages that the chosen runtime needs."""

import sys
from pathlib import Path
from typing import Final

from pthway.bundle.folder import Bundle
from pthway.onward.copied import copy_bundle, requirements, runner
from pthway.onward.target import Written

TEXT: Final = """\
FROM python:{python}-slim
RUN useradd --create-home --uid 10001 pthway
COPY requirements.txt /requirements.txt
RUN pip install --no-cache-dir --requirement /requirements.txt
COPY {name} /model
USER pthway
WORKDIR /home/pthway
RUN ["pthway", "verify", "/model"]
ENTRYPOINT ["pthway", "predict", "/model"]
"""


def write(bundle: Bundle, out: Path) -> Written:
    """Write the folder. The bundle in it is opened and verified here; so it is again by every build of the image."""
    name = f"{bundle.manifest.name}.bundle"
    session = copy_bundle(bundle, out / name)
    (out / "requirements.txt").write_text("".join(f"{each}\n" for each in requirements(session)), "utf-8")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    (out / "Dockerfile").write_text(TEXT.format(python=python, name=name), "utf-8")
    (out / ".dockerignore").write_text("**/__pycache__\n", "utf-8")
    told = f"The image was not built here; its bundle answers with {session.runtime}. docker build -t {bundle.manifest.name} {out.name}"
    return Written(runner(session), f"{session.runtime} here", (told,))
