"""Camera messages' bytes to RGB images: the encodings of ROS, without ROS.

Follows sensor_msgs/image_encodings.hpp for the layouts and cv_bridge for the numbers (16 bits scaled by 255/65535).
"""

from __future__ import annotations

from array import array
from typing import TypeAlias

import cv2
import numpy as np

from lapose_core.errors import LaposeError

#: Anything with a buffer of uint8: rosbags gives arrays of numpy, rclpy those of the standard library.
ImageBytes: TypeAlias = "bytes | bytearray | memoryview | array[int] | np.ndarray"

#: Encoding -> (bytes a pixel, OpenCV's conversion to RGB; None where the pixels are RGB already).
_CONVERSIONS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "mono16": (2, cv2.COLOR_GRAY2RGB),
    # The name of a Bayer pattern is its top left 2x2 pixels, row by row.
    "bayer_rggb8": (1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGRBG2RGB),
    "bayer_rggb16": (2, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr16": (2, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg16": (2, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg16": (2, cv2.COLOR_BayerGRBG2RGB),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
}
_SIXTEEN_BIT = tuple(name for name in _CONVERSIONS if name.endswith("16"))

#: A plane of brightness, then one of colour pairs: encoding -> (pixels across and down that share a pair, OpenCV's
#: conversion from half size to RGB). nv21 and nv24 are names of ROS, nv12 is that of camera drivers.
_PLANAR: dict[str, tuple[int, int]] = {
    "nv12": (2, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (2, cv2.COLOR_YUV2RGB_NV21),
    "nv24": (1, cv2.COLOR_YUV2RGB_NV12),
}

SUPPORTED_ENCODINGS = (*_CONVERSIONS, *_PLANAR)


class UndecodableFrameError(LaposeError):
    """One frame is damaged; the next one may well be good."""


def decode_image(
    data: ImageBytes, height: int, width: int, encoding: str, step: int, is_bigendian: bool = False
) -> np.ndarray:
    """RGB image (H, W, 3) uint8 from the fields of a `sensor_msgs/Image`.

    Args:
        data: the pixels, row by row; rows may be padded.
        step: bytes from one row to the next; 0 means unpadded.
        is_bigendian: order of the bytes of 16-bit pixels.

    Raises:
        LaposeError: the encoding is not supported.
        UndecodableFrameError: the data do not fill the image.
    """
    if encoding in _PLANAR:
        return _decode_planar(data, height, width, encoding, step or width)
    pixel_bytes, conversion = _conversion(encoding)
    image = np.ascontiguousarray(view_pixels(data, height, width, pixel_bytes, step))
    if encoding in _SIXTEEN_BIT:
        image = image.view(">u2" if is_bigendian else "<u2")[..., 0].astype(np.uint16)
    if conversion is not None:
        try:
            image = cv2.cvtColor(image, conversion)
        except cv2.error:
            raise UndecodableFrameError(f"{width}x{height} is no size for an image of encoding {encoding!r}") from None
    return cv2.convertScaleAbs(image, alpha=255 / 65535) if image.dtype == np.uint16 else image


def has_planes(encoding: str) -> bool:
    """Whether an image is a plane of brightness and one of colours, and not row after row of pixels."""
    return encoding in _PLANAR


def row_bytes(encoding: str, width: int) -> int:
    """Bytes of an unpadded row, where there are planes of one of the brightness; raises LaposeError where unknown."""
    return width if encoding in _PLANAR else width * _conversion(encoding)[0]


def decode_compressed(data: ImageBytes) -> np.ndarray:
    """RGB image (H, W, 3) uint8 from the data of a `sensor_msgs/CompressedImage`: JPEG, PNG or another file format.

    Raises UndecodableFrameError where the data are damaged.
    """
    buffer = np.frombuffer(data, np.uint8)
    try:
        image_bgr = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    except cv2.error:  # raised for an empty buffer
        image_bgr = None
    if image_bgr is None:
        raise UndecodableFrameError(f"{buffer.size} bytes are no image in a format that OpenCV reads, such as JPEG")
    return cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)


def view_pixels(data: ImageBytes, height: int, width: int, pixel_bytes: int, step: int) -> np.ndarray:
    """(height, width, pixel_bytes) uint8, a view of the data without the rows' padding; `step` as in `decode_image`.

    Raises UndecodableFrameError where the data do not fill it.
    """
    buffer, row_bytes = np.frombuffer(data, np.uint8), width * pixel_bytes
    step = step or row_bytes
    # The last row's padding may be missing.
    if height < 1 or row_bytes < 1 or step < row_bytes or buffer.size < (height - 1) * step + row_bytes:
        raise UndecodableFrameError(
            f"{buffer.size} bytes do not fill {height} rows of {row_bytes} bytes at a step of {step}"
        )
    return np.lib.stride_tricks.as_strided(buffer, (height, width, pixel_bytes), (step, pixel_bytes, 1))


def _conversion(encoding: str) -> tuple[int, int | None]:
    if encoding not in _CONVERSIONS:
        raise LaposeError(
            f"image encoding {encoding!r} is not supported: publish one of {', '.join(SUPPORTED_ENCODINGS)}"
        )
    return _CONVERSIONS[encoding]


def _decode_planar(data: ImageBytes, height: int, width: int, encoding: str, step: int) -> np.ndarray:
    """RGB from nv12, nv21 or nv24; rows of colour are as long as those of brightness, of nv24 twice as long."""
    shared, conversion = _PLANAR[encoding]
    if height % shared or width % shared:
        raise UndecodableFrameError(f"{width}x{height} is no size for an image of encoding {encoding!r}")
    brightness = np.ascontiguousarray(view_pixels(data, height, width, 1, step)[..., 0])
    colour_step = step if shared == 2 else 2 * step
    colour_data = np.frombuffer(data, np.uint8)[height * step :]
    colour = np.ascontiguousarray(view_pixels(colour_data, height // shared, width // shared, 2, colour_step))
    if shared == 1:  # OpenCV knows shared pairs only: repeat the pixels, and take each second one of the result
        brightness = brightness.repeat(2, 0).repeat(2, 1)
        return np.ascontiguousarray(cv2.cvtColorTwoPlane(brightness, colour, conversion)[::2, ::2])
    return cv2.cvtColorTwoPlane(brightness, colour, conversion)
