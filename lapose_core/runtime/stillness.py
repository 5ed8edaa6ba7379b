"""Whether the camera stands still between two frames, by their pictures alone.

The model's motions of a parked car are small, but so are those of a creeping one. Each tile of the picture tells by how
much it moved, and how well that is known (least squares on brightness, Lucas and Kanade 1981, with a gain and an offset
of its own for light that changes). Creeping forward moves the ground in a pattern of its own; how far is what most
tiles agree on. Traffic moves other tiles, otherwise, and is outvoted; the lowest tiles, where a bonnet may stand, vote
apart from the rest.
"""

from __future__ import annotations

import functools
from enum import Enum

import cv2
import numpy as np

from lapose_core.runtime.view import SLOPE, TILE, View, tile_means, tiles

#: Still is slower than this, surely (two standard deviations), in camera heights a second: about 0.06 m/s.
_SLOWEST = 0.045
#: And no step is longer, in camera heights: about 2 cm, however rarely frames come.
_LONGEST_STEP = 0.014
#: Nothing is told of creeping that is known so many limits badly: 0.2 m/s would have shown through less.
_UNSURE = 2.0
#: Shares of the limits beyond which one part of the ground speaks of creeping by itself: the lowest, the rest.
_CREEPING = np.array([0.6, 0.9])
#: Focal length in widths of the view: between those of usual lenses. It only scales the two limits.
_FOCAL = 0.83
#: Pixels of the view that the whole picture may have moved: a camera's own trembling.
_TREMBLING = 0.08
#: A tile is worth asking if its shift is known to so many pixels; still, if its noise and this explain the shift.
_KNOWN, _UNMOVED = 0.15, 0.03
#: Share of the tiles that must be worth asking, and of those the share that must be still.
_LEAST_ASKED, _LEAST_STILL = 0.2, 0.6
#: What is left over in the quieter quarter of the tiles, and so many times as much, is noise.
_QUIET = 3.0
#: Pixels that smoothing has left independent, of all.
_INDEPENDENT = 1 / 8
#: Shift that the least squares leave even in a sharp picture, pixels.
_FLOOR = 0.02
#: Tiles this far off what others say (squared, in standard deviations) count half.
_DOUBTFUL = 9.0


class Stillness(Enum):
    """What two views say of the camera between them.

    Attributes:
        STILL: it stood still, surely.
        UNTOLD: nothing speaks of a motion, but too little, or too little that is sure, of standing: drops on the
            windscreen that have changed, streaks of rain.
        MOVING: it may have moved.
    """

    STILL = "still"
    UNTOLD = "untold"
    MOVING = "moving"


def judge_stillness(previous: View, current: View, interval_s: float) -> Stillness:
    """Whether the camera stood still from one view to the next."""
    if previous.is_blind or current.is_blind:
        return Stillness.MOVING
    shift_N2, covariance_N22, left_N = _tile_shifts(previous.grey_HW, current.grey_HW)
    noise_N = np.sqrt(np.trace(covariance_N22, axis1=-2, axis2=-1))
    # A tile that could tell but that no shift explains has changed altogether: that is no reason not to ask it.
    could_N = noise_N * np.sqrt(np.minimum(1.0, _QUIET * np.quantile(left_N, 0.25) / left_N))
    asked_N = could_N < _KNOWN
    unmoved_N = (noise_N < _KNOWN) & (np.linalg.norm(shift_N2, axis=-1) < 3 * noise_N + _UNMOVED)
    common_4, covariance_44 = _common_motion(shift_N2, covariance_N22, previous.grey_HW.shape)
    deviation_4 = np.sqrt(np.diag(covariance_44))
    inverse_22 = np.linalg.inv(covariance_44[:2, :2])
    known = inverse_22.sum()
    creeping, doubt = abs(float(inverse_22.sum(0) @ common_4[:2])) / known, 2 / np.sqrt(known)
    trembling_2, trembling_doubt_2 = np.abs(common_4[2:]), 2 * deviation_4[2:]
    limit = min(_SLOWEST * interval_s, _LONGEST_STEP)
    # The ground near us and that farther away, each by itself.
    if doubt >= _UNSURE * limit or np.any(np.abs(common_4[:2]) > np.maximum(limit * _CREEPING, 3.5 * deviation_4[:2])):
        return Stillness.MOVING
    most_tell = asked_N.mean() >= _LEAST_ASKED and unmoved_N[asked_N].mean() >= _LEAST_STILL
    if most_tell and creeping + doubt < limit and np.all(trembling_2 + trembling_doubt_2 < _TREMBLING):
        return Stillness.STILL
    if most_tell:
        doubt, trembling_doubt_2 = 0.0, np.zeros(2)
    may_stand = creeping - doubt < limit and np.all(trembling_2 - trembling_doubt_2 < _TREMBLING)
    return Stillness.UNTOLD if may_stand else Stillness.MOVING


