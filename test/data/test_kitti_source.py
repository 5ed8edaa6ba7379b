"""KITTI odometry sequences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError
from lapose_core.geometry import Trajectory, make_pose

FOCAL = 100.0
BASELINE_M = 0.06


@pytest.fixture
def sequence(tmp_path: Path, images: list[np.ndarray], write_images: Callable[..., Path]) -> Path:
    """Twelve frames at 10 Hz, 0.5 m forward and 2 degrees left a step, with both left cameras."""
    folder = tmp_path / "sequences" / "03"
    for camera in ("image_0", "image_2"):
        write_images(folder / camera, images, [f"{index:06d}.png" for index in range(12)])
    (folder / "times.txt").write_text("".join(f"{0.1 * index:.6e}\n" for index in range(12)))
    shift = FOCAL * BASELINE_M
    (folder / "calib.txt").write_text(
        f"P0: {FOCAL} 0 80 0 0 {FOCAL} 48 0 0 0 1 0\nP2: {FOCAL} 0 80 {shift} 0 {FOCAL} 48 0 0 0 1 0\n"
    )
    (tmp_path / "poses").mkdir()
    true_poses().write_kitti(tmp_path / "poses" / "03.txt")
    return folder


def true_poses() -> Trajectory:
    """Of camera 0."""
    step = make_pose([0.0, 0.0, 0.5], [0.0, -np.sin(np.deg2rad(1.0)), 0.0, np.cos(np.deg2rad(1.0))])
    poses = np.stack([np.linalg.matrix_power(step, index) for index in range(12)])
    return Trajectory(np.arange(12) * 100_000_000, poses)


def test_the_colour_camera_is_read_where_it_is_there(sequence: Path) -> None:
    source = open_source(sequence)

    assert len(list(source)) == source.frame_count == 12
    assert source.name == "kitti_03"
    assert source.intrinsics is not None
    assert (source.intrinsics.fx, source.intrinsics.width, source.intrinsics.height) == (FOCAL, 160, 96)
    assert source.intrinsics.fov_x_rad == pytest.approx(2 * np.arctan(0.8))


def test_poses_are_those_of_the_camera_that_is_read(sequence: Path) -> None:
    source = open_source(sequence)
    assert source.poses is not None

    # P2 moves points by +6 cm: the camera sits 6 cm left of camera 0.
    left_of_camera0 = make_pose([-BASELINE_M, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(source.poses.poses, true_poses().poses @ left_of_camera0, atol=1e-9)
    np.testing.assert_array_equal(source.poses.stamps_ns, [frame.stamp_ns for frame in source])


def test_the_grey_camera_serves_where_there_is_no_colour(sequence: Path) -> None:
    (sequence / "image_2").rename(sequence / "image_9")

    source = open_source(sequence)

    assert source.poses is not None
    np.testing.assert_allclose(source.poses.poses, true_poses().poses, atol=1e-9)
    assert len(list(source)) == 12


def test_a_sequence_without_poses_is_still_a_source(sequence: Path) -> None:
    (sequence.parents[1] / "poses" / "03.txt").unlink()

    assert open_source(sequence).poses is None


def test_missing_images_keep_the_stamps_of_the_others(sequence: Path) -> None:
    (sequence / "image_2" / "000004.png").unlink()

    stamps_ns = [frame.stamp_ns for frame in open_source(sequence)]

    assert stamps_ns == [index * 100_000_000 for index in range(12) if index != 4]


@pytest.mark.parametrize(
    ("name", "content"),
    [("calib.txt", "P0: 1 2 3\n"), ("calib.txt", "Tr: 0\n"), ("times.txt", "0.0\n"), ("times.txt", "zero\n")],
)
def test_a_wrong_file_is_named(sequence: Path, name: str, content: str) -> None:
    (sequence / name).write_text(content)

    with pytest.raises(LaposeError, match=name):
        open_source(sequence)
