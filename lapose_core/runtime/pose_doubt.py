"""How a pose grows uncertain along a chain of motions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lapose_core.geometry import adjoint
from lapose_core.motion import Motion
from lapose_core.runtime.calibration import SMALLEST_VARIANCE

#: Metres after which errors that steps have in common are forgotten but for 37 %. The scale's falls to a third in 10
#: metres (the demo, KITTI 00 and 06), and what is left lasts for the whole drive.
MEMORY_M = 50.0

#: Shares of the variances that the steps of a window have in common (127 rendered and 82 real windows): of moving to
#: the side, up or down, and ahead beyond the scale; of pitch, yaw and roll.
SHARED = np.array([0.65, 0.75, 0.0, 0.15, 0.4, 0.2])


@dataclass(frozen=True)
class PoseDoubt:
    """What is not known of a pose.

    Attributes:
        covariance: (6, 6), see `Odometry`.
        link: (6, 6) covariance of the pose's error with those that steps have in common, each of the latter in its own
            standard deviations: to the side, up or down, of the scale, pitch, yaw, roll.
    """

    covariance: np.ndarray = field(default_factory=lambda: SMALLEST_VARIANCE * np.eye(6))
    link: np.ndarray = field(default_factory=lambda: np.zeros((6, 6)))

    def after(self, motion: Motion, pose_odom_camera: np.ndarray) -> PoseDoubt:
        """Of the pose after a motion, to first order.

        Errors are (translation, rotation vector) in the axes of the odom frame. A rotation error of the pose moves the
        end of the step by error x step, which is the adjoint of a pose at minus the step; the motion's own error is
        turned from the camera's axes into those of the odom frame. Part of it neighbouring steps have in common: a
        drive that is 5 % too long, or drifts to the left, does so for a while.

        Args:
            pose_odom_camera: before the motion.
        """
        rotation, translation = pose_odom_camera[:3, :3], motion.pose_from_to[:3, 3]
        lever = np.eye(4)
        lever[:3, 3] = -rotation @ translation
        carry, turn = adjoint(lever), np.kron(np.eye(2), rotation)
        stretch = np.concatenate([motion.scale_deviation * translation, np.zeros(3)])
        beside_scale = motion.covariance - np.outer(stretch, stretch)
        shared = np.diag(np.sqrt(SHARED * np.diagonal(beside_scale)))
        shared[:, 2] = stretch
        alone = np.sqrt(1 - SHARED)
        own = turn @ (beside_scale * np.outer(alone, alone)) @ turn.T
        shared = turn @ shared
        kept = carry @ self.link * np.exp(-np.linalg.norm(translation) / MEMORY_M)
        crossed = kept @ shared.T
        covariance = carry @ self.covariance @ carry.T + own + crossed + crossed.T + shared @ shared.T
        return PoseDoubt(0.5 * (covariance + covariance.T), kept + shared)

    def unseen(self, variance_6: np.ndarray) -> PoseDoubt:
        """After a gap: wider by these variances, and nothing in common with what comes."""
        return PoseDoubt(self.covariance + np.diag(variance_6))
