"""What the model sees of an image."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lapose_core.errors import LaposeError
from lapose_core.model.config import preset
from lapose_core.runtime.preprocess import prepare_frame, source_fov_x

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
