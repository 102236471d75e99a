"""``pthway demo``: the main job on a real file that comes with the package, each step with the line that does it."""

from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pthway import _lazy
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.summary import facts
from pthway.cli import screen

FOLDER = Path(__file__).parent.parent / "demo"
"""A network trained by plain PyTorch on handwritten digits, with images that it never saw; see examples/digits."""


def run(_: Namespace) -> int:
    """Take a real .pth from file to deployment: inspect, match, predict, count what is right; pack, verify, open and evaluate."""
    weights, network = FOLDER / "digits.pth", f"{FOLDER / 'digitnet.py'}:DigitNet"
    _step("1  What is it? Nothing in the file is run, torch is not even imported.", "pthway inspect digits.pth")
    checkpoint = open_checkpoint(weights)
    screen.facts(facts(checkpoint))

    _step("2  Which arguments was the class built with? The weights tell.", 'model = pthway.load("digits.pth", "digitnet.py:DigitNet")')
    model = _lazy.load("pthway.model:load", extra="torch")(weights, network)
    rows = [(argument.name, str(argument.value), str(argument.origin), argument.because) for argument in model.arguments.values()]
    screen.table(("argument", "value", "", "evidence"), rows)
    screen.write(f"takes and gives: {model.signature}")

    images = sorted((FOLDER / "images").glob("*.png"))
    _step("3  Predict images that it never saw.", "pthway predict digits.pth --arch digitnet.py:DigitNet images/*.png")
    answers = [(image.name, model.predict(image)) for image in images]
    screen.table(("image", "class", "probability"), [(name, str(answer.label), f"{answer.score:.4f}") for name, answer in answers])

    held_out = _lazy.load("numpy:load")(FOLDER / "held_out.npz")
    pixels, truth = held_out["images"] / held_out["images"].dtype.type(255), held_out["labels"]
    _step("4  How often is it right?", "(model.predict(images).array.argmax(1) == labels).mean()")
    right = int((model.predict(pixels).array.argmax(1) == truth).sum())
    screen.write(f"{right} of {len(truth)} held-out images right: {right / len(truth):.1%}")
    with TemporaryDirectory(prefix="pthway-demo-") as folder:
        _deploy(model, held_out, Path(folder))
    return 0


def _deploy(model: Any, held_out: Any, folder: Path) -> None:
    """Pack the model, verify it, and count again with the bundle alone, on the images as files."""
    bundle, photos = folder / "digits.bundle", folder / "photos"
    _step("5  Pack it: weights, source, recorded answers and a program for each runtime.", 'pthway.pack(model, "digits.bundle")')
    programs = [*(["onnxruntime"] if find_spec("onnxruntime") and find_spec("onnxscript") else []), "eager"]
    packed = _lazy.load("pthway.export:pack", extra="torch")(model, bundle, programs=programs)
    screen.write(", ".join(sorted(packed.manifest.files)))

    _step("6  Does it give the recorded answers here?", "pthway verify digits.bundle")
    rows = [
        (each.runtime, "as recorded" if each.ok else str(each.deviation), f"{each.difference.absolute:.1e}" if each.difference else "")
        for each in _lazy.load("pthway.runtime:verify")(packed).results
    ]
    screen.table(("runtime", "answers", "largest difference"), rows)

    _step("7  Open it: the fastest runtime that does. ONNX Runtime needs no torch.", 'session = pthway.open_session("digits.bundle")')
    session = _lazy.load("pthway.runtime:open_session")(packed)
    image = sorted((FOLDER / "images").glob("*.png"))[0]
    screen.write(f"{session.runtime}, {session.because}; {image.name}: {session.predict(image).label}")

    _step("8  How right is the bundle, on images as files in a folder for each class?", "pthway evaluate digits.bundle photos/")
    for index, (pixels, digit) in enumerate(zip(held_out["images"], held_out["labels"].tolist(), strict=True)):
        (photos / str(digit)).mkdir(parents=True, exist_ok=True)
        _lazy.load("PIL.Image").fromarray(pixels[0]).save(photos / str(digit) / f"{index}.png")
    figures = _lazy.load("pthway.evaluation:evaluate")(packed, photos).figures
    rest = f"balanced accuracy {figures.balanced_accuracy:.2%}, calibration error {figures.calibration_error:.4f}"
    screen.write(f"accuracy {figures.accuracy:.2%} of {figures.samples} images, {rest}")


def _step(title: str, line: str) -> None:
    if screen.in_terminal():
        text = _lazy.load("rich.text:Text")
        screen.console().print(text.assemble(("\n" + title, "bold"), ("\n  " + line, "green")))
    else:
        screen.write(f"\n{title}\n  {line}")
