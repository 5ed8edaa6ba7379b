"""What is told of the camera, for those who have a calibration; and the pose head's motions through it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lapose_core.adjustment.learned import NOTHING_LEARNED, LearnedCamera
from lapose_core.data.preprocess import PrincipalPoint, find_crop
from lapose_core.data.source import Intrinsics
from lapose_core.geometry import quaternion_from_vector, rotation_vector_of_quaternion
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import DecodedMotions

#: Logarithm of the scale's error by that of the focal length's: 0.93 over 144 rendered windows, 0.77 over KITTI's 82.
SCALE_BY_FOCAL = 0.9


@dataclass(frozen=True)
class KnownCamera:
    """The camera of the model's input, as far as anybody tells.

    Attributes:
        focal: pixels; None where it is not known.
        axis: where the optical axis meets the picture, pixels right of and below its middle; None where not known.
        distortion: of its pictures: a point at the end of the middle row lies where a pinhole would have it after
            dividing by 1 + that (Fitzgibbon 2001). Negative for a barrel; none once they are rectified.
        height: above the road, metres; None where it is not known.
        learned: what the drive has told of what is not known.
    """

    focal: float | None = None
    axis: tuple[float, float] | None = None
    distortion: float = 0.0
    height: float | None = None
    learned: LearnedCamera = NOTHING_LEARNED

    @classmethod
    def of_source(
        cls, intrinsics: Intrinsics, config: ModelConfig, principal_point: PrincipalPoint = None
    ) -> KnownCamera:
        """Of a source's camera, whose images are cropped round `principal_point` (their middle by default)."""
        crop = find_crop(intrinsics.width, intrinsics.height, config, principal_point)
        scale = config.image_width / crop.width
        across = (intrinsics.cx - crop.left - crop.width / 2) * scale
        down = (intrinsics.cy - crop.top - crop.height / 2) * scale
        return cls(intrinsics.fx * scale, (across, down))


def focal_of(decoded: DecodedMotions, config: ModelConfig) -> float:
    """Focal length that the whole window agrees on, pixels of the model's input."""
    return focal_through(float(np.mean(decoded.fov_x_S)), config)


def focal_through(fov_x: float, config: ModelConfig) -> float:
    """Focal length of a horizontal field of view of the model's input (radians), pixels."""
    return 0.5 * config.image_width / math.tan(0.5 * fov_x)


def seen_through(decoded: DecodedMotions, focal: float, config: ModelConfig) -> DecodedMotions:
    """The same motions if the focal length is another than the head believes.

    The head reads pixels. Pan, tilt and the slope of the direction of travel go with one over the focal length; depth,
    and with it the way ahead, nearly with the focal length.
    """
    longer = focal / focal_of(decoded, config)
    farther = longer**SCALE_BY_FOCAL
    turn_S3 = rotation_vector_of_quaternion(decoded.quaternion_S4) * [1 / longer, 1 / longer, 1]
    translation_S3 = decoded.translation_S3 * [farther / longer, farther / longer, farther]
    return DecodedMotions(
        translation_S3,
        quaternion_from_vector(turn_S3),
        decoded.variance_S6 * np.square([1, 1, farther, 1 / longer, 1 / longer, 1]),
        np.full_like(decoded.fov_x_S, 2 * math.atan(0.5 * config.image_width / focal)),
        float(np.mean(np.linalg.norm(translation_S3, axis=-1))),
    )
