"""The online system: an image goes in, the camera's motion and odometry come out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.geometry import adjoint, make_pose
from lapose_core.motion import Motion, Odometry
from lapose_core.runtime.backends.backend import Backend, Features
from lapose_core.runtime.preprocess import prepare_frame, source_fov_x

#: Nothing is known better than this (m^2 and rad^2; 0.1 mm, 0.006 degrees): a covariance of zero breaks filters.
_SMALLEST_VARIANCE = 1e-8


class StaleFrameError(LaposeError):
    """A frame that is not newer than the one before; the odometer has left it out."""


@dataclass(frozen=True)
class OdometerConfig:
    """What the odometer does beyond the model.

    Attributes:
        max_gap_s: a longer time between frames starts a new window; the pose stays.
        gap_speed_mps, gap_turn_radps: standard deviations of the unknown motion in such a gap. The pose's variance
            grows by (speed * gap)^2 in each direction and by (turn * gap)^2 about each axis.
    """

    max_gap_s: float = 2.5
    gap_speed_mps: float = 15.0
    gap_turn_radps: float = 0.2


class Odometer:
    """Estimates a camera's motion frame by frame. It has no threads, no clock and no input or output.

    A latent action depends on two adjacent frames only, so each is inferred once and kept: the window's motions are
    the same numbers as if all of its frames were run again.
    """

    def __init__(self, backend: Backend, config: OdometerConfig | None = None) -> None:
        """Raises LaposeError for a model whose latent actions depend on more than two frames."""
        if backend.config.context_frames != 2:
            raise LaposeError(
                f"model {backend.config.preset!r} looks at {backend.config.context_frames} frames for one latent "
                "action and cannot run frame by frame: use one with context_frames = 2, such as compact"
            )
        self.backend = backend
        self.config = config or OdometerConfig()
        self._features: Features | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the origin."""
        self._pose_odom_camera = np.eye(4)
        self._covariance = _SMALLEST_VARIANCE * np.eye(6)
        self._stamp_ns: int | None = None
        self._start_window()

    def register_frame(self, frame: Frame) -> Odometry:
        """Take the next frame and tell where the camera is.

        Args:
            frame: newer than the one before; every image of the same camera.

        Returns:
            The odometry at this frame. Its motion is None for the first frame, and for the first one after a gap.

        Raises:
            StaleFrameError: the stamp is not newer than the last; the odometer is as it was.
            LaposeError: the image is smaller than the model's input; the odometer is as it was.
        """
        interval_s = self._interval_since_last(frame.stamp_ns)
        features = self.backend.tokenize(prepare_frame(frame.image_HWC, self.backend.config))
        if interval_s > self.config.max_gap_s:
            self._bridge_gap(interval_s)
        previous, self._features = self._features, features
        stamp_from_ns, self._stamp_ns = self._stamp_ns, frame.stamp_ns
        if previous is None or stamp_from_ns is None:
            return self._odometry(motion=None)

        self._actions.append(self.backend.infer_action(previous, features, interval_s))
        self._intervals_s.append(interval_s)
        motion = self._newest_motion(frame, stamp_from_ns)

        self._covariance = propagate_covariance(self._covariance, self._pose_odom_camera, motion)
        self._pose_odom_camera = self._pose_odom_camera @ motion.pose_from_to
        return self._odometry(motion)

    def _newest_motion(self, frame: Frame, stamp_from_ns: int) -> Motion:
        """Decode the whole window, because its steps tell the scale together, and take the last step."""
        decoded = self.backend.decode_motions(
            np.stack(self._actions).astype(np.float32), np.array(self._intervals_s, np.float32)
        )
        height, width = frame.image_HWC.shape[:2]
        return Motion(
            stamp_from_ns=stamp_from_ns,
            stamp_to_ns=frame.stamp_ns,
            pose_from_to=make_pose(decoded.translation_S3[-1], decoded.quaternion_S4[-1]),
            variance=np.maximum(decoded.variance_S6[-1].astype(np.float64), _SMALLEST_VARIANCE),
            scale_m=float(decoded.scale_m),
            fov_x_rad=source_fov_x(float(decoded.fov_x_S[-1]), width, height, self.backend.config),
            action=self._actions[-1],
        )

    def _interval_since_last(self, stamp_ns: int) -> float:
        """Seconds since the last frame; 0 for the first."""
        if self._stamp_ns is None:
            return 0.0
        if stamp_ns <= self._stamp_ns:
            raise StaleFrameError(
                f"a frame of {stamp_ns} ns came after one of {self._stamp_ns} ns: give frames in order of time"
            )
        return (stamp_ns - self._stamp_ns) * 1e-9

    def _bridge_gap(self, gap_s: float) -> None:
        """Start a new window where the camera was last seen, and doubt the pose as the config says."""
        self._start_window()
        deviation = np.repeat([self.config.gap_speed_mps * gap_s, self.config.gap_turn_radps * gap_s], 3)
        self._covariance = self._covariance + np.diag(deviation**2)

    def _start_window(self) -> None:
        steps = self.backend.config.clip_length - 1
        self._features = None
        self._actions: deque[np.ndarray] = deque(maxlen=steps)
        self._intervals_s: deque[float] = deque(maxlen=steps)

    def _odometry(self, motion: Motion | None) -> Odometry:
        assert self._stamp_ns is not None
        return Odometry(
            stamp_ns=self._stamp_ns,
            pose_odom_camera=self._pose_odom_camera.copy(),
            covariance=self._covariance.copy(),
            motion=motion,
            window_fill=len(self._actions) + 1,
        )


def propagate_covariance(covariance: np.ndarray, pose_odom_camera: np.ndarray, motion: Motion) -> np.ndarray:
    """Covariance (6, 6) of the pose after a motion, to first order; steps count as independent.

    Errors are (translation, rotation vector) in the axes of the odom frame. A rotation error of the pose moves the end
    of the step by error x step, which is the adjoint of a pose at minus the step; the motion's own error is turned
    from the camera's axes into those of the odom frame.
    """
    rotation = pose_odom_camera[:3, :3]
    lever = np.eye(4)
    lever[:3, 3] = -rotation @ motion.pose_from_to[:3, 3]
    carry = adjoint(lever)
    turn = np.kron(np.eye(2), rotation)
    propagated = carry @ covariance @ carry.T + turn @ np.diag(motion.variance) @ turn.T
    return 0.5 * (propagated + propagated.T)
