"""From a window's latent actions to motions that may be published: the model's, unless the pictures know better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lapose_core.adjustment.camera import KnownCamera, seen_through
from lapose_core.adjustment.learned import LearnedCamera
from lapose_core.adjustment.refinement import refine_matches
from lapose_core.adjustment.window import adjust_window
from lapose_core.geometry import make_pose
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import Backend, DecodedMotions, InferredSteps
from lapose_core.runtime.calibration import turn_of
from lapose_core.runtime.stillness import Stillness, judge_stillness
from lapose_core.runtime.view import View

#: Standard deviations of a motion that nobody has seen, m/s and rad/s.
UNSEEN_SPEED_MPS, UNSEEN_TURN_RADPS = 15.0, 0.2
#: Of a step at rest, metres and radians: what creeping that goes unseen, and trembling, leave. Never zero.
_AT_REST_M, _AT_REST_RAD = 2e-3, 1e-4

_UNKNOWN = KnownCamera()

#: A model that sees the vehicle move faster is not overruled: a bonnet or a dirty lens stands still as well.
_SLOW_MPS = 0.5
#: The same where the pictures do not tell: after a step at rest, from which no vehicle leaps like that while what has
#: changed on the windscreen may look so; and after another.
_LEAPS_MPS, _HALTS_MPS = 1.0, 0.02


@dataclass(frozen=True)
class StepView:
    """What the two pictures of a step say by themselves.

    Attributes:
        sight: of the poorer one, see `View`.
        is_blind: one of them is too plain to tell a motion.
        stillness: whether the camera stood still.
    """

    sight: float
    is_blind: bool
    stillness: Stillness


@dataclass(frozen=True)
class Motions:
    """The motions of a window's S steps; motion i is frame i+1's camera in frame i's, optical axes.

    Attributes:
        poses_S44: metres.
        covariance_S66, scale_deviation_S: see `Motion`.
        fov_x_S: horizontal field of view of the model's input that the motions are seen through, radians.
        seen_fov_x_S: the same as the pictures tell it: another where the camera is known, else that.
        scale_m: mean step length of the window, as the model has it.
        learned: what the drive has told of the camera by now.
    """

    poses_S44: np.ndarray
    covariance_S66: np.ndarray
    scale_deviation_S: np.ndarray
    fov_x_S: np.ndarray
    seen_fov_x_S: np.ndarray
    scale_m: float
    learned: LearnedCamera


def refine_steps(inferred: InferredSteps, views: Sequence[View]) -> InferredSteps:
    """The steps between frames of these views, with their matches moved to where the pictures fit best."""
    if inferred.matches_S2NC is None:
        return inferred
    refined = [
        refine_matches(matches_2NC, older.picture_HW, newer.picture_HW)
        for matches_2NC, (older, newer) in zip(inferred.matches_S2NC, pairwise(views), strict=True)
    ]
    return inferred._replace(matches_S2NC=np.stack(refined))


def view_step(previous: View, current: View, interval_s: float) -> StepView:
    """Compare the views of two frames."""
    return StepView(
        min(previous.sight, current.sight),
        previous.is_blind or current.is_blind,
        judge_stillness(previous, current, interval_s),
    )


def decode_window(
    backend: Backend, inferred: InferredSteps, intervals_S: np.ndarray, camera: KnownCamera = _UNKNOWN
) -> DecodedMotions:
    """The pose head's motions of a window's S steps, adjusted to what was matched where the model matches."""
    return _adjusted(backend.decode_motions(inferred.actions_SK, intervals_S), inferred, backend.config, camera)


def estimate_motions(
    backend: Backend,
    inferred: InferredSteps,
    intervals_S: np.ndarray,
    views_S: Sequence[StepView],
    unseen_variance_6: np.ndarray,
    camera: KnownCamera = _UNKNOWN,
) -> Motions:
    """Decode and adjust a window, calibrate its variances, and let the pictures overrule the model.

    Odometer and evaluation both come here, so that what is measured is what is published. A camera that stands still
    has not moved, whatever the model says; where nothing can be seen, as much is unknown as if there were no frame.

    Args:
        unseen_variance_6: of the motion in a second without sight, see `unseen_variance`.
        camera: what is known of the camera.
    """
    head = backend.decode_motions(inferred.actions_SK, intervals_S)
    decoded = _adjusted(head, inferred, backend.config, camera)
    poses_S44 = make_pose(decoded.translation_S3, decoded.quaternion_S4)
    speed_S = np.linalg.norm(poses_S44[:, :3, 3], axis=-1) / np.maximum(intervals_S, 1e-3)
    sight_S = np.array([view.sight for view in views_S])
    calibration = backend.calibration.of_camera(known=camera.focal is not None)
    turn, told = turn_of(poses_S44), decoded.scale_deviation
    covariance_S66 = calibration.covariance(poses_S44, decoded.variance_S6, intervals_S, sight_S, turn, told)
    scale_deviation_S = calibration.scale_deviation(poses_S44, intervals_S, sight_S, turn, told)
    at_rest = False
    for step, view in enumerate(views_S):
        at_rest = _is_at_rest(view.stillness, float(speed_S[step]), at_rest)
        if at_rest:
            poses_S44[step], scale_deviation_S[step] = np.eye(4), 0.0
            covariance_S66[step] = np.diag(np.repeat([_AT_REST_M**2, _AT_REST_RAD**2], 3))
        if view.is_blind:
            covariance_S66[step] += np.diag(unseen_variance_6 * float(intervals_S[step]) ** 2)
    seen_fov_x_S = decoded.fov_x_S if camera.focal is None else head.fov_x_S
    return Motions(
        poses_S44,
        covariance_S66,
        scale_deviation_S,
        decoded.fov_x_S,
        seen_fov_x_S,
        decoded.scale_m,
        decoded.learned,
    )


def _is_at_rest(stillness: Stillness, speed_mps: float, was_at_rest: bool) -> bool:
    if stillness is Stillness.STILL:
        return speed_mps < _SLOW_MPS
    return stillness is Stillness.UNTOLD and speed_mps < (_LEAPS_MPS if was_at_rest else _HALTS_MPS)


def _adjusted(
    head: DecodedMotions, inferred: InferredSteps, config: ModelConfig, camera: KnownCamera
) -> DecodedMotions:
    if inferred.matches_S2NC is not None:
        return adjust_window(head, inferred.matches_S2NC, config, camera)
    return head if camera.focal is None else seen_through(head, camera.focal, config)


def unseen_variance(speed_mps: float = UNSEEN_SPEED_MPS, turn_radps: float = UNSEEN_TURN_RADPS) -> np.ndarray:
    """Variances (6,) of the motion in one second that nobody has seen; the same in all axes, (m/s)^2 and (rad/s)^2."""
    return np.repeat([speed_mps**2, turn_radps**2], 3)
