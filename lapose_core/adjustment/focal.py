"""Focal length of a camera that turns: seen through the right one, a point is as far by the step before as by the next.

A rotation moves points by how long the focal length is along the very lines on which depth does: two frames cannot
tell one from the other, three can. Going straight they tell nothing.
"""

from __future__ import annotations

import math

import numpy as np

from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import EpipolarFit
from lapose_core.adjustment.lengths import DIFFERENT, sight_twice

#: A cost that bends less says nothing but which way is down; and so many reaches is a step at most.
_LEAST_BEND, _FARTHEST = 20.0, 1.5
#: So many cells count as one: neighbours err together. Deviations at which cells start to count as outliers.
_ALIKE, _SCALE = 5.0, 1.0
#: The same for the ratios of steps: of those in `lengths`, as many as need be.
_RATIO_SCALES = (4.0, 2.0, 2.0)


def compare_depths(found: Correspondences, fit: EpipolarFit, length_S: np.ndarray, reach: float) -> tuple[float, float]:
    """A step towards where depths agree best: what to add to the logarithm of the fit's focal length.

    Args:
        found, fit: of the same S steps.
        length_S: believed step lengths, metres, positive.
        reach: so far on either side of the fit's logarithm depths are compared.

    Returns:
        The step, and how much depths inform of where it leads (one over a variance).
    """
    shorter, here, longer = (_disagreement(found, fit.through(offset), length_S) for offset in (-reach, 0.0, reach))
    bend, slope = (longer + shorter - 2 * here) / 2 / reach**2, (longer - shorter) / (2 * reach)
    farthest = _FARTHEST * reach
    if bend <= _LEAST_BEND:
        return -math.copysign(farthest, slope), 0.0
    return min(max(-0.5 * slope / bend, -farthest), farthest), bend


def _disagreement(found: Correspondences, fit: EpipolarFit, length_S: np.ndarray) -> float:
    """Squared deviations between the depths of the cells that were seen from both sides, robustly.

    As if all cells in the picture were as those near their epipolar lines: else a worse fit would have fewer to count.
    """
    sights = sight_twice(found, fit)
    ratio_J1 = np.exp(sights.log_ratio(np.diff(np.log(length_S))[:, None], _RATIO_SCALES)[0]).astype(np.float32)
    difference_JN = sights.after_JN - sights.before_JN * ratio_J1
    nearness_JN = 0.5 * np.maximum(sights.after_JN + sights.before_JN * ratio_J1, 0.0)
    variance_JN = sights.after_deviation_JN**2 + (sights.before_deviation_JN * ratio_J1) ** 2
    surprise_JN = difference_JN**2 / (variance_JN + (DIFFERENT * nearness_JN) ** 2)
    cost_JN = sights.seen_JN * surprise_JN / (1 + surprise_JN / _SCALE**2)
    return float(cost_JN.sum() / max(sights.seen_JN.sum(), 1) * sights.inside_JN.sum()) / _ALIKE
