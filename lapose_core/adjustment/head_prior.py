"""Rotations and directions of a window that fit its matches, with what the pose head says of them as the prior."""

from __future__ import annotations

import numpy as np

from lapose_core.adjustment.camera import focal_of
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import CameraDoubt, EpipolarFit, fit_epipolar
from lapose_core.geometry import make_pose
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import DecodedMotions

#: Metres: shorter steps have no direction that pictures could tell.
SHORTEST_STEP = 0.05


def fit_head(
    seen: DecodedMotions,
    found: Correspondences,
    config: ModelConfig,
    doubt: CameraDoubt,
    start: EpipolarFit | None = None,
) -> EpipolarFit:
    """Fit the head's motions, as they are seen through a camera, to matches.

    Args:
        seen, found: of the same S steps; of the matches half are enough (`Correspondences.half`).
        config: the model's.
        doubt: how well that camera is known.
        start: from where to go on; by default from the head's motions.
    """
    reach_S = reach_of(seen)
    length_S = np.maximum(np.linalg.norm(seen.translation_S3, axis=-1), 1e-6)
    return fit_epipolar(
        found,
        make_pose(seen.translation_S3, seen.quaternion_S4)[:, :3, :3],
        seen.translation_S3 / length_S[:, None],
        seen.variance_S6 / along_translation(reach_S**2),
        focal_of(seen, config),
        config.image_width,
        doubt,
        start,
    )


def reach_of(seen: DecodedMotions) -> np.ndarray:
    """(S,) the head's step lengths, metres, never so short that they have no direction."""
    return np.maximum(np.linalg.norm(seen.translation_S3, axis=-1), SHORTEST_STEP)


def along_translation(factor_S: np.ndarray) -> np.ndarray:
    """(S, 6) factors of translation and rotation: the latter stays."""
    return np.repeat(np.stack([factor_S, np.ones_like(factor_S)], axis=-1), 3, axis=-1)
