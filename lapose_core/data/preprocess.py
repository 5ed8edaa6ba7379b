"""From a source's image to the model's input, and back for the field of view."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np

from lapose_core.data.raw_image import RawImage
from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig

#: RGB as (H, W, 3) uint8, grey as (H, W) or (H, W, 1); or a camera's bytes.
Image: TypeAlias = "np.ndarray | RawImage"

#: Where the optical axis meets the image (x, y), in pixels with centres at + 0.5; None is the image's middle.
PrincipalPoint: TypeAlias = "tuple[float, float] | None"

#: Interleaved encodings may be shrunk before their colours are converted: OpenCV's conversion to RGB.
_TO_RGB: dict[str, int | None] = {
    "rgb8": None,
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}


class Crop(NamedTuple):
    """The part of an image that the model sees, pixels."""

    left: int
    top: int
    width: int
    height: int


def prepare_frame(image: Image, config: ModelConfig, principal_point: PrincipalPoint = None) -> np.ndarray:
    """The model's input (3, h, w) uint8 RGB: the image cropped to the model's aspect, then shrunk by averaging.

    Args:
        principal_point: what the crop is centred on.

    Raises:
        LaposeError: the crop is smaller than the model's input.
        UndecodableFrameError: the bytes do not fill the image.
    """
    if isinstance(image, RawImage):
        image.check()  # a damaged message is told as one, whatever size it claims
    crop = find_crop(image.shape[1], image.shape[0], config, principal_point)
    pixels_HWC, conversion = _rows(image, crop.top, crop.top + crop.height)
    seen = pixels_HWC[:, crop.left : crop.left + crop.width]
    small = cv2.resize(seen, (config.image_width, config.image_height), interpolation=cv2.INTER_AREA)
    if conversion is not None:
        small = cv2.cvtColor(small, conversion)
    return np.ascontiguousarray(small.transpose(2, 0, 1))


def grey_of(frame_CHW: np.ndarray) -> np.ndarray:
    """The model's input in grey, (h, w) uint8."""
    return cv2.cvtColor(np.ascontiguousarray(frame_CHW.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY)


def find_crop(width: int, height: int, config: ModelConfig, principal_point: PrincipalPoint = None) -> Crop:
    """The largest part of a width x height image that has the model's aspect and its centre in the principal point.

    Raises LaposeError where it is smaller than the model's input.
    """
    crop = _largest_crop(width, height, config, principal_point)
    if crop.width < config.image_width or crop.height < config.image_height:
        seen = f"the images are {width}x{height}"
        if principal_point is not None:
            seen += f" and {crop.width}x{crop.height} around their principal point"
        raise LaposeError(
            f"{seen}, smaller than the model's input of {config.image_width}x{config.image_height}: give larger images"
        )
    return crop


def source_fov_x(
    fov_x_model: float, image_width: int, image_height: int, config: ModelConfig, principal_point: PrincipalPoint = None
) -> float:
    """Horizontal field of view, radians, of the whole source image from that of the model's input, a crop of it.

    As wide as if the principal point were in the image's middle.
    """
    crop = _largest_crop(image_width, image_height, config, principal_point)
    return 2.0 * math.atan(math.tan(fov_x_model / 2.0) * image_width / crop.width)


def _largest_crop(width: int, height: int, config: ModelConfig, principal_point: PrincipalPoint) -> Crop:
    x, y = (width / 2, height / 2) if principal_point is None else principal_point
    reach_x, reach_y = min(x, width - x), min(y, height - y)
    scale = 2 * min(reach_x / config.image_width, reach_y / config.image_height)
    crop_width, crop_height = round(config.image_width * scale), round(config.image_height * scale)
    return Crop(int(x - crop_width / 2), int(y - crop_height / 2), crop_width, crop_height)


def _rows(image: Image, top: int, bottom: int) -> tuple[np.ndarray, int | None]:
    """Pixels (h, W, C) uint8 of some rows, to be shrunk as they are, and the conversion to RGB that is left to do."""
    if isinstance(image, np.ndarray):
        is_grey = image.ndim == 2 or image.shape[2] == 1
        return image[top:bottom], cv2.COLOR_GRAY2RGB if is_grey else None
    pixels_HWC = image.interleaved()
    if pixels_HWC is None:
        return image.decode_rows(top, bottom), None
    return pixels_HWC[top:bottom], _TO_RGB[image.encoding]
