"""Rigid motions in space: poses, their rotations, chains of motions, and trajectories with their file formats.

A pose is a (4, 4) float64 matrix in metres; `pose_a_b` is the pose of b in a, so that
`pose_a_c = pose_a_b @ pose_b_c`. Quaternions are x y z w, unit, with w >= 0. Angles are radians. Functions work on
any number of leading axes unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from lapose_core.errors import LaposeError

#: Turns optical axes (x right, y down, z forward) into REP-103 body axes (x forward, y left, z up).
ROTATION_BODY_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def make_pose(translation: np.ndarray, quaternion_xyzw: np.ndarray) -> np.ndarray:
    """Pose (..., 4, 4) from a translation (..., 3) and a quaternion (..., 4) of any length but zero."""
    translation, quaternion = np.asarray(translation, float), np.asarray(quaternion_xyzw, float)
    rotation = Rotation.from_quat(quaternion.reshape(-1, 4)).as_matrix()
    return _assemble(rotation.reshape(*quaternion.shape[:-1], 3, 3), translation)


def invert_pose(pose: np.ndarray) -> np.ndarray:
    """Inverse (..., 4, 4): the pose of a in b from the pose of b in a."""
    rotation_inverse = np.swapaxes(pose[..., :3, :3], -1, -2)
    return _assemble(rotation_inverse, -(rotation_inverse @ pose[..., :3, 3:])[..., 0])


def quaternion_of(pose_or_rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion (..., 4), x y z w with w >= 0, of a pose (..., 4, 4) or rotation (..., 3, 3)."""
    return _rotation(pose_or_rotation).as_quat(canonical=True).reshape(*np.shape(pose_or_rotation)[:-2], 4)


def rotation_vector_of(pose_or_rotation: np.ndarray) -> np.ndarray:
    """Rotation vector (..., 3), radians, of a pose (..., 4, 4) or rotation (..., 3, 3)."""
    return _rotation(pose_or_rotation).as_rotvec().reshape(*np.shape(pose_or_rotation)[:-2], 3)


def rotation_from_vector(vector: np.ndarray) -> np.ndarray:
    """Rotation (..., 3, 3) by a rotation vector (..., 3), radians."""
    vector = np.asarray(vector, float)
    return Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix().reshape(*vector.shape[:-1], 3, 3)


def rotation_vector_of_quaternion(quaternion_xyzw: np.ndarray) -> np.ndarray:
    """Rotation vectors (N, 3), radians, of quaternions (N, 4)."""
    return Rotation.from_quat(quaternion_xyzw).as_rotvec()


def quaternion_from_vector(vector: np.ndarray) -> np.ndarray:
    """Unit quaternions (N, 4), x y z w with w >= 0, of rotation vectors (N, 3), radians."""
    return Rotation.from_rotvec(vector).as_quat(canonical=True)


def rotation_angle(pose_or_rotation: np.ndarray) -> np.ndarray:
    """Angle (...) of a rotation, 0 to pi radians; exact for small angles, where the arc cosine of the trace is not."""
    return _rotation(pose_or_rotation).magnitude().reshape(np.shape(pose_or_rotation)[:-2])


