"""Train the network of `pthway demo` on scikit-learn's handwritten digits, and write the demo's files.

Needs torch, scikit-learn, pillow and pthway. Takes some ten seconds on two cores.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from pthway.demo.digitnet import DigitNet

DEMO = Path(__file__).parents[2] / "src" / "pthway" / "demo"
SEED = 0
HELD_OUT = 360
EPOCHS = 30
BATCH = 64
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHOWN = (3, 8, 0, 5, 7)


def grey_images() -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (1797, 1, 8, 8) in 0..255, and digits, int64 (1797,), shuffled once and for all."""
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    order = np.random.default_rng(SEED).permutation(len(images))
    return images[order], digits.target[order].astype(np.int64)


def train(images: np.ndarray, digits: np.ndarray) -> DigitNet:
    """The trained network, in eval mode."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the order of the sums, and so the weights, would depend on the number of cores
    inputs, targets = torch.from_numpy(images).float() / 255, torch.from_numpy(digits)
    model = DigitNet(channels=16, hidden=64, num_classes=10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def write_images(images: np.ndarray, digits: np.ndarray) -> None:
    """One PNG of each shown digit: the first of its kind."""
    folder = DEMO / "images"
    folder.mkdir(exist_ok=True)
    for place, digit in enumerate(SHOWN):
        first = int(np.flatnonzero(digits == digit)[0])
        Image.fromarray(images[first, 0]).save(folder / f"{place}_{NAMES[digit]}.png")


def main() -> None:
    images, digits = grey_images()
    held_images, held_digits = images[:HELD_OUT], digits[:HELD_OUT]
    model = train(images[HELD_OUT:], digits[HELD_OUT:])
    with torch.inference_mode():
        answers = model(torch.from_numpy(held_images).float() / 255).argmax(dim=1).numpy()
    print(f"held-out accuracy {np.mean(answers == held_digits):.4f} on {HELD_OUT} images")
    torch.save(model.state_dict(), DEMO / "digits.pth")
    np.savez_compressed(DEMO / "held_out.npz", images=held_images, labels=held_digits)
    write_images(held_images, held_digits)


if __name__ == "__main__":
    main()
