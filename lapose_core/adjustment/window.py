"""A window's decoded motions, adjusted to its matches."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lapose_core.adjustment.camera import SCALE_BY_FOCAL, KnownCamera, focal_of, seen_through
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import CameraDoubt, EpipolarFit, fit_epipolar
from lapose_core.adjustment.lengths import chain_lengths, facing
from lapose_core.geometry import make_pose, quaternion_of
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import DecodedMotions

#: Metres: shorter steps have no direction that pictures could tell.
_SHORTEST_STEP = 0.05
#: Of the head's variances, what stays: it knows the pictures in which the matches err together.
_HEAD_SHARE = 0.4
#: Of a calibrated camera: of the focal length's logarithm, and of the axis in widths of the model's input.
_KNOWN_FOCAL, _KNOWN_AXIS = 0.003, (0.002, 0.002)
_UNKNOWN = KnownCamera()


def adjust_window(
    decoded: DecodedMotions, matches_S2NC: np.ndarray, config: ModelConfig, camera: KnownCamera = _UNKNOWN
) -> DecodedMotions:
    """Fit rotations, directions, relative lengths and field of view of a window to what was matched in it.

    The pose head looks at 50 numbers a step, which keep what matters of the matches but not all of it; here the matches
    themselves are asked again, and what the head says is the prior. The window's scale remains the head's, as it is for
    the focal length that comes out.

    Args:
        decoded: the pose head's motions of S steps.
        matches_S2NC: there and back, of each step (`Backend.infer_steps`).
        config: the model's.
        camera: what is known of it.

    Returns:
        The motions, with variances of what is left.
    """
    if camera.focal is not None:
        decoded = seen_through(decoded, camera.focal, config)
    length_S = np.maximum(np.linalg.norm(decoded.translation_S3, axis=-1), 1e-6)
    direction_S3 = decoded.translation_S3 / length_S[:, None]
    reach_S = np.maximum(length_S, _SHORTEST_STEP)
    believed_S6 = decoded.variance_S6 / np.repeat(np.stack([reach_S**2, np.ones_like(reach_S)], axis=-1), 3, axis=-1)
    found = Correspondences.of_matches(matches_S2NC, config, camera.axis or (0.0, 0.0))
    focal = focal_of(decoded, config)
    fit = fit_epipolar(
        found.half(config),
        make_pose(decoded.translation_S3, decoded.quaternion_S4)[:, :3, :3],
        direction_S3,
        believed_S6,
        focal,
        config.image_width,
        CameraDoubt(
            CameraDoubt.focal if camera.focal is None else _KNOWN_FOCAL,
            CameraDoubt.axis if camera.axis is None else _KNOWN_AXIS,
        ),
    )
    facing_S1 = facing(found, fit)[:, None]
    fit = replace(fit, direction_S3=fit.direction_S3 * facing_S1, seen_S3=fit.seen_S3 * facing_S1)
    chained_S, log_deviation_S = chain_lengths(found, fit, reach_S)
    length_S = length_S * (chained_S / reach_S) * (fit.focal / focal) ** SCALE_BY_FOCAL
    fov_x = 2 * math.atan(0.5 * config.image_width / fit.focal)
    return DecodedMotions(
        fit.direction_S3 * length_S[:, None],
        quaternion_of(fit.rotation_S33),
        _variances(fit, reach_S, log_deviation_S) + _HEAD_SHARE * decoded.variance_S6,
        np.full_like(decoded.fov_x_S, fov_x),
        float(np.mean(length_S)),
    )


def _variances(fit: EpipolarFit, reach_S: np.ndarray, log_deviation_S: np.ndarray) -> np.ndarray:
    """Variances (S, 6) of translation (m^2) and rotation vector (rad^2), in the older camera's axes."""
    turned_S33 = fit.rotation_S33 @ fit.covariance_S55[:, :3, :3] @ fit.rotation_S33.swapaxes(-1, -2)
    sideways_S33 = fit.across_S23.swapaxes(-1, -2) @ fit.covariance_S55[:, 3:, 3:] @ fit.across_S23
    along_S33 = (log_deviation_S**2)[:, None, None] * fit.direction_S3[:, :, None] * fit.direction_S3[:, None, :]
    translation_S33 = (reach_S**2)[:, None, None] * (sideways_S33 + along_S33)
    return np.concatenate([np.diagonal(part, axis1=1, axis2=2) for part in (translation_S33, turned_S33)], axis=-1)