def direction_angle(a: np.ndarray, b: np.ndarray, *, smallest: float = 1e-9) -> np.ndarray:
    """Angle (...) between two vectors (..., 3), 0 to pi radians; nan where one is shorter than `smallest`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    angle = np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))
    shorter = np.minimum(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1))
    return np.where(shorter < smallest, np.nan, angle)


def chain_motions(motions_S44: np.ndarray) -> np.ndarray:
    """Poses (S+1, 4, 4) in the first frame, starting at identity, from the motions (S, 4, 4) between frames."""
    poses_N44 = np.empty((len(motions_S44) + 1, 4, 4))
    poses_N44[0] = np.eye(4)
    for i, motion in enumerate(motions_S44):
        poses_N44[i + 1] = poses_N44[i] @ motion
    return poses_N44


def relative_motions(poses_N44: np.ndarray) -> np.ndarray:
    """Motions (N-1, 4, 4): the pose of frame i+1 in frame i."""
    return invert_pose(poses_N44[:-1]) @ poses_N44[1:]


def body_from_optical(pose: np.ndarray) -> np.ndarray:
    """The same pose or motion with optical axes on both sides replaced by body axes (REP-103)."""
    return _change_axes(pose, ROTATION_BODY_OPTICAL)


def optical_from_body(pose: np.ndarray) -> np.ndarray:
    """The same pose or motion with body axes (REP-103) on both sides replaced by optical axes."""
    return _change_axes(pose, ROTATION_BODY_OPTICAL.T)


def adjoint(pose: np.ndarray) -> np.ndarray:
    """Adjoint (6, 6) of one pose_a_b: carries a small motion (translation, rotation vector) of b's axes into a's.

    Covariances follow as `adjoint @ covariance @ adjoint.T`.
    """
    rotation, (x, y, z) = pose[:3, :3], pose[:3, 3]
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.block([[rotation, cross @ rotation], [np.zeros((3, 3)), rotation]])


def align_se3(estimated_N3: np.ndarray, truth_N3: np.ndarray) -> np.ndarray:
    """Pose (4, 4) that carries the estimated points onto the true ones with the least squared distance (Kabsch 1976).

    Points on a line, or all in one place, leave some rotation free: any of the best ones is returned.
    """
    centre_estimated, centre_truth = estimated_N3.mean(axis=0), truth_N3.mean(axis=0)
    u, _, v_t = np.linalg.svd((truth_N3 - centre_truth).T @ (estimated_N3 - centre_estimated))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v_t))])
    rotation = u @ mirror @ v_t
    return _assemble(rotation, centre_truth - rotation @ centre_estimated)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses at instants.

    Attributes:
        stamps_ns: (N,) int64 nanoseconds, strictly increasing.
        poses: (N, 4, 4) float64, metres, all in one frame.
    """

    stamps_ns: np.ndarray
    poses: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamps_ns", np.asarray(self.stamps_ns, np.int64))
        object.__setattr__(self, "poses", np.asarray(self.poses, np.float64))
        if self.stamps_ns.ndim != 1 or self.poses.shape != (len(self.stamps_ns), 4, 4):
            raise ValueError(f"{self.stamps_ns.shape} stamps do not go with {self.poses.shape} poses")
        if np.any(np.diff(self.stamps_ns) <= 0):
            index = int(np.argmax(np.diff(self.stamps_ns) <= 0)) + 1
            raise LaposeError(
                f"stamps must increase, but stamp {index} does not: sort the poses and drop repeated ones"
            )

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def positions(self) -> np.ndarray:
        """(N, 3) metres."""
        return self.poses[:, :3, 3]

    def motions(self) -> np.ndarray:
        """Motions (N-1, 4, 4) from each pose to the next."""
        return relative_motions(self.poses)

    def rebased(self) -> Trajectory:
        """The same trajectory seen from its first pose, which becomes the identity."""
        return Trajectory(self.stamps_ns, invert_pose(self.poses[0]) @ self.poses)

    def length_m(self) -> float:
        """Length of the path in metres."""
        return float(np.linalg.norm(np.diff(self.positions, axis=0), axis=1).sum())

    def select(self, indices: np.ndarray | slice | Sequence[int]) -> Trajectory:
        """Some of the poses: a slice, increasing indices or a mask."""
        return Trajectory(self.stamps_ns[indices], self.poses[indices])

    def covers(self, stamps_ns: np.ndarray) -> np.ndarray:
        """(M,) bool: whether each instant lies between the first and the last pose."""
        return (stamps_ns >= self.stamps_ns[0]) & (stamps_ns <= self.stamps_ns[-1])

    def at(self, stamps_ns: np.ndarray) -> Trajectory:
        """Poses at other instants (M,), between the neighbours: position linearly, rotation by slerp.

        Raises LaposeError for an instant outside the trajectory.
        """
        stamps_ns = np.asarray(stamps_ns, np.int64)
        if not np.all(self.covers(stamps_ns)):
            raise LaposeError(
                "asked for a pose outside the trajectory: use only instants between its first and last stamp"
            )
        if len(self) == 1:
            return Trajectory(stamps_ns, np.repeat(self.poses, len(stamps_ns), axis=0))
        known = (self.stamps_ns - self.stamps_ns[0]).astype(float)
        wanted = (stamps_ns - self.stamps_ns[0]).astype(float)
        rotations = Slerp(known, Rotation.from_matrix(self.poses[:, :3, :3]))(wanted).as_matrix()
        positions = np.stack([np.interp(wanted, known, self.positions[:, axis]) for axis in range(3)], axis=-1)
        return Trajectory(stamps_ns, _assemble(rotations, positions))

    def write_tum(self, path: Path | str) -> None:
        """Write lines of `stamp tx ty tz qx qy qz qw`: seconds (to the nanosecond) and metres."""
        quaternions = quaternion_of(self.poses)
        with Path(path).open("w", encoding="ascii") as file:
            for stamp_ns, position, quaternion in zip(self.stamps_ns, self.positions, quaternions, strict=True):
                values = " ".join(f"{value:.9f}" for value in (*position, *quaternion))
                file.write(f"{format_seconds(int(stamp_ns))} {values}\n")

    @classmethod
    def read_tum(cls, path: Path | str) -> Trajectory:
        """Read what `write_tum` writes; `#` starts a comment. Raises LaposeError naming file and line."""
        stamps_ns, poses = [], []
        for where, fields in _rows(path, 8):
            stamps_ns.append(_nanoseconds(where, fields[0]))
            values = _numbers(where, fields[1:])
            if not np.linalg.norm(values[3:]) > 0:
                raise LaposeError(f"{where}: the quaternion is zero; expected stamp tx ty tz qx qy qz qw")
            poses.append(make_pose(values[:3], values[3:]))
        return _trajectory(path, stamps_ns, poses)

    def write_kitti(self, path: Path | str) -> None:
        """Write the KITTI odometry benchmark's poses: the upper 3x4 of each pose, row by row; no stamps."""
        with Path(path).open("w", encoding="ascii") as file:
            for pose in self.poses:
                file.write(" ".join(f"{value:.12e}" for value in pose[:3].ravel()) + "\n")

    @classmethod
    def read_kitti(cls, path: Path | str, times: Path | str) -> Trajectory:
        """Read KITTI poses (3x4 rows) and their `times.txt`, seconds. Raises LaposeError naming file and line."""
        poses = []
        for where, fields in _rows(path, 12):
            pose = np.vstack([np.reshape(_numbers(where, fields), (3, 4)), [0.0, 0.0, 0.0, 1.0]])
            # The benchmark's files keep six digits, so its rotations are orthogonal only to that.
            if not np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-3) or np.linalg.det(pose) < 0:
                raise LaposeError(f"{where}: the first three columns are no rotation; expected a 3x4 pose, row by row")
            poses.append(make_pose(pose[:3, 3], quaternion_of(pose)))
        stamps_ns = read_kitti_times(times)
        if len(stamps_ns) != len(poses):
            raise LaposeError(f"{path} has {len(poses)} poses but {times} has {len(stamps_ns)} times: they must agree")
        return _trajectory(path, stamps_ns, poses)


