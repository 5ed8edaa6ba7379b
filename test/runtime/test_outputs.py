"""The files of a run, which others build on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lapose_core.errors import LaposeError
from lapose_core.files import write_atomically, write_folder_atomically
from lapose_core.geometry import Trajectory, chain_motions, make_pose
from lapose_core.motion import Motion
from lapose_core.runtime.outputs import write_motions_csv, write_trajectory_tum

HEADER = "stamp_from_ns,stamp_to_ns,tx,ty,tz,qx,qy,qz,qw,scale_m,fov_x_rad,var_tx,var_ty,var_tz,var_rx,var_ry,var_rz"
START_NS = 1_732_000_000_123_456_789


@pytest.fixture
def motions() -> list[Motion]:
    """Two thousand steps of a winding drive of some 2 km."""
    rng = np.random.default_rng(0)
    poses = make_pose(
        rng.normal([0.0, 0.0, 1.0], 0.1, (2000, 3)), Rotation.from_rotvec(rng.normal(0, 0.03, (2000, 3))).as_quat()
    )
    return [
        Motion(
            stamp_from_ns=START_NS + index * 250_000_000,
            stamp_to_ns=START_NS + (index + 1) * 250_000_000,
            pose_from_to=pose,
            covariance=np.diag(rng.uniform(1e-8, 0.1, 6)),
            scale_deviation=0.1,
            scale_m=1.0 + index / 7,
            fov_x_rad=1.1,
            action=np.zeros(50, np.float32),
        )
        for index, pose in enumerate(poses)
    ]


def test_motions_are_written_as_agreed(tmp_path: Path, motions: list[Motion]) -> None:
    write_motions_csv(tmp_path / "motions.csv", motions)

    text = (tmp_path / "motions.csv").read_text()
    assert text.splitlines()[0] == HEADER
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len(motions)
    for row, motion in zip(rows, motions, strict=True):
        assert int(row["stamp_from_ns"]) == motion.stamp_from_ns
        assert int(row["stamp_to_ns"]) == motion.stamp_to_ns
        translation = [float(row[name]) for name in ("tx", "ty", "tz")]
        quaternion = [float(row[name]) for name in ("qx", "qy", "qz", "qw")]
        np.testing.assert_allclose(make_pose(translation, quaternion), motion.pose_from_to, atol=1e-9)
        assert quaternion[3] >= 0
        assert float(row["scale_m"]) == pytest.approx(motion.scale_m, abs=1e-9)
        assert float(row["fov_x_rad"]) == pytest.approx(motion.fov_x_rad, abs=1e-9)
        variance = [float(row[f"var_{name}"]) for name in ("tx", "ty", "tz", "rx", "ry", "rz")]
        np.testing.assert_allclose(variance, motion.variance, rtol=1e-9)


def test_the_motions_chain_to_the_trajectory_over_a_long_drive(tmp_path: Path, motions: list[Motion]) -> None:
    stamps_ns = np.array([START_NS, *(motion.stamp_to_ns for motion in motions)])
    trajectory = Trajectory(stamps_ns, chain_motions(np.stack([motion.pose_from_to for motion in motions])))
    write_motions_csv(tmp_path / "motions.csv", motions)
    write_trajectory_tum(tmp_path / "trajectory.tum", trajectory)

    columns = np.loadtxt(tmp_path / "motions.csv", delimiter=",", skiprows=1)
    chained = chain_motions(make_pose(columns[:, 2:5], columns[:, 5:9]))
    read = Trajectory.read_tum(tmp_path / "trajectory.tum")

    np.testing.assert_array_equal(read.stamps_ns, stamps_ns)
    np.testing.assert_allclose(read.poses, chained, atol=1e-6)
    np.testing.assert_allclose(read.poses, trajectory.poses, atol=1e-6)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "motions.csv"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half of the new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "graph").write_text("whole")

    def fail(folder: Path) -> None:
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder_atomically(tmp_path / "model", fail)
    assert list(tmp_path.iterdir()) == []
    write_folder_atomically(tmp_path / "model", fill)
    assert [path.read_text() for path in tmp_path.rglob("graph")] == ["whole"]
    with pytest.raises(LaposeError, match="exists already"):
        write_folder_atomically(tmp_path / "model", fill)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, motions: list[Motion]) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LaposeError, match="--output"):
        write_motions_csv(tmp_path / "file" / "motions.csv", motions)
