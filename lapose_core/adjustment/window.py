"""A window's decoded motions, adjusted to its matches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lapose_core.adjustment.bend import ask_bend
from lapose_core.adjustment.camera import SCALE_BY_FOCAL, KnownCamera, focal_of, focal_through, seen_through
from lapose_core.adjustment.correspondences import Correspondences, cells
from lapose_core.adjustment.epipolar import CameraDoubt, EpipolarFit
from lapose_core.adjustment.ground import Ground, correct_scale, see_ground
from lapose_core.adjustment.head_prior import SHORTEST_STEP, along_translation, fit_head, reach_of
from lapose_core.adjustment.learned import USUAL_FOV_X, CameraWord, LearnedCamera
from lapose_core.adjustment.lengths import chain_lengths, facing
from lapose_core.geometry import quaternion_of
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import DecodedMotions

#: Of the head's variances, what stays: it knows the pictures in which the matches err together.
_HEAD_SHARE = 0.4
#: Of a calibrated camera.
_KNOWN = CameraDoubt(focal=0.003, axis=(0.002, 0.002))
#: Metres: a window of shorter steps looks at one and the same thing, and teaches nothing of the camera.
_TEACHING_STEP = 0.1
_UNKNOWN = KnownCamera()
#: From disk the loops take less.
_LONG_S = 2.0


def adjust_window(
    decoded: DecodedMotions, matches_S2NC: np.ndarray, config: ModelConfig, camera: KnownCamera = _UNKNOWN
) -> DecodedMotions:
    """Fit rotations, directions, relative lengths and field of view of a window to what was matched in it.

    The pose head looks at 50 numbers a step, which keep what matters of the matches but not all of it; here the matches
    themselves are asked again, and what the head says is the prior. The window's scale is the head's, as it is for the
    focal length that comes out, unless the road below the camera says otherwise (`ground`).

    Args:
        decoded: the pose head's motions of S steps.
        matches_S2NC: there and back, of each step (`Backend.infer_steps`).
        config: the model's.
        camera: what is known of it.

    Returns:
        The motions, with variances of what is left, and what the drive has told of the camera by now.
    """
    found = Correspondences.of_matches(matches_S2NC, config, camera.axis or (0.0, 0.0), camera.distortion)
    fit, decoded, found, word = _fit(decoded, found, config, camera)
    reach_S = reach_of(decoded)
    fit = replace(fit, seen_S3=fit.seen_S3 * facing(found, fit)[:, None])
    chained_S, log_deviation_S = chain_lengths(found, fit, reach_S)
    length_S = np.linalg.norm(decoded.translation_S3, axis=-1) * (chained_S / reach_S)
    length_S *= (fit.focal / focal_of(decoded, config)) ** SCALE_BY_FOCAL
    ground = see_ground(found, fit, length_S)
    log_scale, scale_deviation = correct_scale(ground, camera)
    learned = _learn(camera, word, ground, length_S, config)
    length_S *= math.exp(log_scale)
    longer_S = np.maximum(length_S, SHORTEST_STEP) / reach_S
    variance_S6 = _variances(fit, reach_S, log_deviation_S) + _HEAD_SHARE * decoded.variance_S6
    fov_x = 2 * math.atan(0.5 * config.image_width / fit.focal)
    return DecodedMotions(
        fit.direction_S3 * length_S[:, None],
        quaternion_of(fit.rotation_S33),
        variance_S6 * along_translation(longer_S**2),
        np.full_like(decoded.fov_x_S, fov_x),
        float(np.mean(length_S)),
        scale_deviation,
        learned,
    )


def compile_loops(config: ModelConfig, report: Callable[[str], None]) -> None:
    """Have the loops compiled before the first frame: in seconds once on a machine, from disk after that.

    `report` is told where it took long.
    """
    started_s = time.perf_counter()
    steps = config.clip_length - 1
    ahead_S3, turn = np.tile([0.0, 0.0, 1.0], (steps, 1)), 0.05  # radians a step: enough of a bend to ask all
    quaternion_S4 = np.tile([0.0, math.sin(turn / 2), 0.0, math.cos(turn / 2)], (steps, 1))
    made_up = DecodedMotions(ahead_S3, quaternion_S4, np.full((steps, 6), 1e-3), np.full(steps, USUAL_FOV_X), 1.0)
    cells_N2 = cells(config.image_width, config.image_height).T
    matches_NC = np.concatenate([cells_N2, np.ones((len(cells_N2), 3), np.float32)], axis=-1)
    adjust_window(made_up, np.tile(matches_NC, (steps, 2, 1, 1)), config)
    taken_s = time.perf_counter() - started_s
    if taken_s > _LONG_S:
        report(f"compiled the adjustment in {taken_s:.0f} s; the next start takes it from disk")


def _fit(
    decoded: DecodedMotions, found: Correspondences, config: ModelConfig, camera: KnownCamera
) -> tuple[EpipolarFit, DecodedMotions, Correspondences, CameraWord | None]:
    """What fits; the head's motions and the matches as seen through that camera; what the window says of the camera.

    The latter is None where nothing of it is asked.
    """
    if camera.focal is not None and camera.axis is not None:
        seen = seen_through(decoded, camera.focal, config)
        return fit_head(seen, found.half(config), config, _KNOWN), seen, found, None
    word = ask_bend(decoded, found, config, camera)
    focal, focal_doubt, axis_doubt = camera.focal, _KNOWN.focal, _KNOWN.axis
    if focal is None:
        focal = focal_through(USUAL_FOV_X, config) * math.exp(camera.learned.log_focal(word))
        focal_doubt = CameraDoubt.focal
    if camera.axis is None:
        axis, deviation = camera.learned.axis_across(word)
        found, axis_doubt = found.moved(axis * config.image_width), (deviation, CameraDoubt.axis[1])
    seen = seen_through(decoded, focal, config)
    fit = fit_head(seen, found.half(config), config, CameraDoubt(focal_doubt, axis_doubt))
    return fit, seen, found, word


def _learn(
    camera: KnownCamera, word: CameraWord | None, ground: Ground | None, length_S: np.ndarray, config: ModelConfig
) -> LearnedCamera:
    """What the drive has told of the camera, this window included."""
    learned = camera.learned
    if word is None or np.mean(length_S) < _TEACHING_STEP:
        return learned
    # What a window that still fills says of a bend is mostly wrong.
    if len(length_S) >= config.clip_length - 1:
        learned = learned.with_word(word)
    # The scale of a camera that is told is better without.
    if ground is None or camera.focal is not None:
        return learned
    return learned.with_height(ground.log_height, ground.agreed)


def _variances(fit: EpipolarFit, reach_S: np.ndarray, log_deviation_S: np.ndarray) -> np.ndarray:
    """Variances (S, 6) of translation (m^2) and rotation vector (rad^2), in the older camera's axes."""
    turned_S33 = fit.rotation_S33 @ fit.covariance_S55[:, :3, :3] @ fit.rotation_S33.swapaxes(-1, -2)
    sideways_S33 = fit.across_S23.swapaxes(-1, -2) @ fit.covariance_S55[:, 3:, 3:] @ fit.across_S23
    along_S33 = (log_deviation_S**2)[:, None, None] * fit.direction_S3[:, :, None] * fit.direction_S3[:, None, :]
    translation_S33 = (reach_S**2)[:, None, None] * (sideways_S33 + along_S33)
    return np.concatenate([np.diagonal(part, axis1=1, axis2=2) for part in (translation_S33, turned_S33)], axis=-1)
