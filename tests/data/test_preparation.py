"""Images come to the network's size as torchvision's transforms for evaluation bring them, and columns as scikit-learn scales them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.preprocessing import StandardScaler

import pthway
from pthway.data.columns import scale_columns
from pthway.data.images import prepare_image
from pthway.data.preparation import ColumnPreparation, ImagePreparation
from pthway.errors import InputRefused, UsageError

RANDOM = np.random.default_rng(0)
FREE = ("batch", 3, "height", "width")


def picture(height, width):
    return Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), np.uint8))


def pixels(image, shape=FREE, **options):
    array, _ = prepare_image(image, shape=shape, preparation=ImagePreparation(scale=1, **options))
    return array


def as_array(image):
    return np.asarray(image, np.float32).transpose(2, 0, 1)


def resize_and_center_crop(image, shorter, size):
    """torchvision's Resize(shorter) and CenterCrop(size) in Pillow's own calls, by the rounding of its functional.py."""
    width, height = image.size
    longer = int(shorter * max(width, height) / min(width, height))
    image = image.resize((shorter, longer) if width <= height else (longer, shorter), Image.Resampling.BILINEAR)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return image.crop((left, top, left + size, top + size))


@pytest.mark.parametrize(("height", "width"), [(37, 61), (61, 37), (40, 40), (33, 200), (16, 17)])
def test_the_shorter_side_and_the_crop_are_torchvisions(height, width):
    image = picture(height, width)
    options = {"size": (24, 24), "resize": "shorter", "shorter": 27, "crop": "center"}
    np.testing.assert_array_equal(pixels(image, **options), as_array(resize_and_center_crop(image, 27, 24)))
    np.testing.assert_array_equal(
        pixels(image, ("batch", 3, 24, 24), resize="shorter", crop="center"), as_array(resize_and_center_crop(image, 24, 24))
    )


@pytest.mark.parametrize(("height", "width"), [(37, 61), (61, 37), (24, 30), (5, 90), (12, 15)])
@pytest.mark.parametrize("fill", [0, 114])
def test_padding_is_pillows(height, width, fill):
    image = picture(height, width)
    expected = ImageOps.pad(image, (30, 24), Image.Resampling.BILINEAR, color=(fill,) * 3)
    np.testing.assert_array_equal(pixels(image, size=(24, 30), resize="pad", fill=fill), as_array(expected))


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
def test_stretching_with_antialiasing_is_pillows(kind):
    image = picture(37, 61)
    expected = image.resize((20, 50), Image.Resampling[kind.upper()])
    np.testing.assert_array_equal(pixels(image, size=(50, 20), resize="stretch", interpolation=kind), as_array(expected))


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(9, 11), (74, 122), (37, 5), (1, 1)])
def test_stretching_without_antialiasing_is_torchs_interpolation(kind, size):
    image = picture(37, 61)
    expected = torch.nn.functional.interpolate(torch.from_numpy(as_array(image))[None], size=size, mode=kind, align_corners=False)[0]
    got = pixels(image, size=size, resize="stretch", interpolation=kind, antialias=False)
    np.testing.assert_allclose(got, expected, atol=2e-3)  # of 255: float32 in another order
    assert np.abs(got - pixels(image, size=size, resize="stretch", interpolation=kind)).max() > 1 or size == (74, 122)


def test_a_crop_alone_cuts_the_middle_and_never_invents_a_border():
    image = picture(10, 13)
    np.testing.assert_array_equal(pixels(image, size=(6, 6), crop="center"), as_array(image)[:, 2:8, 4:10])
    with pytest.raises(InputRefused, match="10 high × 13 wide, smaller than the crop of 11 × 11"):
        pixels(image, size=(11, 11), crop="center")


def test_what_does_not_come_to_the_size_is_refused_with_both_sizes():
    with pytest.raises(InputRefused, match=r"24 high × 48 wide after it was resized to 24×48 .*takes 24 × 24"):
        pixels(picture(10, 20), size=(24, 24), resize="shorter")
    with pytest.raises(UsageError, match="Only of a square"):
        pixels(picture(10, 20), size=(24, 30), resize="shorter", crop="center")


def test_the_colour_order_is_turned_around():
    image = picture(4, 5)
    np.testing.assert_array_equal(pixels(image, order="bgr"), as_array(image)[::-1])
    mean = prepare_image(image, shape=FREE, preparation=ImagePreparation(scale=1, order="bgr", mean=(1.0, 2.0, 3.0)))[0]
    np.testing.assert_array_equal(mean, as_array(image)[::-1] - np.array([1, 2, 3], np.float32)[:, None, None])
    with pytest.raises(UsageError, match="One channel has no order"):
        pixels(image, ("batch", 1, 4, 5), order="bgr")


def test_a_row_is_filled_by_an_image_of_the_size_that_is_said():
    image = picture(20, 20)
    array, steps = prepare_image(image, shape=("batch", 35), preparation=ImagePreparation(scale=1, size=(5, 7), resize="stretch"))
    np.testing.assert_array_equal(array, np.asarray(image.convert("L").resize((7, 5), Image.Resampling.BILINEAR), np.float32).ravel())
    assert steps[1:] == ("resized to 5×7 (bilinear, antialiased)", "pixels as they are", "flattened to 35")


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"resize": True}, "resize is True"),
        ({"resize": "cover"}, "'stretch', 'shorter' or 'pad'"),
        ({"crop": "left"}, "crop is 'left'"),
        ({"resize": "pad", "crop": "center"}, "nothing is left to cut"),
        ({"interpolation": "lanczos"}, "'bilinear' or 'bicubic'"),
        ({"order": "grb"}, "order is 'grb'"),
        ({"antialias": 1}, "antialias is 1"),
        *(({"size": size}, "height and width") for size in (224, (224,), (0, 4), (4.0, 4), (True, 4), [4, 4])),
        *(({"resize": "shorter", "shorter": side}, "shorter is") for side in (0, -1, 2.5, True)),
        ({"shorter": 256}, "goes with resize='shorter'"),
        *(({"resize": "pad", "fill": fill}, "0 to 255") for fill in (-1, 256, "grey")),
        ({"resize": "stretch", "fill": 9}, "what resize='pad' adds"),
    ],
)
def test_preparations_that_cannot_be_meant_are_refused(wrong, match):
    with pytest.raises(UsageError, match=match):
        ImagePreparation(**wrong)


def test_the_grey_around_may_be_any_that_a_pixel_has():
    assert {ImagePreparation(resize="pad", fill=fill).fill for fill in (0, 255)} == {0, 255}


@given(st.integers(2, 6), st.integers(1, 5))
def test_columns_are_scaled_as_scikit_learn_does_it(rows, columns):
    table = np.random.default_rng(rows * 7 + columns).normal(3, 10, (rows, columns))
    scaler = StandardScaler().fit(table)
    preparation = ColumnPreparation(tuple(scaler.mean_.tolist()), tuple(scaler.scale_.tolist()))
    expected = scaler.transform(table)
    np.testing.assert_array_equal(scale_columns(table, preparation, "x"), expected)
    np.testing.assert_array_equal(scale_columns(table[0], preparation, "x"), expected[0])


def test_columns_of_arrays_are_scaled_before_the_network():
    network = pthway.wrap(torch.nn.Identity(), example=np.zeros((2, 2), np.float32))
    array = np.array([[1, 2], [3, 6]], np.float32)
    assert network.predict(array, preparation=ColumnPreparation(mean=(1.0, 2.0), std=(2.0,))).array.tolist() == [[0, 0], [1, 2]]
    assert array.tolist() == [[1, 2], [3, 6]]


def test_columns_are_scaled_in_files_too_and_said(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,6\n")
    network = pthway.wrap(torch.nn.Identity(), example=np.zeros((2, 2), np.float32))
    answer = network.predict(tmp_path / "x.csv", preparation=ColumnPreparation(mean=(1.0, 2.0), std=(2.0,)))
    assert answer.array.tolist() == [[0, 0], [1, 2]]
    assert answer.steps[1:] == ("minus the mean 1, 2", "divided by the std 2")


@pytest.mark.parametrize("shape", [(4, 3), (3,), ()])
def test_another_number_of_columns_is_refused(shape):
    network = pthway.wrap(torch.nn.Linear(2, 1))
    with pytest.raises(InputRefused, match=r"columns \(shape .*\), and mean 2 numbers"):
        network.predict(np.zeros(shape), preparation=ColumnPreparation(mean=(1.0, 2.0)))


@pytest.mark.parametrize("wrong", [{"mean": ()}, {"std": (0.0,)}, {"mean": (1.0, float("nan"))}, {"mean": (1.0, 1.0), "std": (1.0,) * 3}])
def test_columns_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError, match="column"):
        ColumnPreparation(**wrong)
