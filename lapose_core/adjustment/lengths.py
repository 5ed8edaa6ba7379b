"""How long the steps of a window are beside each other: a cell's depth, seen from the step before and the step after.

The cells of a frame are matched backwards and forwards, so that each tells its depth twice, in lengths of either step.
What the steps are together, no picture tells: that is the pose head's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.adjustment import depth_loops
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import EpipolarFit

#: What depths differ by beyond their noise, as a share.
DIFFERENT = 0.03
#: Standard deviation of the head's step lengths beside each other, as a share of them.
_BELIEVED = 0.08
#: So many cells count as one: neighbours err together.
_ALIKE = 10.0
#: Deviations at which cells start to count as outliers, one after the other.
_SCALES = np.array([6.0, 4.0, 3.0, 2.0, 2.0, 2.0])
#: Deviations by which a point may be off its epipolar line; fewest good cells of a frame.
_OFF_LINE, _FEWEST = 3.0, 20
#: A direction is the wrong way round where so few of the points lie ahead of the camera.
_BEHIND = 0.3
#: Deviations of the parallax from which on a point tells whether it lies ahead or behind.
_TELLING = 4.0


def facing(found: Correspondences, fit: EpipolarFit) -> np.ndarray:
    """(S,) 1, or -1 where the points say that the vehicle goes the other way: epipolar planes are the same for both."""
    inverse_SM, deviation_SM, off_SM = inverse_depth(found, *_to_newer(fit), fit.focal)
    tells_SM = (off_SM < _OFF_LINE) & (found.weight_SM > 0) & (np.abs(inverse_SM) > _TELLING * deviation_SM)
    count_S = tells_SM.sum(-1)
    ahead_S = (tells_SM & (inverse_SM > 0)).sum(-1) / np.maximum(count_S, 1)
    return np.where((count_S >= _FEWEST) & (ahead_S < _BEHIND), -1.0, 1.0)


@dataclass(frozen=True)
class Sights:
    """The N cells of each frame between two steps (J of them), seen from the older frame and from the newer one.

    Attributes:
        before_JN, after_JN: lengths of the step before, and of the step after, by depth; negative behind the camera.
        before_deviation_JN, after_deviation_JN: standard deviations of these.
        inside_JN: whether the cell is in both other pictures.
        seen_JN: whether it is also near its epipolar lines there.
    """

    before_JN: np.ndarray
    after_JN: np.ndarray
    before_deviation_JN: np.ndarray
    after_deviation_JN: np.ndarray
    inside_JN: np.ndarray
    seen_JN: np.ndarray

    @property
    def good_JN(self) -> np.ndarray:
        return self.seen_JN & (self.before_JN > 0) & (self.after_JN > 0)

    def log_ratio(self, expected_J: np.ndarray, scales: np.ndarray = _SCALES) -> tuple[np.ndarray, np.ndarray]:
        """(J,) logarithm of how long the step after is over that before, robustly; starts from what is expected.

        And the inverse (J,) of its variance if all cells were independent.
        """
        depths = self.before_JN, self.after_JN, self.before_deviation_JN, self.after_deviation_JN
        return depth_loops.log_ratio(*depths, self.good_JN, expected_J, DIFFERENT, scales)


def sight_twice(found: Correspondences, fit: EpipolarFit) -> Sights:
    """The cells between the S steps of a fit, J = S - 1."""
    cells = found.weight_SM.shape[-1] // 2
    before, after = found.part(slice(cells, None), slice(-1)).back, found.part(slice(cells), slice(1, None))
    forth = tuple(value[1:] for value in _to_newer(fit))
    nearness_b, deviation_b, off_b = inverse_depth(before, fit.rotation_S33[:-1], fit.seen_S3[:-1], fit.focal)
    nearness_a, deviation_a, off_a = inverse_depth(after, *forth, fit.focal)
    inside = (before.weight_SM > 0) & (after.weight_SM > 0)
    seen = inside & (off_b < _OFF_LINE) & (off_a < _OFF_LINE)
    return Sights(nearness_b, nearness_a, deviation_b, deviation_a, inside, seen)


def chain_lengths(found: Correspondences, fit: EpipolarFit, length_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step lengths that the depths agree with, and the standard deviations (S,) of their logarithms beside each other.

    Args:
        found, fit: of the same S steps.
        length_S: the head's, metres, positive.
    """
    believed_S, sights = np.log(length_S), sight_twice(found, fit)
    expected_J, total_J = sights.log_ratio(np.diff(believed_S))
    told_J = np.where(sights.good_JN.sum(-1) >= _FEWEST, total_J / _ALIKE, 0.0)
    steps = len(length_S)
    difference_JS = np.diff(np.eye(steps), axis=0)
    information_SS = np.eye(steps) / _BELIEVED**2 + (difference_JS.T * told_J) @ difference_JS
    logarithm_S = np.linalg.solve(information_SS, believed_S / _BELIEVED**2 + difference_JS.T @ (told_J * expected_J))
    return np.exp(logarithm_S), np.sqrt(np.diagonal(np.linalg.inv(information_SS)))


def _to_newer(fit: EpipolarFit) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and direction that carry points of each step's older frame into its newer one."""
    rotation_S33 = fit.rotation_S33.swapaxes(-1, -2)
    return rotation_S33, -(rotation_S33 @ fit.seen_S3[..., None])[..., 0]


def inverse_depth(
    found: Correspondences, rotation_S33: np.ndarray, shift_S3: np.ndarray, focal: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Step lengths by depth (S, M) of points, the deviation of that, and how far they are off their epipolar lines.

    Args:
        found: the points; their depths in the older frame (`Correspondences.back` for those in the newer one).
        rotation_S33, shift_S3: carry points of that frame into the other, their depths in lengths of the shift.
        focal: pixels.
    """
    shape = found.weight_SM.shape
    told = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    carry = (np.ascontiguousarray(value, np.float32) for value in (rotation_S33, shift_S3))
    depth_loops.find_depths(*found.arrays, *carry, focal, *told)
    return told
