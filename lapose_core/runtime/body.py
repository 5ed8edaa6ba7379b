"""From the camera's odometry to that of the vehicle's body, which carries the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.geometry import ROTATION_BODY_OPTICAL, adjoint, invert_pose, rotation_vector_of
from lapose_core.motion import Odometry

#: Variance of a velocity that is not known: (100 m/s)^2 and (10 rad/s)^2.
_UNKNOWN_TWIST = np.diag([1e4] * 3 + [1e2] * 3)


@dataclass(frozen=True)
class BodyOdometry:
    """Where the body is and how it moves; body axes (REP-103: x forward, y left, z up) where the camera looks ahead.

    Attributes:
        stamp_ns: stamp of the newest frame.
        pose_odom_body: (4, 4) metres, in the frame of the first body.
        covariance: (6, 6) of the pose, translation then rotation vector (m^2, rad^2), in the axes of the odom frame.
        twist: (6,) linear and angular velocity in the body's own axes, m/s and rad/s, constant over the step.
        twist_covariance: (6, 6) of the twist, to first order in the step's rotation.
    """

    stamp_ns: int
    pose_odom_body: np.ndarray
    covariance: np.ndarray
    twist: np.ndarray
    twist_covariance: np.ndarray


def camera_in_body(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """pose_body_camera (4, 4), optical axes: the camera is at a position (3,), turned by (3, 3) from straight ahead."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation @ ROTATION_BODY_OPTICAL, position
    return pose


def body_odometry(odometry: Odometry, pose_body_camera: np.ndarray) -> BodyOdometry:
    """The body's odometry from the camera's; `pose_body_camera` (4, 4) is fixed, optical axes.

    Without a motion (the first frame, the first after a gap) the twist is zero and its variance large.
    """
    pose = _carried(odometry.pose_odom_camera, pose_body_camera)
    covariance = _carried_covariance(odometry.covariance, pose, pose_body_camera)
    twist, twist_covariance = np.zeros(6), _UNKNOWN_TWIST
    if odometry.motion is not None:
        interval_s = odometry.motion.interval_s
        step = _carried(odometry.motion.pose_from_to, pose_body_camera)
        twist = se3_logarithm(step) / interval_s
        step_covariance = _carried_covariance(odometry.motion.covariance, step, pose_body_camera)
        twist_covariance = step_covariance / interval_s**2
    return BodyOdometry(odometry.stamp_ns, pose, covariance, twist, twist_covariance)


def se3_logarithm(pose: np.ndarray) -> np.ndarray:
    """The constant twist (6,), linear then angular, that leads from identity to the pose (4, 4) in unit time."""
    turn = rotation_vector_of(pose)
    x, y, z = turn
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.linalg.norm(turn)
    # (1 - (a / 2) / tan(a / 2)) / a^2, by its series where that is 0 / 0.
    factor = 1.0 / 12.0 if angle < 1e-4 else (1.0 - 0.5 * angle / np.tan(0.5 * angle)) / angle**2
    linear = (np.eye(3) - 0.5 * cross + factor * cross @ cross) @ pose[:3, 3]
    return np.concatenate([linear, turn])


def _carried(pose_camera: np.ndarray, pose_body_camera: np.ndarray) -> np.ndarray:
    """The body's pose in the first body from the camera's in the first camera."""
    return pose_body_camera @ pose_camera @ invert_pose(pose_body_camera)


def _carried_covariance(covariance: np.ndarray, pose_body: np.ndarray, pose_body_camera: np.ndarray) -> np.ndarray:
    """Covariance (6, 6) of a carried pose: a rotation error also moves the body round the camera."""
    lever = np.eye(4)
    lever[:3, 3] = pose_body[:3, :3] @ pose_body_camera[:3, 3]
    carry = adjoint(lever) @ np.kron(np.eye(2), pose_body_camera[:3, :3])
    return carry @ covariance @ carry.T
