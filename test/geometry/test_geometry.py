"""Rigid motions: conventions by hand, and laws that hold for any pose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from lapose_core.geometry import (
    adjoint,
    align_se3,
    body_from_optical,
    chain_motions,
    direction_angle,
    invert_pose,
    make_pose,
    optical_from_body,
    quaternion_of,
    relative_motions,
    rotation_angle,
    rotation_vector_of,
)

COORDINATES = st.lists(st.floats(-100, 100), min_size=3, max_size=3).map(np.array)
ROTATION_VECTORS = st.lists(st.floats(-1.8, 1.8), min_size=3, max_size=3).map(np.array)


def pose_of(translation: np.ndarray, rotation_vector: np.ndarray) -> np.ndarray:
    return make_pose(translation, Rotation.from_rotvec(rotation_vector).as_quat())


POSES = st.builds(pose_of, COORDINATES, ROTATION_VECTORS)
PATHS = st.lists(POSES, min_size=1, max_size=6).map(np.stack)


def test_forward_of_the_camera_is_x_of_the_body_right_is_minus_y_and_down_is_minus_z() -> None:
    motion = make_pose(np.array([2.0, 3.0, 5.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    np.testing.assert_allclose(body_from_optical(motion)[:3, 3], [5.0, -2.0, -3.0])


def test_yaw_to_the_left_is_positive_about_the_bodys_z() -> None:
    # A camera that has turned left looks along what was -x: its forward axis z lies at (-sin, 0, cos).
    yaw = 0.3
    rotation = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    motion = np.eye(4)
    motion[:3, :3] = rotation
    np.testing.assert_allclose(rotation[:, 2], [-np.sin(yaw), 0, np.cos(yaw)])
    np.testing.assert_allclose(rotation_vector_of(body_from_optical(motion)), [0, 0, yaw], atol=1e-12)


@given(PATHS)
def test_change_of_axes_goes_there_and_back_and_keeps_products(poses: np.ndarray) -> None:
    np.testing.assert_allclose(optical_from_body(body_from_optical(poses)), poses, atol=1e-9)
    product = body_from_optical(poses[0]) @ body_from_optical(poses[-1])
    np.testing.assert_allclose(product, body_from_optical(poses[0] @ poses[-1]), atol=1e-9)


@given(PATHS)
def test_a_pose_times_its_inverse_is_the_identity(poses: np.ndarray) -> None:
    np.testing.assert_allclose(poses @ invert_pose(poses), np.broadcast_to(np.eye(4), poses.shape), atol=1e-9)


@given(COORDINATES, ROTATION_VECTORS)
def test_quaternions_have_no_negative_w_and_make_the_same_pose(translation: np.ndarray, vector: np.ndarray) -> None:
    pose = pose_of(translation, vector)
    quaternion = quaternion_of(pose)
    assert quaternion[3] >= 0
    assert np.linalg.norm(quaternion) == pytest.approx(1)
    np.testing.assert_allclose(make_pose(translation, quaternion), pose, atol=1e-9)
    np.testing.assert_allclose(make_pose(translation, -quaternion), pose, atol=1e-9)


@given(st.floats(1e-9, np.pi - 1e-6))
def test_angles_are_exact_even_when_tiny(angle: float) -> None:
    pose = pose_of(np.zeros(3), np.array([0.0, angle, 0.0]))
    assert rotation_angle(pose) == pytest.approx(angle, rel=1e-6)
    assert rotation_angle(pose[:3, :3]) == pytest.approx(angle, rel=1e-6)


def test_direction_angle_by_hand() -> None:
    x, y = np.array([3.0, 0.0, 0.0]), np.array([0.0, 0.1, 0.0])
    assert direction_angle(x, y) == pytest.approx(np.pi / 2)
    assert direction_angle(x, -x) == pytest.approx(np.pi)
    assert direction_angle(x, x) == 0
    assert np.isnan(direction_angle(x, np.zeros(3)))


@given(PATHS)
def test_chaining_the_motions_of_a_path_gives_the_path_from_its_start(motions: np.ndarray) -> None:
    poses = chain_motions(motions)
    np.testing.assert_array_equal(poses[0], np.eye(4))
    np.testing.assert_allclose(relative_motions(poses), motions, atol=1e-8)


@given(POSES, PATHS)
def test_motions_do_not_depend_on_where_the_world_begins(world: np.ndarray, motions: np.ndarray) -> None:
    poses = chain_motions(motions)
    np.testing.assert_allclose(relative_motions(world @ poses), relative_motions(poses), atol=1e-8)


@given(POSES, COORDINATES, ROTATION_VECTORS)
def test_adjoint_carries_small_motions_between_frames(pose: np.ndarray, v: np.ndarray, w: np.ndarray) -> None:
    size = 1e-7
    twist_b = size * np.concatenate([v, w])
    moved = pose @ _exponential(twist_b) @ invert_pose(pose)
    np.testing.assert_allclose(moved, _exponential(adjoint(pose) @ twist_b), atol=1e-8)


def _exponential(twist: np.ndarray) -> np.ndarray:
    (vx, vy, vz), (wx, wy, wz) = twist[:3], twist[3:]
    return expm(np.array([[0, -wz, wy, vx], [wz, 0, -wx, vy], [-wy, wx, 0, vz], [0, 0, 0, 0]]))


@given(POSES, st.lists(COORDINATES, min_size=1, max_size=8).map(np.stack))
def test_alignment_undoes_a_rigid_motion_of_any_points(world: np.ndarray, points: np.ndarray) -> None:
    # Few points, equal points and points on a line are drawn too.
    moved = points @ world[:3, :3].T + world[:3, 3]
    alignment = align_se3(points, moved)
    np.testing.assert_allclose(points @ alignment[:3, :3].T + alignment[:3, 3], moved, atol=1e-6)
    np.testing.assert_allclose(alignment[:3, :3] @ alignment[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(alignment[:3, :3]) == pytest.approx(1)


def test_alignment_does_not_mirror() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    alignment = align_se3(points, points * [1, 1, -1])
    assert np.linalg.det(alignment[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(3, 3), (4, 4)])
def test_functions_take_any_leading_axes_even_none_of_a_length(shape: tuple[int, int]) -> None:
    for leading in [(), (0,), (2, 3)]:
        matrices = np.broadcast_to(np.eye(shape[0]), (*leading, *shape))
        assert quaternion_of(matrices).shape == (*leading, 4)
        assert rotation_vector_of(matrices).shape == (*leading, 3)
        assert rotation_angle(matrices).shape == leading
