"""From a source's image to the model's input, and back for the field of view."""

from __future__ import annotations

import math

import cv2
import numpy as np

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig


def prepare_frame(image_HWC: np.ndarray, config: ModelConfig) -> np.ndarray:
    """The model's input (3, h, w) uint8 RGB: the image cropped to the model's aspect round its centre, then shrunk.

    Args:
        image_HWC: (H, W, 3) uint8 RGB, or grey as (H, W) or (H, W, 1).

    Raises LaposeError where the image is smaller than the model's input.
    """
    height, width = image_HWC.shape[:2]
    if width < config.image_width or height < config.image_height:
        raise LaposeError(
            f"the images are {width}x{height}, smaller than the model's input of {config.image_width}x"
            f"{config.image_height}: give larger images"
        )
    crop_width, crop_height = _crop_size(width, height, config)
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    crop = image_HWC[top : top + crop_height, left : left + crop_width]
    small = cv2.resize(crop, (config.image_width, config.image_height), interpolation=cv2.INTER_AREA)
    if small.ndim == 2:
        small = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(small.transpose(2, 0, 1))


def source_fov_x(fov_x_model: float, image_width: int, image_height: int, config: ModelConfig) -> float:
    """Horizontal field of view, radians, of the whole source image from that of the model's input, a central crop."""
    crop_width, _ = _crop_size(image_width, image_height, config)
    return 2.0 * math.atan(math.tan(fov_x_model / 2.0) * image_width / crop_width)


def _crop_size(width: int, height: int, config: ModelConfig) -> tuple[int, int]:
    """Width and height of the largest crop with the model's aspect."""
    scale = min(width / config.image_width, height / config.image_height)
    return round(config.image_width * scale), round(config.image_height * scale)
