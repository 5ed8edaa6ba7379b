"""The body's odometry from an origin that can be set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.geometry import make_pose
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.body import BodyOdometry, body_odometry, camera_in_body
from lapose_core.runtime.odometer import Odometer
from lapose_core.runtime.vehicle import (
    SMALLEST_VARIANCE,
    VehicleOdometer,
    _chained,
    covariance_from_numbers,
    pose_from_numbers,
)

ELSEWHERE = make_pose([10.0, -5.0, 1.0], [0.0, 0.0, 0.6, 0.8])


@pytest.fixture
def vehicle(backend: OnnxRuntimeBackend) -> VehicleOdometer:
    vehicle = VehicleOdometer(Odometer(backend))
    vehicle.pose_body_camera = camera_in_body(np.array([1.5, 0.1, 1.4]), np.eye(3))
    return vehicle


def drive(vehicle: VehicleOdometer, frames: list[Frame]) -> list[BodyOdometry]:
    return [vehicle.register_frame(frame).body for frame in frames]


def test_from_the_origin_it_is_the_odometers_own(vehicle, backend, frames) -> None:
    odometer = Odometer(backend)
    for frame, body in zip(frames[:8], drive(vehicle, frames[:8]), strict=True):
        expected = body_odometry(odometer.register_frame(frame), vehicle.pose_body_camera)
        np.testing.assert_allclose(body.pose_odom_body, expected.pose_odom_body, atol=1e-12)
        np.testing.assert_allclose(body.twist_covariance, expected.twist_covariance)
        np.testing.assert_allclose(body.covariance, expected.covariance, rtol=1e-3, atol=1e-6)


def test_reset_starts_at_the_initial_pose_again(backend, frames) -> None:
    vehicle = VehicleOdometer(Odometer(backend), ELSEWHERE)
    vehicle.pose_body_camera = camera_in_body(np.zeros(3), np.eye(3))
    first = drive(vehicle, frames[:5])
    np.testing.assert_allclose(first[0].pose_odom_body, ELSEWHERE)
    vehicle.reset()
    for one, other in zip(first, drive(vehicle, frames[:5]), strict=True):
        np.testing.assert_array_equal(one.pose_odom_body, other.pose_odom_body)


def test_set_pose_moves_the_next_frame_there_and_the_motions_follow(vehicle, frames) -> None:
    plain = drive(vehicle, frames[:5])
    vehicle.set_pose(ELSEWHERE, np.diag([4.0, 4.0, 4.0, 0.01, 0.01, 0.01]))
    moved = drive(vehicle, frames[:5])
    for one, other in zip(plain, moved, strict=True):
        np.testing.assert_allclose(ELSEWHERE @ one.pose_odom_body, other.pose_odom_body, atol=1e-12)
        np.testing.assert_allclose(one.twist, other.twist)
        assert other.covariance[0, 0] > 4.0
        assert np.linalg.eigvalsh(other.covariance).min() > 0


def test_a_new_window_goes_on_where_the_body_was_and_doubts_it(vehicle, frames) -> None:
    before = drive(vehicle, frames[:5])[-1]
    vehicle.restart_window()
    after = vehicle.register_frame(Frame(frames[0].image_HWC, 0))
    np.testing.assert_allclose(after.body.pose_odom_body, before.pose_odom_body)
    assert after.camera.window_fill == 1
    assert np.all(np.diag(after.body.covariance) > np.diag(before.covariance) + 0.1)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_covered_or_blinded_camera_is_not_believed(vehicle, frames, grey: int) -> None:
    seen = drive(vehicle, frames[:8])
    blank = np.full_like(frames[0].image_HWC, grey)
    blind = [vehicle.register_frame(Frame(blank, frame.stamp_ns)) for frame in frames[8:14]]

    for step in blind[1:]:
        speed = np.sqrt(np.diag(step.body.twist_covariance))
        assert np.all(speed[:3] >= 15.0)
        assert np.all(speed[3:] >= 0.2)
    growth = np.diff([body.covariance[0, 0] for body in seen])
    blind_growth = np.diff([step.body.covariance[0, 0] for step in blind])
    assert blind_growth.min() > growth.max()


def test_a_blind_frame_between_steps_is_doubted_and_what_comes_after_it_is_not(vehicle, frames) -> None:
    steps = FrameSampler(1.0)
    seen = [vehicle.take_frame(frame, steps).body for frame in frames[:6]]
    blind = vehicle.take_frame(Frame(np.zeros_like(frames[0].image_HWC), frames[6].stamp_ns), steps)
    after = vehicle.take_frame(frames[7], steps)

    assert not blind.camera.is_step
    assert blind.body.covariance[0, 0] > seen[-1].covariance[0, 0] + 7.0**2  # 15 m/s for 0.5 s
    assert after.body.covariance[0, 0] < blind.body.covariance[0, 0] - 7.0**2


vectors = st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3).map(np.array)


@settings(max_examples=50)
@given(vectors, vectors, vectors, vectors)
def test_covariance_is_that_of_many_disturbed_starts(position, turn, way, way_turn) -> None:
    start = make_pose(position, Rotation.from_rotvec(turn).as_quat())
    relative = make_pose(way, Rotation.from_rotvec(way_turn).as_quat())
    factors = np.random.default_rng(0).normal(0, 1e-4, (2, 6, 6))
    start_covariance, own_covariance = (factor @ factor.T for factor in factors)
    body = BodyOdometry(0, relative, own_covariance, np.zeros(6), np.eye(6))

    def disturbed(pose: np.ndarray, error: np.ndarray) -> np.ndarray:
        moved = pose.copy()
        moved[:3, :3] = Rotation.from_rotvec(error[3:]).as_matrix() @ pose[:3, :3]
        moved[:3, 3] += error[:3]
        return moved

    def end(start_error: np.ndarray, own_error: np.ndarray) -> np.ndarray:
        ended, expected = disturbed(start, start_error) @ disturbed(relative, own_error), start @ relative
        turned = Rotation.from_matrix(ended[:3, :3] @ expected[:3, :3].T).as_rotvec()
        return np.concatenate([ended[:3, 3] - expected[:3, 3], turned])

    zero = np.zeros(6)
    columns = [(end(column, zero) - end(-column, zero)) / 2 for column in factors[0].T]
    columns += [(end(zero, column) - end(zero, -column)) / 2 for column in factors[1].T]
    numerical = np.stack(columns, axis=-1)
    chained = _chained(start_covariance, start, body)
    np.testing.assert_allclose(chained, numerical @ numerical.T, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("quaternion", [[0, 0, 0, 0], [0, 0, 0, 2], [0, 0, np.nan, 1]])
def test_a_pose_that_is_none_is_refused(quaternion) -> None:
    with pytest.raises(LaposeError, match="0 0 0 1 turns nothing"):
        pose_from_numbers(np.zeros(3), np.array(quaternion, float))


def test_a_covariance_that_is_none_is_refused() -> None:
    with pytest.raises(LaposeError, match="negative eigenvalue"):
        covariance_from_numbers(-np.eye(6).ravel())
    with pytest.raises(LaposeError, match="symmetric"):
        covariance_from_numbers(np.arange(36.0))
    np.testing.assert_array_equal(covariance_from_numbers(np.zeros(36)), np.zeros((6, 6)))
    assert SMALLEST_VARIANCE > 0
