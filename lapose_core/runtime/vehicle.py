"""The odometer on a vehicle: where its body is, from an origin that can be set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.geometry import adjoint, make_pose
from lapose_core.motion import Odometry
from lapose_core.runtime.body import BodyOdometry, body_odometry
from lapose_core.runtime.calibration import SMALLEST_VARIANCE
from lapose_core.runtime.odometer import Odometer


@dataclass(frozen=True)
class VehicleStep:
    """What one frame gave: the camera's odometry as the model sees it, and the body's in the odom frame."""

    camera: Odometry
    body: BodyOdometry


class VehicleOdometer:
    """Runs an `Odometer` and says where the body is in the odom frame.

    The odometer counts from its first frame; this keeps where that was (`pose_odom_start`, and how well it is known).

    Attributes:
        pose_body_camera: (4, 4), optical axes; fixed. None until it is known, which the first frame needs.
    """

    def __init__(self, odometer: Odometer, pose_odom_start: np.ndarray | None = None) -> None:
        """With the pose (4, 4) of the body at the first frame, and after each `reset`; the origin by default."""
        self.odometer = odometer
        self.pose_body_camera: np.ndarray | None = None
        self._newest: BodyOdometry | None = None
        self._pose_after_reset = np.eye(4) if pose_odom_start is None else pose_odom_start
        self.reset()

    def register_frame(self, frame: Frame) -> VehicleStep:
        """See `Odometer.register_frame`, whose errors this raises."""
        return self.take_frame(frame, FrameSampler())

    def take_frame(self, frame: Frame, steps: FrameSampler) -> VehicleStep:
        """See `Odometer.take_frame`, whose errors this raises."""
        assert self.pose_body_camera is not None, "say where the camera is first"
        camera = self.odometer.take_frame(frame, steps)
        relative = body_odometry(camera, self.pose_body_camera)
        self._newest = replace(
            relative,
            pose_odom_body=self._pose_odom_start @ relative.pose_odom_body,
            covariance=_chained(self._start_covariance, self._pose_odom_start, relative),
        )
        return VehicleStep(camera, self._newest)

    def reset(self) -> None:
        """Forget the way so far: the next frame is where the first one was said to be."""
        self.set_pose(self._pose_after_reset)
        self.odometer.reset()

    def set_pose(self, pose_odom_body: np.ndarray, covariance: np.ndarray | None = None) -> None:
        """Say where the body is at the next frame, (4, 4), and how well that is known, (6, 6) as in `BodyOdometry`."""
        covariance = np.zeros((6, 6)) if covariance is None else covariance
        self.odometer.restart()
        self._pose_odom_start = pose_odom_body
        self._start_covariance = covariance + SMALLEST_VARIANCE * np.eye(6)
        self._newest = None

    def restart_window(self) -> None:
        """Begin a new window where the body was last seen, as unsure of that as after the longest gap that is none."""
        if self._newest is None:
            self.odometer.restart()
            return
        unknown = np.diag(self.odometer.config.unseen_variance(self.odometer.config.max_gap_s))
        self.set_pose(self._newest.pose_odom_body, self._newest.covariance + unknown)


def pose_from_numbers(position: np.ndarray, quaternion_xyzw: np.ndarray) -> np.ndarray:
    """Pose (4, 4) from numbers that someone typed; raises LaposeError where they make none."""
    length = float(np.linalg.norm(quaternion_xyzw))
    if not np.all(np.isfinite([*position, *quaternion_xyzw])) or abs(length - 1) > 0.01:
        raise LaposeError(
            f"a quaternion of length {length:g} is no rotation, or the position is not finite: 0 0 0 1 turns nothing"
        )
    return make_pose(position, quaternion_xyzw)


def covariance_from_numbers(numbers: np.ndarray) -> np.ndarray:
    """Covariance (6, 6) of a pose from 36 numbers that someone typed; raises LaposeError where they make none."""
    covariance = np.reshape(numbers, (6, 6))
    if not np.all(np.isfinite(covariance)) or not np.allclose(covariance, covariance.T):
        raise LaposeError("the pose's covariance is not symmetric and finite: give 36 numbers, or zeros")
    if np.linalg.eigvalsh(covariance)[0] < -1e-6 * np.abs(covariance).max():
        raise LaposeError("the pose's covariance has a negative eigenvalue: give one that can be, or zeros")
    return covariance


def _chained(start_covariance: np.ndarray, pose_odom_start: np.ndarray, relative: BodyOdometry) -> np.ndarray:
    """Covariance (6, 6) in the odom frame of a pose that is relative to an uncertain start, to first order.

    A rotation error of the start moves the body by error x lever, as in `PoseDoubt.after`.
    """
    rotation = pose_odom_start[:3, :3]
    lever = np.eye(4)
    lever[:3, 3] = -rotation @ relative.pose_odom_body[:3, 3]
    carry, turn = adjoint(lever), np.kron(np.eye(2), rotation)
    covariance = carry @ start_covariance @ carry.T + turn @ relative.covariance @ turn.T
    return 0.5 * (covariance + covariance.T)
