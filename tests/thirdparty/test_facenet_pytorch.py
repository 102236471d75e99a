"""The face detectors of facenet-pytorch, files of 2018 in the legacy format: pthway and the package load them alike."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

import pthway
from pthway.errors import Mismatch

SIDES = {"PNet": 12, "RNet": 24, "ONet": 48}
"""Height and width in pixels of what the detectors were trained on; PNet takes larger images too."""


@pytest.fixture(scope="module")
def mtcnn(stand_ins: None) -> ModuleType:
    return import_module("facenet_pytorch.models.mtcnn")


def weights(mtcnn: ModuleType, name: str) -> Path:
    return Path(str(mtcnn.__file__)).parents[1] / "data" / f"{name.lower()}.pt"


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("batch", [1, 5])
def test_outputs_are_those_of_the_packages_own_loading_to_the_last_bit(mtcnn: ModuleType, name: str, batch: int) -> None:
    detector = getattr(mtcnn, name)
    x = torch.rand(batch, 3, SIDES[name], SIDES[name], generator=torch.Generator().manual_seed(batch)) * 2 - 1
    model = pthway.load(weights(mtcnn, name), detector, pretrained=False)
    with torch.inference_mode():
        expected = detector()(x)
    answers = model(x)
    assert type(answers) is type(expected)
    assert len(answers) == len(expected)
    assert all(torch.equal(answer, wanted) for answer, wanted in zip(answers, expected, strict=True))
    predicted = model.predict(x).arrays
    assert [array.tobytes() for array in predicted.values()] == [wanted.numpy().tobytes() for wanted in expected]


@pytest.mark.parametrize("name", ["RNet", "ONet"])
def test_the_signature_names_the_only_image_size_that_a_flattening_detector_takes(mtcnn: ModuleType, name: str) -> None:
    model = pthway.load(weights(mtcnn, name), getattr(mtcnn, name), pretrained=False)
    (image,) = model.signature.inputs
    assert tuple(image.shape) == ("batch", 3, SIDES[name], SIDES[name])


def test_the_package_would_load_the_weights_itself_where_pretrained_is_left_alone(mtcnn: ModuleType) -> None:
    model = pthway.load(weights(mtcnn, "PNet"), mtcnn.PNet)
    x = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model(x)[1], mtcnn.PNet()(x)[1])


def test_weights_of_another_detector_are_a_mismatch_that_names_it(mtcnn: ModuleType) -> None:
    with pytest.raises(Mismatch, match="RNet"):
        pthway.load(weights(mtcnn, "ONet"), mtcnn.RNet, pretrained=False)
