"""How long the steps of a window are beside each other: a cell's depth, seen from the step before and the step after.

The cells of a frame are matched backwards and forwards, so that each tells its depth twice, in lengths of either step.
What the steps are together, no picture tells: that is the pose head's.
"""

from __future__ import annotations

import numpy as np

from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import EpipolarFit

#: Standard deviation of the head's step lengths beside each other, as a share of them.
_BELIEVED = 0.08
#: So many cells count as one: neighbours err together.
_ALIKE = 10.0
#: What cells differ by beyond their noise, as a share; deviations at which they start to count as outliers.
_DIFFERENT, _SCALES = 0.03, (6.0, 4.0, 3.0, 2.0, 2.0, 2.0)
#: Deviations by which a point may be off its epipolar line; fewest good cells of a frame.
_OFF_LINE, _FEWEST = 3.0, 20
#: A direction is the wrong way round where so few of the points lie ahead of the camera.
_BEHIND = 0.3
#: Deviations of the parallax from which on a point tells whether it lies ahead or behind.
_TELLING = 4.0


def facing(found: Correspondences, fit: EpipolarFit) -> np.ndarray:
    """(S,) 1, or -1 where the points say that the vehicle goes the other way: epipolar planes are the same for both."""
    older_S3M, newer_S3M = found.rays(fit.focal)
    inverse_SM, deviation_SM, off_SM = _inverse_depth(older_S3M, newer_S3M, *_to_newer(fit), found, fit.focal)
    tells_SM = (off_SM < _OFF_LINE) & (found.weight_SM > 0) & (np.abs(inverse_SM) > _TELLING * deviation_SM)
    count_S = tells_SM.sum(-1)
    ahead_S = (tells_SM & (inverse_SM > 0)).sum(-1) / np.maximum(count_S, 1)
    return np.where((count_S >= _FEWEST) & (ahead_S < _BEHIND), -1.0, 1.0)


def chain_lengths(found: Correspondences, fit: EpipolarFit, length_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step lengths that the depths agree with, and the standard deviations (S,) of their logarithms beside each other.

    Args:
        found, fit: of the same S steps.
        length_S: the head's, metres, positive.
    """
    steps, cells = len(length_S), found.weight_SM.shape[-1] // 2
    believed_S = np.log(length_S)
    older_S3M, newer_S3M = found.rays(fit.focal)
    # Of the frame between two steps: seen from the older one by the step before, from the newer one by the step after.
    before = Correspondences(*(value[:-1, ..., cells:] for value in vars(found).values()))
    after = Correspondences(*(value[1:, ..., :cells] for value in vars(found).values()))
    back = (fit.rotation_S33[:-1], fit.seen_S3[:-1])
    forth = tuple(value[1:] for value in _to_newer(fit))
    nearness_b, deviation_b, off_b = _inverse_depth(
        newer_S3M[:-1, :, cells:], older_S3M[:-1, :, cells:], *back, before, fit.focal
    )
    nearness_a, deviation_a, off_a = _inverse_depth(
        older_S3M[1:, :, :cells], newer_S3M[1:, :, :cells], *forth, after, fit.focal
    )
    good = (before.weight_SM > 0) & (after.weight_SM > 0) & (off_b < _OFF_LINE) & (off_a < _OFF_LINE)
    good &= (nearness_b > 0) & (nearness_a > 0)
    nearness_b, nearness_a = np.where(good, nearness_b, 1.0), np.where(good, nearness_a, 1.0)

    # Noise by what both sightings together say of the depth: by each one's own, the nearer of the two would win.
    ratio_JN, expected_J1 = np.log(nearness_a / nearness_b), np.diff(believed_S)[:, None]
    nearness_JN, half_J1 = np.sqrt(nearness_a * nearness_b), np.exp(0.5 * expected_J1)
    variance_JN = (deviation_b * half_J1 / nearness_JN) ** 2 + (deviation_a / half_J1 / nearness_JN) ** 2
    variance_JN = variance_JN + _DIFFERENT**2
    for scale in _SCALES:
        surprise_JN = (ratio_JN - expected_J1) ** 2 / variance_JN
        weight_JN = good / variance_JN / (1 + surprise_JN / scale**2) ** 2
        total_J1 = np.maximum(weight_JN.sum(-1, keepdims=True), 1e-9)
        expected_J1 = (weight_JN * ratio_JN).sum(-1, keepdims=True) / total_J1

    told_J = np.where(good.sum(-1) >= _FEWEST, total_J1[:, 0] / _ALIKE, 0.0)
    difference_JS = np.diff(np.eye(steps), axis=0)
    information_SS = np.eye(steps) / _BELIEVED**2 + (difference_JS.T * told_J) @ difference_JS
    logarithm_S = np.linalg.solve(
        information_SS, believed_S / _BELIEVED**2 + difference_JS.T @ (told_J * expected_J1[:, 0])
    )
    return np.exp(logarithm_S), np.sqrt(np.diagonal(np.linalg.inv(information_SS)))


def _to_newer(fit: EpipolarFit) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and direction that carry points of each step's older frame into its newer one."""
    rotation_S33 = fit.rotation_S33.swapaxes(-1, -2)
    return rotation_S33, -(rotation_S33 @ fit.seen_S3[..., None])[..., 0]


def _inverse_depth(
    ray_S3M: np.ndarray,
    other_S3M: np.ndarray,
    rotation_S33: np.ndarray,
    shift_S3: np.ndarray,
    found: Correspondences,
    focal: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Step lengths by depth of points, the deviation of that, and how far the points are off their epipolar lines.

    Args:
        ray_S3M: of the points in the frame whose depths these are, and `other_S3M` in the other frame.
        rotation_S33, shift_S3: carry points of the first into the other, their depths in lengths of the shift.
        found: deviations of the points.
    """
    turned_S3M = rotation_S33 @ ray_S3M.astype(float)
    parallax_S2M = other_S3M[:, :2] * shift_S3[:, 2:, None] - shift_S3[:, :2, None]
    off_S2M = turned_S3M[:, :2] - other_S3M[:, :2] * turned_S3M[:, 2:]
    square_SM = (parallax_S2M**2).sum(1) + 1e-12
    inverse_SM = (parallax_S2M * off_S2M).sum(1) / square_SM
    beside_SM = np.sqrt(((off_S2M - inverse_SM[:, None] * parallax_S2M) ** 2).sum(1))
    ahead_SM = np.maximum(turned_S3M[:, 2] + inverse_SM * shift_S3[:, 2:], 0.2)
    noise_SM = found.deviation_SM / focal * ahead_SM
    return inverse_SM, noise_SM / np.sqrt(square_SM), beside_SM / noise_SM
