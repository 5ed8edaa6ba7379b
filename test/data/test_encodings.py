"""Every encoding against images made by hand."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest

from lapose_core.data.encodings import (
    SUPPORTED_ENCODINGS,
    UndecodableFrameError,
    decode_compressed,
    decode_image,
)
from lapose_core.errors import LaposeError

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
GREY = np.arange(4 * 6, dtype=np.uint8).reshape(4, 6) * 10


def decode_rows(rows: np.ndarray, width: int, encoding: str, padding: int = 0, **keywords) -> np.ndarray:
    """Decode an array (H, ...) of pixels whose rows get `padding` more bytes."""
    rows = np.ascontiguousarray(rows)
    row_bytes = rows.reshape(len(rows), -1).view(np.uint8)
    padded = np.pad(row_bytes, ((0, 0), (0, padding)), constant_values=255)
    return decode_image(padded.tobytes(), len(rows), width, encoding, padded.shape[1], **keywords)


@pytest.mark.parametrize("padding", [0, 5, 64])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.dstack([RGB, np.full((4, 6), 9, np.uint8)])),
        ("bgra8", np.dstack([RGB[..., ::-1], np.full((4, 6), 9, np.uint8)])),
    ],
)
def test_colour_keeps_its_channels(encoding: str, pixels: np.ndarray, padding: int) -> None:
    np.testing.assert_array_equal(decode_rows(pixels, 6, encoding, padding), RGB)


@pytest.mark.parametrize("padding", [0, 3])
def test_grey_becomes_three_equal_channels(padding: int) -> None:
    np.testing.assert_array_equal(decode_rows(GREY, 6, "mono8", padding), np.dstack([GREY] * 3))


@pytest.mark.parametrize(("order", "is_bigendian"), [("<u2", False), (">u2", True)])
@pytest.mark.parametrize("padding", [0, 4])
def test_sixteen_bits_are_scaled_in_either_byte_order(order: str, is_bigendian: bool, padding: int) -> None:
    pixels = (GREY.astype(np.uint16) * 257).astype(order)  # 65535 is 255

    image = decode_rows(pixels, 6, "mono16", padding, is_bigendian=is_bigendian)

    np.testing.assert_array_equal(image, np.dstack([GREY] * 3))


@pytest.mark.parametrize("bits", ["8", "16"])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("padding", [0, 2])
def test_bayer_patterns_give_the_colour_of_a_plain_wall(pattern: str, bits: str, padding: int) -> None:
    colour = {"r": 200, "g": 120, "b": 30}
    cell = np.array([colour[letter] for letter in pattern], np.uint16).reshape(2, 2)
    mosaic = np.tile(cell, (8, 8))
    pixels = mosaic.astype(np.uint8) if bits == "8" else mosaic * 257

    image = decode_rows(pixels, 16, f"bayer_{pattern}{bits}", padding)

    np.testing.assert_array_equal(image, np.broadcast_to([200, 120, 30], (16, 16, 3)))


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")],
)
@pytest.mark.parametrize("padding", [0, 6])
def test_yuv_gives_the_colour_that_went_in(encoding: str, order: str, padding: int) -> None:
    wall = np.full((4, 6, 3), (180, 90, 40), np.uint8)
    # ITU-R BT.601, studio swing, as cameras send it.
    red, green, blue = wall[0, 0].astype(float)
    parts = {
        "y": 16 + 0.257 * red + 0.504 * green + 0.098 * blue,
        "u": 128 - 0.148 * red - 0.291 * green + 0.439 * blue,
        "v": 128 + 0.439 * red - 0.368 * green - 0.071 * blue,
    }
    pair = np.array([round(parts[letter]) for letter in order], np.uint8)

    image = decode_rows(np.tile(pair, (4, 3)), 6, encoding, padding)

    np.testing.assert_allclose(image, wall, atol=3)


def yuv(colour: tuple[int, int, int]) -> dict[str, int]:
    """ITU-R BT.601, studio swing, as cameras send it."""
    red, green, blue = colour
    return {
        "y": round(16 + 0.257 * red + 0.504 * green + 0.098 * blue),
        "u": round(128 - 0.148 * red - 0.291 * green + 0.439 * blue),
        "v": round(128 + 0.439 * red - 0.368 * green - 0.071 * blue),
    }


@pytest.mark.parametrize(("encoding", "pair", "shared"), [("nv12", "uv", 2), ("nv21", "vu", 2), ("nv24", "uv", 1)])
@pytest.mark.parametrize("padding", [0, 10])
def test_planar_yuv_keeps_colours_in_their_places(encoding: str, pair: str, shared: int, padding: int) -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, :4], image[:, 4:] = (180, 90, 40), (30, 60, 200)
    parts = [[yuv(tuple(map(int, pixel))) for pixel in row] for row in image]
    brightness = np.array([[part["y"] for part in row] for row in parts], np.uint8)
    colour = np.array([[[part[c] for c in pair] for part in row[::shared]] for row in parts[::shared]], np.uint8)
    colour = colour.reshape(len(colour), -1)
    step, colour_step = 8 + padding, (8 + padding) * (2 // shared)
    data = b"".join(
        np.pad(plane, ((0, 0), (0, wide - plane.shape[1])), constant_values=255).tobytes()
        for plane, wide in ((brightness, step), (colour, colour_step))
    )

    np.testing.assert_allclose(decode_image(data, 4, 8, encoding, step), image, atol=3)
    with pytest.raises(UndecodableFrameError):
        decode_image(data[: len(data) // 2], 4, 8, encoding, step)


def test_planar_yuv_of_odd_size_is_a_bad_frame() -> None:
    with pytest.raises(UndecodableFrameError):
        decode_image(bytes(100), 5, 8, "nv12", 8)


def test_every_supported_encoding_is_tested_above() -> None:
    assert set(SUPPORTED_ENCODINGS) == {
        *("nv12", "nv21", "nv24"),
        *("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "yuv422", "uyvy", "yuv422_yuy2", "yuyv"),
        *(f"bayer_{pattern}{bits}" for pattern in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)),
    }


def test_the_last_row_may_lack_its_padding_and_a_step_of_zero_means_none() -> None:
    padded = np.pad(GREY, ((0, 0), (0, 4))).tobytes()

    np.testing.assert_array_equal(decode_image(padded[:-4], 4, 6, "mono8", 10)[..., 0], GREY)
    np.testing.assert_array_equal(decode_image(GREY.tobytes(), 4, 6, "mono8", 0)[..., 0], GREY)


def test_the_buffers_of_ros_are_taken_as_they_are() -> None:
    for data in (GREY.ravel(), array("B", GREY.tobytes()), memoryview(GREY.tobytes())):
        np.testing.assert_array_equal(decode_image(data, 4, 6, "mono8", 6)[..., 0], GREY)


def test_an_unknown_encoding_names_itself_and_the_known_ones() -> None:
    with pytest.raises(LaposeError, match=r"'32FC1' is not supported.*rgb8.*yuv422_yuy2") as caught:
        decode_image(bytes(96), 4, 6, "32FC1", 24)
    assert not isinstance(caught.value, UndecodableFrameError)  # the next frame will be no better


@pytest.mark.parametrize(
    ("size", "height", "width", "step"), [(71, 4, 6, 18), (72, 4, 6, 17), (0, 0, 6, 18), (0, 4, 6, 18)]
)
def test_data_that_do_not_fill_the_image_are_a_bad_frame(size: int, height: int, width: int, step: int) -> None:
    with pytest.raises(UndecodableFrameError):
        decode_image(bytes(size), height, width, "rgb8", step)


def test_a_yuv_image_of_odd_width_is_a_bad_frame() -> None:
    with pytest.raises(UndecodableFrameError):
        decode_image(bytes(40), 4, 5, "yuv422", 10)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_compressed_images_come_out_as_rgb(suffix: str) -> None:
    wall = np.full((16, 24, 3), (180, 90, 40), np.uint8)
    _, data = cv2.imencode(suffix, wall[..., ::-1])

    np.testing.assert_allclose(decode_compressed(data.tobytes()), wall, atol=3)


@pytest.mark.parametrize("data", [b"", b"no image at all", bytes(1000)])
def test_damaged_compressed_data_are_a_bad_frame(data: bytes) -> None:
    with pytest.raises(UndecodableFrameError):
        decode_compressed(data)
