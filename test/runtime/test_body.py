"""The vehicle's odometry from the camera's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from lapose_core.geometry import invert_pose, make_pose
from lapose_core.motion import Motion, Odometry
from lapose_core.runtime.body import body_odometry, camera_in_body, se3_logarithm

STEP_NS = 500_000_000
NUMBER = st.floats(-2, 2)
VECTOR = st.tuples(NUMBER, NUMBER, NUMBER).map(np.array)


def pose(position: np.ndarray, turn: np.ndarray) -> np.ndarray:
    return make_pose(position, Rotation.from_rotvec(turn).as_quat())


def odometry(pose_odom_camera: np.ndarray, step: np.ndarray | None, covariance: np.ndarray | None = None) -> Odometry:
    motion = None
    if step is not None:
        motion = Motion(0, STEP_NS, step, np.diag([1, 2, 3, 4, 5, 6]) * 1e-4, 0.0, 1.0, 1.0, np.zeros(50, np.float32))
    return Odometry(STEP_NS, pose_odom_camera, np.eye(6) * 1e-3 if covariance is None else covariance, motion, 2)


def test_forward_for_the_camera_is_forward_for_the_body():
    ahead = pose(np.array([0, 0, 3.0]), np.zeros(3))  # optical: z is forward
    body = body_odometry(odometry(ahead, ahead), camera_in_body(np.array([1.0, 0, 1.5]), np.eye(3)))
    assert np.allclose(body.pose_odom_body, pose(np.array([3.0, 0, 0]), np.zeros(3)))
    assert np.allclose(body.twist, [6.0, 0, 0, 0, 0, 0])


def test_body_turns_on_the_spot_though_its_camera_moves():
    """A quarter turn to the left about a body 2 m behind the camera."""
    base_camera = camera_in_body(np.array([2.0, 0, 0]), np.eye(3))
    turn = pose(np.zeros(3), np.array([0, 0, np.pi / 2]))
    seen = invert_pose(base_camera) @ turn @ base_camera
    body = body_odometry(odometry(seen, seen), base_camera)
    assert np.allclose(body.pose_odom_body, turn)
    assert np.allclose(body.twist, [0, 0, 0, 0, 0, np.pi])


def test_without_a_motion_the_twist_is_as_good_as_unknown():
    body = body_odometry(odometry(np.eye(4), None), camera_in_body(np.zeros(3), np.eye(3)))
    assert np.allclose(body.twist, 0)
    assert np.linalg.eigvalsh(body.twist_covariance).min() > 10


def test_error_in_rotation_makes_the_position_of_a_body_far_from_the_camera_uncertain():
    covariance = np.diag([1e-9] * 3 + [0.0, 0.01, 0.0])  # optical y: yaw
    body = body_odometry(odometry(np.eye(4), None, covariance), camera_in_body(np.array([2.0, 0, 0]), np.eye(3)))
    # The body is 2 m behind the camera, so yaw of 0.1 rad moves it sideways by 0.2 m.
    assert body.covariance[1, 1] == pytest.approx(0.2**2, rel=1e-6)
    assert body.covariance[5, 5] == pytest.approx(0.01)
    assert body.covariance[0, 0] == pytest.approx(1e-9)


@settings(max_examples=50, deadline=None)
@given(VECTOR, VECTOR, VECTOR, VECTOR)
def test_covariance_is_that_of_many_disturbed_cameras(position, turn, lever, mount):
    camera = camera_in_body(lever, Rotation.from_rotvec(mount).as_matrix())
    at = pose(position, turn)
    factor = np.random.default_rng(0).normal(0, 1e-4, (6, 6))
    carried = body_odometry(odometry(at, None, factor @ factor.T), camera)

    def disturbed(error: np.ndarray) -> np.ndarray:
        moved = at.copy()
        moved[:3, :3] = Rotation.from_rotvec(error[3:]).as_matrix() @ at[:3, :3]
        moved[:3, 3] += error[:3]
        body = body_odometry(odometry(moved, None), camera).pose_odom_body
        turned = Rotation.from_matrix(body[:3, :3] @ carried.pose_odom_body[:3, :3].T).as_rotvec()
        return np.concatenate([body[:3, 3] - carried.pose_odom_body[:3, 3], turned])

    numerical = np.stack([(disturbed(column) - disturbed(-column)) / 2 for column in factor.T], axis=-1)
    assert np.allclose(carried.covariance, numerical @ numerical.T, rtol=1e-4, atol=1e-13)


@settings(max_examples=100, deadline=None)
@given(VECTOR, VECTOR, st.sampled_from([1.0, 1e-3, 1e-5, 1e-9]))
def test_logarithm_undoes_the_exponential(linear, angular, size):
    angular = size * angular / 1.2  # below a turn of pi
    x, y, z = angular
    generator = np.zeros((4, 4))
    generator[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
    generator[:3, 3] = linear
    assert np.allclose(se3_logarithm(expm(generator)), [*linear, *angular], atol=1e-8)
