"""The odometry as robot_localization takes it: by the rules of its `ros_filter.cpp`, and through a filter like its own.

The package itself is C++ and in no registry that the tests can use. Its rules: a pose is fused in `world_frame` (the
message's frame_id), a twist in `base_link_frame` (its child_frame_id); quaternions are unit; covariances are used as
they are, with what is below 1e-9 on their diagonals raised to that; stamps must go forward.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from scipy.spatial.transform import Rotation

from lapose_core.data.open import open_source
from lapose_core.models import find_model
from lapose_ros.messages import pose_of, stamp_ns

from .drive import raw_message

DRIVE = Path(__file__).parents[2] / "demo" / "drive"
WORLD_FRAME, BASE_LINK_FRAME = "odom", "base_link"
FRAMES = 30


@pytest.fixture
def odometry(start_drive) -> list[Odometry]:
    """Six seconds of the demo's drive through the shipped model."""
    drive = start_drive(model=str(find_model("compact")), rate_hz=5.0)
    for _, frame in zip(range(FRAMES), open_source(DRIVE, rate_hz=5.0), strict=False):
        drive.show_and_wait(raw_message(frame.image_HWC, frame.stamp_ns))
    return drive.odometry


class Filter:
    """The prediction and correction of robot_localization's `ekf.cpp`, less its accelerations.

    The state is position and roll, pitch, yaw in the world frame, then linear and angular velocity in the base's.
    """

    def __init__(self) -> None:
        # Its initial_estimate_covariance: nothing is known of the speed, as the drive may begin on the way.
        self.state, self.covariance = np.zeros(12), np.diag([1e-9] * 6 + [100.0] * 3 + [1.0] * 3)
        self.stamp_ns: int | None = None
        self.rejected = 0
        # The process noise of its ekf.yaml, a second, but for vx: a car gains 3 m/s in one (docs/ros.md says so too).
        self._noise = np.diag([0.05, 0.05, 0.06, 0.03, 0.03, 0.06, 9.0, 0.25, 0.4, 0.1, 0.1, 0.2])

    def take(self, message: Odometry, *, pose: bool) -> None:
        assert message.header.frame_id == WORLD_FRAME
        assert message.child_frame_id == BASE_LINK_FRAME
        now_ns = stamp_ns(message.header.stamp)
        if self.stamp_ns is not None:
            assert now_ns > self.stamp_ns
            self._predict((now_ns - self.stamp_ns) * 1e-9)
        self.stamp_ns = now_ns
        if pose:
            measured = pose_of(message.pose.pose)
            angles = Rotation.from_matrix(measured[:3, :3]).as_euler("xyz")
            self._correct(np.r_[measured[:3, 3], angles], slice(0, 6), usable(message.pose.covariance))
        linear, angular = message.twist.twist.linear, message.twist.twist.angular
        measured = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
        self._correct(measured, slice(6, 12), usable(message.twist.covariance))

    def _predict(self, seconds: float) -> None:
        step = 1e-6
        columns = [
            (self._moved(self.state + step * axis, seconds) - self._moved(self.state, seconds)) / step
            for axis in np.eye(12)
        ]
        jacobian = np.stack(columns, axis=-1)
        self.state = self._moved(self.state, seconds)
        self.covariance = jacobian @ self.covariance @ jacobian.T + seconds * self._noise

    @staticmethod
    def _moved(state: np.ndarray, seconds: float) -> np.ndarray:
        rotation = Rotation.from_euler("xyz", state[3:6])
        roll, pitch, _ = state[3:6]
        rates = np.array(
            [
                [1, np.sin(roll) * np.tan(pitch), np.cos(roll) * np.tan(pitch)],
                [0, np.cos(roll), -np.sin(roll)],
                [0, np.sin(roll) / np.cos(pitch), np.cos(roll) / np.cos(pitch)],
            ]
        )
        moved = state.copy()
        moved[:3] += seconds * rotation.apply(state[6:9])
        moved[3:6] += seconds * rates @ state[9:12]
        return moved

    def _correct(self, measured: np.ndarray, part: slice, covariance: np.ndarray, threshold: float = 5.0) -> None:
        innovation = measured - self.state[part]
        if part.start == 0:
            innovation[3:] = (innovation[3:] + np.pi) % (2 * np.pi) - np.pi
        spread = self.covariance[part, part] + covariance
        if innovation @ np.linalg.solve(spread, innovation) > threshold**2:  # its Mahalanobis threshold
            self.rejected += 1
            return
        gain = self.covariance[:, part] @ np.linalg.inv(spread)
        self.state = self.state + gain @ innovation
        keep = np.eye(12)
        keep[:, part] -= gain
        self.covariance = keep @ self.covariance @ keep.T + gain @ covariance @ gain.T


def usable(covariance: np.ndarray) -> np.ndarray:
    """A message's covariance, which must need none of robot_localization's repairs."""
    matrix = np.reshape(covariance, (6, 6))
    assert np.all(np.isfinite(matrix))
    assert np.all(np.diag(matrix) >= 1e-9)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix)[0] > 0
    return matrix


def test_twist_alone_leads_the_filter_along_the_odometry(odometry: list[Odometry]):
    ekf = Filter()
    for message in odometry:
        ekf.take(message, pose=False)
    end = pose_of(odometry[-1].pose.pose)[:3, 3]
    way = np.sum(np.linalg.norm(np.diff([pose_of(o.pose.pose)[:3, 3] for o in odometry], axis=0), axis=1))
    assert way > 10.0
    assert np.linalg.norm(ekf.state[:3] - end) < 0.15 * way  # the filter takes a velocity for that of the next step
    assert ekf.rejected == 0


def test_pose_and_twist_together_stay_consistent(odometry: list[Odometry]):
    ekf = Filter()
    for message in odometry:
        ekf.take(message, pose=True)
        assert np.linalg.eigvalsh(ekf.covariance)[0] > 0
    end = pose_of(odometry[-1].pose.pose)[:3, 3]
    assert ekf.rejected <= FRAMES // 10
    assert np.linalg.norm(ekf.state[:3] - end) < 3 * np.sqrt(np.trace(ekf.covariance[:3, :3]))