def _tile_shifts(before_HW: np.ndarray, after_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far each tile has moved, pixels (N, 2), the covariance (N, 2, 2) of that, and the variance (N,) left over."""
    before, after = (cv2.GaussianBlur(grey, (0, 0), 0.8) for grey in (before_HW, after_HW))
    middle, change = 0.5 * (before + after), after - before
    terms = [-cv2.filter2D(middle, -1, SLOPE), -cv2.filter2D(middle, -1, SLOPE.T), middle, np.ones_like(middle)]
    right_N4 = np.stack([tile_means(term * change).ravel() for term in terms], axis=-1).astype(np.float64)
    normal_N44 = np.empty((*right_N4.shape, len(terms)))
    for row, column in zip(*np.triu_indices(len(terms)), strict=True):
        products_N = tile_means(terms[row] * terms[column]).ravel()
        normal_N44[:, row, column] = normal_N44[:, column, row] = products_N
    normal_N44 += np.diag([1e-3, 1e-3, 1e-1, 1e-4])
    inverse_N44 = np.linalg.inv(normal_N44)
    found_N4 = np.einsum("nij,nj->ni", inverse_N44, right_N4)
    left_N = np.maximum(tile_means(change * change).ravel() - np.sum(found_N4 * right_N4, axis=-1), 0.05)
    noise_N = left_N / (TILE * TILE * _INDEPENDENT)
    return found_N4[:, :2], inverse_N44[:, :2, :2] * noise_N[:, None, None], left_N


def _common_motion(
    shift_N2: np.ndarray, covariance_N22: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """What most tiles agree on (4,), and its covariance (4, 4).

    Creeping in camera heights, by the ground in the lowest row of tiles and by that above; and a common shift.
    """
    pattern_N24 = _ground_pattern(shape)
    weight_N22 = np.linalg.inv(covariance_N22 + _FLOOR**2 * np.eye(2))
    # Each tile's part of the normal equations is the same in every turn; only how far it is trusted changes.
    weighted_N42 = pattern_N24.swapaxes(-1, -2) @ weight_N22
    normal_N44 = weighted_N42 @ pattern_N24
    right_N4 = (weighted_N42 @ shift_N2[..., None])[..., 0]
    square_N = (shift_N2[:, None] @ weight_N22 @ shift_N2[..., None])[:, 0, 0]
    trust_N = np.ones(len(pattern_N24))
    for _ in range(6):
        normal_44 = (trust_N @ normal_N44.reshape(-1, 16)).reshape(4, 4) + 1e-9 * np.eye(4)
        common_4 = np.linalg.solve(normal_44, trust_N @ right_N4)
        left_N = square_N - 2 * right_N4 @ common_4 + normal_N44 @ common_4 @ common_4
        trust_N = 1 / (1 + np.maximum(left_N, 0.0) / _DOUBTFUL)
    return common_4, np.linalg.inv(normal_44)


@functools.cache
def _ground_pattern(shape: tuple[int, ...]) -> np.ndarray:
    """(N, 2, 4): how the tiles of a view move, right and down, by each number of `_common_motion`."""
    height, width = shape
    rows, columns = tiles(shape)
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * width / columns - width / 2, (np.arange(rows) + 0.5) * height / rows - height / 2
    )
    # A point of level ground at (x, y) off the middle is f / y heights away.
    nearness_N = np.where(y > 0.07 * height, y / (_FOCAL * width), 0.0).ravel()
    lowest_N = (y > height / 2 - height / rows).ravel()
    pattern_N24 = np.zeros((len(nearness_N), 2, 4))
    for place, part_N in enumerate((lowest_N, ~lowest_N)):
        pattern_N24[:, 0, place] = part_N * nearness_N * x.ravel()
        pattern_N24[:, 1, place] = part_N * nearness_N * y.ravel()
    pattern_N24[:, 0, 2] = pattern_N24[:, 1, 3] = 1.0
    return pattern_N24
