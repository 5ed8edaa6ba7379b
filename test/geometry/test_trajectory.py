"""Trajectories: interpolation, and files that others read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.errors import LaposeError
from lapose_core.geometry import Trajectory, make_pose, rotation_vector_of

# 2026-11-23 to the nanosecond: a float of seconds keeps only about 200 ns here.
EPOCH_NS = 1_795_392_000_123_456_789


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    gaps = draw(st.lists(st.integers(1, 10**10), min_size=1, max_size=5))
    stamps = draw(st.sampled_from([0, -5, EPOCH_NS])) + np.cumsum(gaps)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    translations = random.normal(size=(len(stamps), 3)) * draw(st.sampled_from([1e-3, 1.0, 1e4]))
    return Trajectory(stamps, make_pose(translations, random.normal(size=(len(stamps), 4))))


@given(trajectories())
def test_a_tum_file_keeps_stamps_to_the_nanosecond_and_poses_to_a_micrometre(
    tmp_path_factory: pytest.TempPathFactory, trajectory: Trajectory
) -> None:
    path = tmp_path_factory.getbasetemp() / "trajectory.tum"
    trajectory.write_tum(path)
    read = Trajectory.read_tum(path)
    np.testing.assert_array_equal(read.stamps_ns, trajectory.stamps_ns)
    np.testing.assert_allclose(read.poses, trajectory.poses, atol=1e-7)


def test_a_tum_line_has_the_fields_in_the_order_that_others_expect(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    Trajectory([EPOCH_NS], [make_pose(np.array([1.0, -2.5, 3.0]), np.array([0.0, 0.0, -half, -half]))]).write_tum(
        tmp_path / "t.tum"
    )
    fields = (tmp_path / "t.tum").read_text().split()
    assert fields[0] == "1795392000.123456789"
    assert [float(field) for field in fields[1:]] == pytest.approx([1, -2.5, 3, 0, 0, half, half])


def test_a_kitti_file_goes_there_and_back(tmp_path: Path) -> None:
    poses = make_pose(np.array([[0.0, 0, 0], [0.1, -0.2, 12.5]]), np.array([[0.0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9]]))
    Trajectory([0, 103_680_000], poses).write_kitti(tmp_path / "poses.txt")
    (tmp_path / "times.txt").write_text("0.000000e+00\n1.036800e-01\n")
    read = Trajectory.read_kitti(tmp_path / "poses.txt", tmp_path / "times.txt")
    np.testing.assert_array_equal(read.stamps_ns, [0, 103_680_000])
    np.testing.assert_allclose(read.poses, poses, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# head\n0 0 0 0 0 0 0 1\n1 0 0\n", "t.tum:3: expected 8 numbers in the line, found 3"),
        ("0 0 0 0 0 0 0 one\n", "t.tum:1: could not convert string to float: 'one'"),
        ("0 0 0 0 0 0 0 0\n", "t.tum:1: the quaternion is zero"),
        ("0 nan 0 0 0 0 0 1\n", "t.tum:1: a value is not finite"),
        ("now 0 0 0 0 0 0 1\n", "t.tum:1: 'now' is no time"),
        ("1 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n", "t.tum: stamps must increase"),
        ("# nothing\n", "t.tum holds no poses"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.tum").write_text(text)
    with pytest.raises(LaposeError) as error:
        Trajectory.read_tum(tmp_path / "t.tum")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_matrix_that_is_no_rotation_are_told(tmp_path: Path) -> None:
    with pytest.raises(LaposeError, match="cannot read"):
        Trajectory.read_tum(tmp_path / "none.tum")
    (tmp_path / "poses.txt").write_text("2 0 0 0 0 1 0 0 0 0 1 0\n")
    (tmp_path / "times.txt").write_text("0\n1\n")
    with pytest.raises(LaposeError, match=r"poses\.txt:1: the first three columns are no rotation"):
        Trajectory.read_kitti(tmp_path / "poses.txt", tmp_path / "times.txt")
    (tmp_path / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
    with pytest.raises(LaposeError, match=r"has 1 poses but .* has 2 times"):
        Trajectory.read_kitti(tmp_path / "poses.txt", tmp_path / "times.txt")


def test_between_two_poses_position_and_angle_go_evenly() -> None:
    yaw = np.array([0.0, 0.0, np.sin(0.4), np.cos(0.4)])
    ends = make_pose(np.array([[0.0, 0, 0], [4.0, 0, 0]]), np.stack([[0, 0, 0, 1], yaw]))
    quarter = Trajectory([EPOCH_NS, EPOCH_NS + 400], ends).at(np.array([EPOCH_NS + 100]))
    np.testing.assert_allclose(quarter.positions, [[1, 0, 0]])
    np.testing.assert_allclose(rotation_vector_of(quarter.poses), [[0, 0, 0.2]], atol=1e-12)


def test_at_its_own_stamps_a_trajectory_is_itself_and_beyond_them_it_refuses() -> None:
    trajectory = Trajectory([10, 20, 30], make_pose(np.eye(3), np.eye(4)[:3]))
    np.testing.assert_allclose(trajectory.at(trajectory.stamps_ns).poses, trajectory.poses, atol=1e-12)
    with pytest.raises(LaposeError, match="outside the trajectory"):
        trajectory.at(np.array([31]))


def test_rebased_starts_at_the_identity_and_keeps_motions_and_length() -> None:
    poses = make_pose(np.array([[5.0, 5, 5], [5, 5, 8], [9, 5, 8]]), np.array([[0.5, 0.5, 0.5, 0.5]] * 3))
    trajectory = Trajectory([0, 1, 2], poses)
    np.testing.assert_allclose(trajectory.rebased().poses[0], np.eye(4), atol=1e-12)
    np.testing.assert_allclose(trajectory.rebased().motions(), trajectory.motions(), atol=1e-12)
    assert trajectory.length_m() == pytest.approx(7)
    assert trajectory.rebased().length_m() == pytest.approx(7)
