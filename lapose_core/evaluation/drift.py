"""Drift of a whole trajectory, as the KITTI odometry benchmark measures it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.geometry import invert_pose, rotation_angle

#: Lengths of the benchmark's sub-sequences, metres.
KITTI_LENGTHS_M = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0)

#: A drive shorter than this is cut into these fractions of its distance instead.
SHORT_DRIVE_M = 200.0
SHORT_DRIVE_FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True)
class Drift:
    """Mean error over sub-sequences of several lengths, and at the end of the drive.

    Attributes:
        translation_percent: error of the position at the end of a sub-sequence, in % of its length.
        rotation_deg_per_m: error of the rotation there, degrees for each metre.
        end_percent: error of the last position, seen from the first pose, in % of the distance.
        distance_m: true length of the path.
        lengths_m: the sub-sequences' lengths; the benchmark's unless the drive is short.
        segments: how many sub-sequences there were.
    """

    translation_percent: float
    rotation_deg_per_m: float
    end_percent: float
    distance_m: float
    lengths_m: tuple[float, ...]
    segments: int

    def segments_text(self) -> str:
        """How the path was cut, in words."""
        return (
            f"{self.segments} sub-sequences of {len(self.lengths_m)} lengths, "
            f"{self.lengths_m[0]:.3g} to {self.lengths_m[-1]:.3g} m"
        )


def measure_drift(estimated_N44: np.ndarray, truth_N44: np.ndarray) -> Drift | None:
    """Drift of estimated against true poses (N, 4, 4) of the same frames; None if the truth never moves.

    Sub-sequences start at every pose (the benchmark: at every tenth, at 10 Hz) and end at the first one that is the
    length further on along the true path. Nothing is aligned.
    """
    steps_m = np.linalg.norm(np.diff(truth_N44[:, :3, 3], axis=0), axis=-1)
    distances_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    distance_m = float(distances_m[-1])
    lengths_m = segment_lengths(distance_m)
    segments = [
        (first, last, length_m)
        for length_m in lengths_m
        # A micrometre less, so that rounding does not decide where even steps add up to the length.
        for first, last in enumerate(np.searchsorted(distances_m, distances_m + length_m - 1e-6))
        if last < len(distances_m)
    ]
    if not segments:
        return None
    first, last = np.array([segment[:2] for segment in segments]).T
    length_m = np.array([segment[2] for segment in segments])
    error_m, error_rad = _end_errors(estimated_N44, truth_N44, first, last)
    end_error_m, _ = _end_errors(estimated_N44, truth_N44, np.array([0]), np.array([len(truth_N44) - 1]))
    return Drift(
        translation_percent=float(100.0 * np.mean(error_m / length_m)),
        rotation_deg_per_m=float(np.degrees(np.mean(error_rad / length_m))),
        end_percent=float(100.0 * end_error_m[0] / distance_m),
        distance_m=distance_m,
        lengths_m=lengths_m,
        segments=len(segments),
    )


def segment_lengths(distance_m: float) -> tuple[float, ...]:
    """Lengths of the sub-sequences for a drive: the benchmark's that fit, or fractions of a short drive."""
    if distance_m < SHORT_DRIVE_M:
        return tuple(round(fraction * distance_m, 3) for fraction in SHORT_DRIVE_FRACTIONS if distance_m > 0)
    return tuple(length_m for length_m in KITTI_LENGTHS_M if length_m <= distance_m)


def _end_errors(
    estimated_N44: np.ndarray, truth_N44: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Errors in metres and radians of the pose of frames `last` in frames `first`."""
    estimated = invert_pose(estimated_N44[first]) @ estimated_N44[last]
    truth = invert_pose(truth_N44[first]) @ truth_N44[last]
    error = invert_pose(estimated) @ truth
    return np.linalg.norm(error[:, :3, 3], axis=-1), rotation_angle(error)
