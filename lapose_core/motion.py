"""What the odometer says: a motion for each step, and the odometry that their chain gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Motion:
    """The camera's motion over one step, from one frame to the next.

    Attributes:
        stamp_from_ns, stamp_to_ns: stamps of the two frames, integer nanoseconds.
        pose_from_to: (4, 4) pose of the newer camera in the older one; metres, optical axes
            (x right, y down, z forward).
        covariance: (6, 6) of the translation (x y z, m^2) and of the rotation vector (x y z, rad^2), in the
            older camera's axes; never singular. Errors are a Student's t of this covariance, see `docs/model.md`.
        scale_deviation: standard deviation of the scale, as a share of the step; in the covariance already. Steps near
            each other have this error in common, all else counts as independent.
        scale_m: the clip's metric scale, the mean step length of the window, metres (paper, "metric scale token").
        fov_x_rad: horizontal field of view of the whole source image as the pictures tell it, radians; to be compared
            with that of a known camera, which the motion itself is seen through.
        action: (K,) latent action of the step, float32.
    """

    stamp_from_ns: int
    stamp_to_ns: int
    pose_from_to: np.ndarray
    covariance: np.ndarray
    scale_deviation: float
    scale_m: float
    fov_x_rad: float
    action: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """(6,): the covariance's diagonal."""
        return np.diagonal(self.covariance)

    @property
    def interval_s(self) -> float:
        return (self.stamp_to_ns - self.stamp_from_ns) * 1e-9


@dataclass(frozen=True)
class Odometry:
    """Where the camera is, in the frame of the first camera since the last reset.

    Attributes:
        stamp_ns: stamp of the newest frame.
        pose_odom_camera: (4, 4) metres, optical axes.
        covariance: (6, 6) of the pose, translation then rotation vector (m^2, rad^2), as ROS orders them, with
            the rotation as a small perturbation in the axes of the odom frame.
        motion: the step that led here; None for the first frame after a reset.
        window_fill: frames in the window, 1 to its size.
        is_step: the window has stepped to this frame; False for one that was only measured against its last one.
    """

    stamp_ns: int
    pose_odom_camera: np.ndarray
    covariance: np.ndarray
    motion: Motion | None
    window_fill: int
    is_step: bool = True
