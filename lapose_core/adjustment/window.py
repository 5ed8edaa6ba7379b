"""A window's decoded motions, adjusted to its matches."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lapose_core.adjustment.camera import SCALE_BY_FOCAL, KnownCamera, focal_of, focal_through, seen_through
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import CameraDoubt, EpipolarFit, fit_epipolar
from lapose_core.adjustment.focal import compare_depths
from lapose_core.adjustment.ground import Ground, correct_scale, see_ground
from lapose_core.adjustment.learned import USUAL_FOV_X, FocalWord, LearnedCamera
from lapose_core.adjustment.lengths import chain_lengths, facing
from lapose_core.geometry import make_pose, quaternion_of
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import DecodedMotions
from lapose_core.runtime.calibration import turn_of

#: Metres: shorter steps have no direction that pictures could tell.
_SHORTEST_STEP = 0.05
#: Of the head's variances, what stays: it knows the pictures in which the matches err together.
_HEAD_SHARE = 0.4
#: Of a calibrated camera: of the focal length's logarithm, and of the axis in widths of the model's input.
_KNOWN_FOCAL, _KNOWN_AXIS = 0.003, (0.002, 0.002)
#: The same of one that depths are compared through: as good as fixed.
_FIXED_FOCAL = 1e-4
#: Metres: a window of shorter steps looks at one and the same thing, and teaches nothing of the camera.
_TEACHING_STEP = 0.1
#: Radians: a window that turns less in all tells no focal length, and takes half the time.
_TELLING_TURN = 0.2
#: So far beside the head's focal length (logarithm), then beside the one found, depths are compared.
_REACHES = (0.1, 0.08)
_UNKNOWN = KnownCamera()


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
    fit, decoded, word = _fit(decoded, found, config, camera)
    reach_S = _reach(decoded)
    fit = replace(fit, seen_S3=fit.seen_S3 * facing(found, fit)[:, None])
    chained_S, log_deviation_S = chain_lengths(found, fit, reach_S)
    length_S = np.linalg.norm(decoded.translation_S3, axis=-1) * (chained_S / reach_S)
    length_S *= (fit.focal / focal_of(decoded, config)) ** SCALE_BY_FOCAL
    ground = see_ground(found, fit, length_S)
    log_scale, scale_deviation = correct_scale(ground, camera)
    learned = _learn(camera, word, ground, length_S, config)
    length_S *= math.exp(log_scale)
    longer_S = np.maximum(length_S, _SHORTEST_STEP) / reach_S
    variance_S6 = _variances(fit, reach_S, log_deviation_S) + _HEAD_SHARE * decoded.variance_S6
    fov_x = 2 * math.atan(0.5 * config.image_width / fit.focal)
    return DecodedMotions(
        fit.direction_S3 * length_S[:, None],
        quaternion_of(fit.rotation_S33),
        variance_S6 * _along_translation(longer_S**2),
        np.full_like(decoded.fov_x_S, fov_x),
        float(np.mean(length_S)),
        scale_deviation,
        learned,
    )


def _fit(
    decoded: DecodedMotions, found: Correspondences, config: ModelConfig, camera: KnownCamera
) -> tuple[EpipolarFit, DecodedMotions, FocalWord | None]:
    """What fits the matches, the head's motions as seen when the fit started, and what they say of the focal length.

    The latter is None where the focal length is known.
    """
    half = found.half(config)
    if camera.focal is not None:
        seen = seen_through(decoded, camera.focal, config)
        return _fit_through(seen, half, config, camera, _KNOWN_FOCAL), seen, None
    usual = focal_through(USUAL_FOV_X, config)
    word = FocalWord(math.log(focal_of(decoded, config) / usual))
    if turn_of(make_pose(decoded.translation_S3, decoded.quaternion_S4)) >= _TELLING_TURN:
        start = usual * math.exp(camera.learned.log_focal(word))
        focal, information = _ask_depths(decoded, found, half, config, camera, start)
        word = replace(word, depths=math.log(focal / usual), information=information)
    seen = seen_through(decoded, usual * math.exp(camera.learned.log_focal(word)), config)
    return _fit_through(seen, half, config, camera, CameraDoubt.focal), seen, word


def _learn(
    camera: KnownCamera, word: FocalWord | None, ground: Ground | None, length_S: np.ndarray, config: ModelConfig
) -> LearnedCamera:
    """What the drive has told of the camera, this window included."""
    learned = camera.learned
    if word is None or np.mean(length_S) < _TEACHING_STEP:
        return learned
    # What a window that still fills says of a bend is mostly wrong.
    if len(length_S) >= config.clip_length - 1:
        learned = learned.with_focal(word)
    return learned if ground is None else learned.with_height(ground.log_height, ground.agreed)


def _ask_depths(
    decoded: DecodedMotions,
    found: Correspondences,
    half: Correspondences,
    config: ModelConfig,
    camera: KnownCamera,
    focal: float,
) -> tuple[float, float]:
    """The focal length by the depths in a bend, from the one believed, and how much they inform of its logarithm."""
    fit, information = None, 0.0
    for reach in _REACHES:
        seen = seen_through(decoded, focal, config)
        fit = _fit_through(seen, half, config, camera, _FIXED_FOCAL, fit)
        step, information = compare_depths(found, fit, _reach(seen), reach)
        fit = fit.through(step)
        focal = fit.focal
    return focal, information


def _fit_through(
    decoded: DecodedMotions,
    found: Correspondences,
    config: ModelConfig,
    camera: KnownCamera,
    focal_doubt: float,
    start: EpipolarFit | None = None,
) -> EpipolarFit:
    """Rotations and directions that fit the matches, and the focal length as far as it is doubted."""
    reach_S = _reach(decoded)
    believed_S6 = decoded.variance_S6 / _along_translation(reach_S**2)
    length_S = np.maximum(np.linalg.norm(decoded.translation_S3, axis=-1), 1e-6)
    return fit_epipolar(
        found,
        make_pose(decoded.translation_S3, decoded.quaternion_S4)[:, :3, :3],
        decoded.translation_S3 / length_S[:, None],
        believed_S6,
        focal_of(decoded, config),
        config.image_width,
        CameraDoubt(focal_doubt, CameraDoubt.axis if camera.axis is None else _KNOWN_AXIS),
        start,
    )


def _reach(decoded: DecodedMotions) -> np.ndarray:
    """(S,) the head's step lengths, metres, never so short that they have no direction."""
    return np.maximum(np.linalg.norm(decoded.translation_S3, axis=-1), _SHORTEST_STEP)


def _along_translation(factor_S: np.ndarray) -> np.ndarray:
    """(S, 6) factors of translation and rotation: the latter stays."""
    return np.repeat(np.stack([factor_S, np.ones_like(factor_S)], axis=-1), 3, axis=-1)


def _variances(fit: EpipolarFit, reach_S: np.ndarray, log_deviation_S: np.ndarray) -> np.ndarray:
    """Variances (S, 6) of translation (m^2) and rotation vector (rad^2), in the older camera's axes."""
    turned_S33 = fit.rotation_S33 @ fit.covariance_S55[:, :3, :3] @ fit.rotation_S33.swapaxes(-1, -2)
    sideways_S33 = fit.across_S23.swapaxes(-1, -2) @ fit.covariance_S55[:, 3:, 3:] @ fit.across_S23
    along_S33 = (log_deviation_S**2)[:, None, None] * fit.direction_S3[:, :, None] * fit.direction_S3[:, None, :]
    translation_S33 = (reach_S**2)[:, None, None] * (sideways_S33 + along_S33)
    return np.concatenate([np.diagonal(part, axis1=1, axis2=2) for part in (translation_S33, turned_S33)], axis=-1)
