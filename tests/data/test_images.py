"""Images become the numbers that torchvision's ToTensor and Normalize make of them, or are refused."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pthway.data.prepare import ImagePreparation, prepare_image, read_input
from pthway.errors import InputRefused, LimitExceeded, PthwayError, UsageError

PLAIN = ImagePreparation()
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
FREE = ("batch", 3, "height", "width")


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def picture(mode="RGB"):
    return Image.fromarray(PIXELS).convert(mode)


def to_tensor(pixels):
    """What torchvision's ToTensor does."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous().float().div(255)


@pytest.fixture
def put(tmp_path):
    def write(content, name="x"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def refusal(path, error=InputRefused, shape=None):
    with pytest.raises(error) as caught:
        read_input(path, shape=shape)
    return str(caught.value)


def test_pixels_are_bit_identical_to_to_tensor_and_normalize():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    array, steps = prepare_image(picture(), shape=FREE, preparation=ImagePreparation(mean=mean, std=std))
    column = lambda numbers: torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1)  # noqa: E731
    expected = to_tensor(PIXELS).sub_(column(mean)).div_(column(std))
    assert torch.equal(torch.from_numpy(array), expected)
    assert array.dtype == np.float32
    assert steps == ("RGB, 5×7", "pixels / 255", "minus the mean 0.485, 0.456, 0.406", "divided by the std 0.229, 0.224, 0.225")


@pytest.mark.parametrize(("form", "exact"), [("PNG", True), ("BMP", True), ("WEBP", True), ("JPEG", False), ("GIF", False)])
def test_formats_are_told_by_content(put, form, exact):
    inputs = read_input(put(encoded(picture(), form, **({"lossless": True} if form == "WEBP" else {})), "a.csv"), shape=None)
    assert inputs.arrays[""].shape == (3, 5, 7)
    if exact:
        np.testing.assert_array_equal(inputs.arrays[""], to_tensor(PIXELS))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA"), ("channels", "RGB")])
def test_the_channels_are_those_of_the_shape(channels, mode):
    array, steps = prepare_image(picture(), shape=("batch", channels, 5, 7), preparation=PLAIN)
    expected = np.asarray(picture(mode), np.float32).reshape(5, 7, -1).transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(array, expected)
    assert steps[0] == f"{mode}, 5×7"


def test_palette_images_show_their_colours(put):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    array = read_input(put(encoded(image)), shape=FREE).arrays[""]
    np.testing.assert_allclose(array[:, 0] * 255, [[10, 200], [20, 100], [30, 50]], rtol=1e-6)
    inputs = read_input(put(encoded(image, transparency=b"\x00\xff")), shape=FREE)
    np.testing.assert_allclose(inputs.arrays[""][:, 0] * 255, [[10, 200], [20, 100], [30, 50]], rtol=1e-6)
    assert "transparency left out" in inputs.steps


def test_two_colour_images_are_black_and_white():
    array, _ = prepare_image(Image.fromarray(np.array([[True, False]])), shape=("batch", 1, 1, 2), preparation=PLAIN)
    assert array.tolist() == [[[1, 0]]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bit_images_keep_their_range(put, channels):
    pixels = np.array([[0, 257, 30_000, 65_535]], np.uint16)
    inputs = read_input(put(encoded(Image.fromarray(pixels))), shape=("batch", channels, 1, 4))
    for plane in inputs.arrays[""][:3]:
        np.testing.assert_allclose(plane, pixels / 65_535, rtol=1e-6)
    assert inputs.arrays[""].shape == (channels, 1, 4)
    assert "16 bits / 257" in inputs.steps


def test_pixels_of_unknown_range_are_refused():
    for image in (Image.fromarray(np.zeros((2, 2), np.float32)), Image.fromarray(np.full((2, 2), 70_000, np.int32))):
        with pytest.raises(InputRefused, match="array"):
            prepare_image(image, shape=None, preparation=PLAIN)


def test_photographs_are_turned_upright(put):
    exif = Image.Exif()
    exif[0x0112] = 6
    inputs = read_input(put(encoded(picture(), "JPEG", exif=exif)), shape=None)
    assert inputs.arrays[""].shape == (3, 7, 5)
    assert inputs.steps[0] == "turned upright (EXIF)"


def test_the_first_frame_of_an_animation_is_taken(put):
    frames = [Image.new("L", (2, 2), shade) for shade in (255, 0)]
    inputs = read_input(put(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])), shape=("batch", 1, 2, 2))
    assert inputs.arrays[""].min() == 1
    assert inputs.steps[0] == "first frame of several"


