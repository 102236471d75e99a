"""The three networks of MTCNN, as facenet-pytorch ships them: state dicts in the legacy format of 2018."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import pthway

NETWORKS = {"PNet": ("pnet.pt", 12), "RNet": ("rnet.pt", 24), "ONet": ("onet.pt", 48)}
"""Class → its file, and the side of the images that it was trained on."""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_facenet_answers_as_the_package_itself_does_bit_for_bit(facenet_pytorch: ModuleType, name: str) -> None:
    file, side = NETWORKS[name]
    network = getattr(facenet_pytorch, name)
    path = Path(facenet_pytorch.__file__).parent / "data" / file
    images = torch.rand(5, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = network(pretrained=True).eval()(images)

    model = pthway.load(path, network, pretrained=False)

    with torch.inference_mode():
        outputs = model.module(images)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(outputs, expected, strict=True))
    predicted = model.predict(images).arrays.values()
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(predicted, expected, strict=True))


def test_the_file_of_another_network_of_facenet_is_refused_and_the_difference_told(facenet_pytorch: ModuleType) -> None:
    path = Path(facenet_pytorch.__file__).parent / "data" / "pnet.pt"
    with pytest.raises(pthway.PthwayError, match=r"(?s)conv1.*28.*10|conv1.*10.*28") as failure:
        pthway.load(path, facenet_pytorch.RNet, pretrained=False)
    assert isinstance(failure.value, RuntimeError)
