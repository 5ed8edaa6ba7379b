"""What the model sees of an image."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lapose_core.data import raw_image as raw_image_module
from lapose_core.data.encodings import SUPPORTED_ENCODINGS, UndecodableFrameError, decode_image
from lapose_core.data.preprocess import find_crop, prepare_frame, source_fov_x
from lapose_core.data.raw_image import RawImage
from lapose_core.errors import LaposeError
from lapose_core.model.config import preset
from lapose_core.runtime.view import is_blind

TINY = preset("tiny")  # 128x64


def test_the_crop_keeps_the_centre_of_a_wide_image() -> None:
    image = np.zeros((64, 400, 3), np.uint8)
    image[:, 200 - 64 : 200 + 64] = (10, 20, 30)

    frame = prepare_frame(image, TINY)

    assert frame.shape == (3, 64, 128)
    assert frame.dtype == np.uint8
    for channel, value in enumerate((10, 20, 30)):
        assert np.all(frame[channel] == value)


def test_the_crop_keeps_the_centre_of_a_tall_image() -> None:
    image = np.zeros((300, 256), np.uint8)
    image[150 - 64 : 150 + 64] = 200

    assert np.all(prepare_frame(image, TINY) == 200)


def test_shrinking_averages_the_pixels() -> None:
    image = np.zeros((128, 256, 3), np.uint8)
    image[::2] = 100  # every second row: 50 on average

    assert np.all(prepare_frame(image, TINY) == 50)


@pytest.mark.parametrize("shape", [(64, 128), (64, 128, 1)])
def test_grey_images_become_three_equal_channels(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    frame = prepare_frame(image, TINY)

    for channel in frame:
        np.testing.assert_array_equal(channel, image.reshape(64, 128))


@pytest.mark.parametrize(("width", "height"), [(127, 64), (1000, 63)])
def test_an_image_smaller_than_the_input_is_refused_with_both_sizes(width: int, height: int) -> None:
    with pytest.raises(LaposeError, match=f"{width}x{height}, smaller than the model's input of 128x64"):
        prepare_frame(np.zeros((height, width, 3), np.uint8), TINY)


def test_the_field_of_view_of_the_source_is_wider_by_what_the_crop_leaves_out() -> None:
    focal = 150.0  # pixels of a 400x100 image; the crop is 200x100
    fov_x_crop = 2 * math.atan(100 / focal)

    assert source_fov_x(fov_x_crop, 400, 100, TINY) == pytest.approx(2 * math.atan(200 / focal))


def test_a_crop_in_height_leaves_the_field_of_view_as_it_is() -> None:
    assert source_fov_x(1.2, 256, 400, TINY) == pytest.approx(1.2)


@pytest.mark.parametrize("principal_point", [(150.0, 60.0), (120.5, 70.25), (200.0, 50.0)])
def test_the_crop_is_centred_on_the_principal_point(principal_point: tuple[float, float]) -> None:
    crop = find_crop(400, 128, TINY, principal_point)

    assert crop.width / crop.height == pytest.approx(2, rel=0.02)
    assert crop.left >= 0 and crop.top >= 0
    assert crop.left + crop.width <= 400 and crop.top + crop.height <= 128
    centre = (crop.left + crop.width / 2, crop.top + crop.height / 2)
    np.testing.assert_allclose(centre, principal_point, atol=1.0)


def test_a_principal_point_near_the_edge_leaves_too_little() -> None:
    with pytest.raises(LaposeError, match="around their principal point, smaller"):
        find_crop(400, 128, TINY, (30.0, 64.0))


HEIGHT, WIDTH = 150, 260


def raw_image(encoding: str, padding: int = 0, is_bigendian: bool = False) -> RawImage:
    """A smooth picture's bytes: what neighbouring pixels have in common matters to Bayer patterns."""
    pixel_bytes = {"mono8": 1, "mono16": 2, "rgba8": 4, "bgra8": 4, "rgb8": 3, "bgr8": 3}.get(encoding)
    if pixel_bytes is None:
        pixel_bytes = 2 if encoding.endswith("16") or encoding.startswith(("yu", "uy")) else 1
    height = 3 * HEIGHT if encoding.startswith("nv") else HEIGHT  # planes of colour below
    noise = np.random.default_rng(1).integers(0, 256, (height, WIDTH * pixel_bytes), np.uint8)
    rows = np.pad(cv2.GaussianBlur(noise, (0, 0), 1.0), ((0, 0), (0, padding)))
    step = rows.shape[1] if padding else 0
    return RawImage(rows.reshape(-1), HEIGHT, WIDTH, encoding, step, is_bigendian)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