def test_another_size_is_refused_with_both_sizes_and_the_option(put):
    message = refusal(put(encoded(picture()), "cat.png"), shape=("batch", 3, 28, 28))
    assert "cat.png: The image is 5 high × 7 wide; the network takes 28 × 28." in message
    assert "resize=" in message
    assert "--resize" in message


@pytest.mark.parametrize("size", [(2, 3), (10, 11)])
def test_resizing_is_pillows_antialiased_bilinear_and_said(size):
    array, steps = prepare_image(picture(), shape=("batch", 3, *size), preparation=ImagePreparation(resize="stretch"))
    expected = np.asarray(picture().resize(size[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(array, to_tensor(expected))
    assert f"resized to {size[0]}×{size[1]} (bilinear, antialiased)" in steps


def test_sixteen_bit_images_resize_too():
    image = Image.fromarray(np.full((4, 4), 65_535, np.uint16))
    array, _ = prepare_image(image, shape=("batch", 1, 2, 2), preparation=ImagePreparation(resize="stretch"))
    np.testing.assert_allclose(array, 1)


@pytest.mark.parametrize("shape", [None, FREE, ("batch", 3, 5, "width")])
def test_resizing_without_a_size_to_come_to_is_an_error(shape):
    with pytest.raises(UsageError, match="any size"):
        prepare_image(picture(), shape=shape, preparation=ImagePreparation(resize="stretch"))


def test_a_row_of_as_many_numbers_is_filled_by_a_grey_image():
    array, steps = prepare_image(picture("L"), shape=("batch", 35), preparation=PLAIN)
    np.testing.assert_array_equal(array, np.asarray(picture("L"), np.float32).reshape(-1) / np.float32(255))
    assert steps == ("L, 5×7", "pixels / 255", "flattened to 35")


@pytest.mark.parametrize("shape", [("batch", 34), ("batch", "n"), ("batch", 2, 5, 7), ("batch", 5, 7), ("batch",), ("batch", 3, 1, 5, 7)])
def test_shapes_that_take_no_image_are_refused(shape):
    with pytest.raises(InputRefused, match="5 × 7 pixels is given to a network that takes"):
        prepare_image(picture(), shape=shape, preparation=PLAIN)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"mean": mean} for mean in ((), [0.5], (float("nan"),), ("a",), 0.5)),
        *({"std": std} for std in ((0.0,), (-1.0, 1.0), (float("inf"),))),
        *({"scale": scale} for scale in (0, -1.0, float("nan"), "1", None, True)),
        {"mean": (0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    ],
)
def test_preparations_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError) as caught:
        ImagePreparation(**wrong)
    assert next(iter(wrong)) in str(caught.value)


def test_one_number_a_channel_or_one_for_all():
    array, _ = prepare_image(picture(), shape=FREE, preparation=ImagePreparation(mean=(0.5,), std=(0.5,)))
    assert array.min() >= -1
    with pytest.raises(UsageError, match="mean has 2 numbers, the image 3 channels"):
        prepare_image(picture(), shape=FREE, preparation=ImagePreparation(mean=(0.5, 0.5)))


def test_the_scale_is_said():
    for scale, step in ((1, "pixels as they are"), (2, "pixels × 2"), (1 / 127.5, "pixels / 127.5")):
        assert ImagePreparation(scale=scale).steps == (step,)


# What comes over the network


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP", "GIF"])
def test_truncated_images_are_refused(put, form):
    whole = encoded(Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)), form)
    assert "damaged image" in refusal(put(whole[: len(whole) // 2]))


@pytest.mark.parametrize("side", [9_460, 14_000, 100_000])
def test_decompression_bombs_are_refused_before_they_unfold(put, side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    assert "89,478,485 pixels" in refusal(put(bomb), LimitExceeded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        assert "89,478,485 pixels" in refusal(put(bomb), LimitExceeded)


@given(st.data())
@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_images_are_read_or_refused_with_our_error(tmp_path_factory, data):
    form = data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "GIF"]))
    raw = bytearray(encoded(picture(), form))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(raw)
    try:
        assert np.isfinite(read_input(path, shape=None).arrays[""]).all()
    except PthwayError as refused:
        assert refused.fix
