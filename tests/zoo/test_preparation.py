"""Images are brought to the network bit for bit as torchvision's transforms for evaluation bring them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from pthway.data.images import prepare_image
from pthway.data.preparation import ImagePreparation

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [(300, 400), (400, 300), (333, 257), (224, 224), (100, 99), (1000, 231)]


def picture(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8))


def prepared(image: Image.Image, **options: object) -> torch.Tensor:
    array, _ = prepare_image(image, shape=("batch", 3, "height", "width"), preparation=ImagePreparation(**options))  # type: ignore[arg-type]
    return torch.from_numpy(array)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_transforms_of_a_network_of_torchvision(height: int, width: int) -> None:
    image = picture(height, width)
    expected = ResNet18_Weights.IMAGENET1K_V1.transforms()(image)
    got = prepared(image, size=(224, 224), resize="shorter", shorter=256, crop="center", mean=MEAN, std=STD)
    assert torch.equal(got, expected)


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_resizing_to_height_and_width(height: int, width: int, kind: str) -> None:
    image = picture(height, width)
    expected = v2.Compose([v2.Resize((160, 192), v2.InterpolationMode(kind)), v2.PILToTensor()])(image)
    assert torch.equal(prepared(image, size=(160, 192), resize="stretch", interpolation=kind, scale=1), expected.float())
