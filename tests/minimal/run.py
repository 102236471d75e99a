"""A bundle in an environment of its own that has numpy, ONNX Runtime and what pthway itself needs there, and no torch.

    python tests/minimal/run.py pack FOLDER       in the environment of the workshop
    python tests/minimal/run.py answer FOLDER     in the small one

`make test-minimal` makes the small one and runs both.
"""

import sys
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import pthway

DEMO = Path(pthway.__file__).parent / "demo"


def pack(folder: Path) -> None:
    """Pack the digits demo, and write its held-out images and what the network itself answers to them."""
    model = pthway.load(DEMO / "digits.pth", f"{DEMO / 'digitnet.py'}:DigitNet")
    with np.load(DEMO / "held_out.npz") as held_out:
        images = next(held_out[name] for name in held_out.files if held_out[name].ndim > 1)
    x = np.ascontiguousarray(images.reshape(len(images), *model.signature.inputs[0].shape[1:]), np.float32)  # type: ignore[index, arg-type]
    pthway.pack(model, folder / "digits.bundle", example=x[:8], force=True)
    np.savez(folder / "expected.npz", x=x, answers=model.predict(x).array)


def answer(folder: Path) -> None:
    """Open the bundle, and compare its answers with those of the network."""
    present = [name for name in ("torch", "onnx", "openvino", "rich", "PIL", "ml_dtypes", "typer", "matplotlib") if find_spec(name)]
    if present:
        sys.exit(f"this environment is not minimal: it has {', '.join(present)}")
    with np.load(folder / "expected.npz") as expected:
        x, answers = expected["x"], expected["answers"]
    session = pthway.open_session(folder / "digits.bundle")
    np.testing.assert_allclose(session.predict(x).array, answers, rtol=1e-4, atol=5e-5 * np.abs(answers).max())
    if not pthway.verify(folder / "digits.bundle"):
        sys.exit("the golden record is not answered here")
    installed = sorted({each.metadata["Name"] for each in distributions()} - {"pip", "setuptools"})
    print(f"{session.runtime} gives the network's {len(x)} answers with {', '.join(installed)}")


if __name__ == "__main__":
    {"pack": pack, "answer": answer}[sys.argv[1]](Path(sys.argv[2]))
