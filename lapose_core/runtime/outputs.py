"""The files that `lapose run` writes."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from lapose_core.files import write_atomically
from lapose_core.geometry import Trajectory, quaternion_of
from lapose_core.motion import Motion

MOTIONS_COLUMNS = (
    "stamp_from_ns", "stamp_to_ns", "tx", "ty", "tz", "qx", "qy", "qz", "qw", "scale_m", "fov_x_rad",
    "var_tx", "var_ty", "var_tz", "var_rx", "var_ry", "var_rz",
)  # fmt: skip


def write_motions_csv(path: Path, motions: Iterable[Motion]) -> None:
    """Write one row a step, with `MOTIONS_COLUMNS` as the header; replaces the file in one go.

    Units are those of `Motion`. Numbers carry twelve decimals, so that chaining them over a long drive stays exact to
    1e-6; variances, which may be tiny, twelve digits.
    """
    write_atomically(path, lambda temporary: _write_rows(temporary, motions))


def write_trajectory_tum(path: Path, trajectory: Trajectory) -> None:
    """Write a TUM trajectory; replaces the file in one go."""
    write_atomically(path, trajectory.write_tum)


def _write_rows(path: Path, motions: Iterable[Motion]) -> None:
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MOTIONS_COLUMNS)
        for motion in motions:
            pose = motion.pose_from_to
            values = (*pose[:3, 3], *quaternion_of(pose), motion.scale_m, motion.fov_x_rad)
            writer.writerow(
                [
                    motion.stamp_from_ns,
                    motion.stamp_to_ns,
                    *(f"{value:.12f}" for value in values),
                    *(f"{value:.11e}" for value in motion.variance),
                ]
            )