def test_raw_bytes_give_what_their_rgb_image_gives(encoding: str, padding: int) -> None:
    """The very same, so that a live camera gives the numbers of its recording."""
    image = raw_image(encoding, padding)
    for principal_point in (None, (140.0, 70.0), (120.0, 83.0)):
        expected = prepare_frame(image.decode(), TINY, principal_point)
        np.testing.assert_array_equal(prepare_frame(image, TINY, principal_point), expected)


@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
def test_rows_of_raw_bytes_are_those_of_the_whole_image(encoding: str) -> None:
    image = raw_image(encoding, padding=6)
    whole = image.decode()
    for top, bottom in ((0, HEIGHT), (0, 7), (5, 90), (6, HEIGHT - 1), (HEIGHT - 3, HEIGHT)):
        np.testing.assert_array_equal(image.decode_rows(top, bottom), whole[top:bottom])


def test_only_the_rows_that_the_model_sees_are_decoded(monkeypatch) -> None:
    decoded = []
    monkeypatch.setattr(raw_image_module, "decode_image", lambda *given: decoded.append(given) or decode_image(*given))
    tall = RawImage(bytes(2 * 256 * 400), 400, 256, "yuv422")
    prepare_frame(tall, TINY)
    prepare_frame(RawImage(bytes(3 * 256 * 400), 400, 256, "bgr8"), TINY)
    ((_, height, *_),) = decoded  # bgr8 is shrunk as it is
    assert height <= 128 + 4


@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
def test_bytes_that_are_missing_are_told_though_the_model_does_not_see_them(encoding: str) -> None:
    whole = raw_image(encoding)
    last = whole.data.size if encoding.startswith("nv") else len(whole.data)
    used = {"nv12": 3 * HEIGHT * WIDTH // 2, "nv21": 3 * HEIGHT * WIDTH // 2}.get(encoding, last)
    with pytest.raises(UndecodableFrameError, match="do not fill"):
        prepare_frame(RawImage(whole.data[: used - 1], HEIGHT, WIDTH, encoding), TINY)
    with pytest.raises(UndecodableFrameError, match="do not fill"):
        prepare_frame(RawImage(b"", 0, 0, encoding), TINY)


@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
def test_blindness_is_seen_in_raw_bytes(encoding: str) -> None:
    image = raw_image(encoding)
    grey = np.full(image.data.size, 90, np.uint8)
    assert is_blind(RawImage(grey, HEIGHT, WIDTH, encoding))
    split = grey.reshape(-1, grey.size // 10).copy()
    split[:3] = 200  # a bright upper part
    assert not is_blind(RawImage(split.reshape(-1), HEIGHT, WIDTH, encoding))
    large = np.full((1080, 1920, 3), 90, np.uint8) + np.random.default_rng(0).normal(0, 15, (1080, 1920, 3))
    assert is_blind(large.astype(np.uint8))  # noise alone


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
def test_tensors_give_what_opencv_gives(encoding: str, is_bigendian: bool) -> None:
    """The GPU's arithmetic, on the CPU's tensors; within one of 255 levels."""
    torch = pytest.importorskip("torch")
    from lapose_core.runtime.preprocess_torch import TensorPreparer

    image = raw_image(encoding, padding=4, is_bigendian=is_bigendian)
    preparer = TensorPreparer(TINY, torch.device("cpu"), None)
    if not preparer.can_prepare(image):
        pytest.skip(f"{encoding} goes through OpenCV")

    for principal_point in (None, (140.0, 70.0)):
        frame = preparer(image, principal_point)
        difference = frame.numpy().astype(int) - prepare_frame(image, TINY, principal_point)
        assert frame.shape == (3, TINY.image_height, TINY.image_width)
        assert np.abs(difference).max() <= 1
        assert np.abs(difference.mean()) < 0.25  # OpenCV rounds halves up where it interpolates colours


def test_tensors_take_arrays_too_and_refuse_bytes_that_are_missing() -> None:
    torch = pytest.importorskip("torch")
    from lapose_core.runtime.preprocess_torch import TensorPreparer

    preparer = TensorPreparer(TINY, torch.device("cpu"), None)
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    assert np.abs(preparer(image).numpy().astype(int) - prepare_frame(image, TINY)).max() <= 1

    whole = raw_image("rgb8")
    for prepare in (preparer, lambda short: prepare_frame(short, TINY)):
        with pytest.raises(UndecodableFrameError, match="do not fill"):
            prepare(RawImage(whole.data[:-1], HEIGHT, WIDTH, "rgb8"))