def matched(estimated: Trajectory, truth: Trajectory) -> tuple[Trajectory, Trajectory]:
    """The estimate where there is truth, and the truth at its stamps; raises LaposeError where they share no time."""
    estimated = estimated.select(truth.covers(estimated.stamps_ns))
    if len(estimated) < 2:
        raise LaposeError("the estimate and the true poses share no time: check that their stamps come from one clock")
    return estimated, truth.at(estimated.stamps_ns)


def read_kitti_times(path: Path | str) -> np.ndarray:
    """Stamps (N,) int64 nanoseconds of a KITTI `times.txt`. Raises LaposeError naming file and line."""
    return np.array([_nanoseconds(where, fields[0]) for where, fields in _rows(path, 1)], np.int64)


def format_seconds(stamp_ns: int) -> str:
    """A stamp in seconds with nine decimals: exact, where a float of seconds since 1970 is not."""
    sign, magnitude = "-" if stamp_ns < 0 else "", abs(stamp_ns)
    return f"{sign}{magnitude // 1_000_000_000}.{magnitude % 1_000_000_000:09d}"


def _rotation(pose_or_rotation: np.ndarray) -> Rotation:
    return Rotation.from_matrix(np.asarray(pose_or_rotation, float)[..., :3, :3].reshape(-1, 3, 3))


def _assemble(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    pose = np.zeros((*np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1]), 4, 4))
    pose[..., :3, :3], pose[..., :3, 3], pose[..., 3, 3] = rotation, translation, 1.0
    return pose


def _change_axes(pose: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return _assemble(rotation @ pose[..., :3, :3] @ rotation.T, pose[..., :3, 3] @ rotation.T)


def _rows(path: Path | str, count: int) -> list[tuple[str, list[str]]]:
    """The lines of a text file that are not empty or comments, each with `file:line` and its `count` fields."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LaposeError(f"cannot read {path} as text ({error}): check the path") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        fields = line.split("#")[0].replace(",", " ").split()
        if fields and len(fields) != count:
            raise LaposeError(f"{path}:{number}: expected {count} numbers in the line, found {len(fields)}")
        if fields:
            rows.append((f"{path}:{number}", fields))
    return rows


def _numbers(where: str, fields: list[str]) -> np.ndarray:
    try:
        values = np.array([float(field) for field in fields])
    except ValueError as error:
        raise LaposeError(f"{where}: {error}; expected only numbers in the line") from None
    if not np.all(np.isfinite(values)):
        raise LaposeError(f"{where}: a value is not finite; drop the line")
    return values


def _nanoseconds(where: str, seconds: str) -> int:
    try:
        return round(Decimal(seconds).scaleb(9))
    except (InvalidOperation, ValueError, OverflowError):
        raise LaposeError(f"{where}: {seconds!r} is no time; expected seconds as a decimal number") from None


def _trajectory(path: Path | str, stamps_ns: Sequence[int] | np.ndarray, poses: list[np.ndarray]) -> Trajectory:
    if not poses:
        raise LaposeError(f"{path} holds no poses: check that it is the right file")
    try:
        return Trajectory(np.asarray(stamps_ns), np.stack(poses))
    except LaposeError as error:
        raise LaposeError(f"{path}: {error}") from None
