"""The files of `pthway demo` are what their docstring says, by the word of plain PyTorch."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

import pthway.demo
from pthway.demo.digitnet import DigitNet

DEMO = Path(pthway.demo.__file__).parent
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def scores(images: np.ndarray) -> torch.Tensor:
    network = DigitNet(channels=16, hidden=64, num_classes=10)
    network.load_state_dict(torch.load(DEMO / "digits.pth", weights_only=True))
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(images).float() / 255)


def test_the_weights_are_small_and_read_97_of_100_held_out_digits() -> None:
    held_out = np.load(DEMO / "held_out.npz")
    images, labels = held_out["images"], held_out["labels"]
    assert (images.dtype, images.shape, int(images.max())) == (np.uint8, (360, 1, 8, 8), 255)
    assert (labels.dtype, labels.shape, set(labels.tolist())) == (np.int64, (360,), set(range(10)))
    assert np.mean(scores(images).argmax(dim=1).numpy() == labels) >= 0.97
    assert (DEMO / "digits.pth").stat().st_size < 300_000


def test_the_shown_images_are_held_out_digits_under_their_true_names() -> None:
    held_out = np.load(DEMO / "held_out.npz")
    labels = {image.tobytes(): int(label) for image, label in zip(held_out["images"], held_out["labels"], strict=True)}
    paths = sorted((DEMO / "images").glob("*.png"))
    assert len(paths) == 5
    for place, path in enumerate(paths):
        image = Image.open(path)
        assert (image.mode, image.size) == ("L", (8, 8))
        assert path.stem == f"{place}_{NAMES[labels[np.asarray(image).tobytes()]]}"


def test_the_network_reads_the_shown_images_right() -> None:
    for path in sorted((DEMO / "images").glob("*.png")):
        answer = int(scores(np.array(Image.open(path))[None, None]).argmax())
        assert path.stem.endswith(NAMES[answer])
