"""``pthway demo``: the main job on a real file that comes with the package, each step with the line that does it."""

from argparse import Namespace
from pathlib import Path

from pthway import _lazy
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.summary import facts
from pthway.cli import screen

FOLDER = Path(__file__).parent.parent / "demo"
"""A network trained by plain PyTorch on handwritten digits, with images that it never saw; see examples/digits."""


def run(_: Namespace) -> int:
    """Take a real .pth from file to prediction: inspect, match, predict, and count what is right on held-out images."""
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
    return 0


def _step(title: str, line: str) -> None:
    if screen.in_terminal():
        text = _lazy.load("rich.text:Text")
        screen.console().print(text.assemble(("\n" + title, "bold"), ("\n  " + line, "green")))
    else:
        screen.write(f"\n{title}\n  {line}")
