"""The camera of a vehicle that turns: seen through the right one, a point is as far by the step before as by the next.

A rotation about the upright axis moves points along the very lines on which their depth does: the more the longer the
focal length, and the more on the side that is farther from the optical axis. Two frames cannot tell one from the other,
three can. Going straight they tell nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lapose_core.adjustment.camera import KnownCamera, focal_of, focal_through, seen_through
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.depth_loops import depth_difference
from lapose_core.adjustment.epipolar import CameraDoubt, EpipolarFit, distance_to_lines
from lapose_core.adjustment.head_prior import fit_head, reach_of
from lapose_core.adjustment.learned import USUAL_AXIS, USUAL_FOV_X, CameraWord
from lapose_core.adjustment.lengths import DIFFERENT, sight_twice
from lapose_core.geometry import make_pose
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import DecodedMotions
from lapose_core.runtime.calibration import turn_of

#: Radians: a window that turns less in all tells nothing of the camera, and takes half the time.
_TELLING_TURN = 0.2
#: So far beside the focal length believed (logarithm), then beside the one found, depths are compared.
_REACHES = (0.1, 0.08)
#: The same beside the optical axis, widths of the model's input.
_AXIS_REACH = 0.0125
#: Of a camera that depths are compared through: as good as fixed.
_FIXED = CameraDoubt(focal=1e-4, axis=(0.002, 0.002))
#: Of the head's variances (direction, rotation): on the wrong rotations, the camera that fits is a wrong one.
_UNSURE_OF_TURNS = np.repeat([1.0, 30.0], 3)
#: A cost that bends less says nothing of the focal length but which way is down; so many reaches is a step at most.
_LEAST_BEND, _FARTHEST = 20.0, 1.5
#: The same of the optical axis, by what is usual.
_LEAST_AXIS_BEND, _FARTHEST_AXIS = (3 * USUAL_AXIS) ** -2, 2 * USUAL_AXIS
#: So many cells count as one: neighbours err together. Deviations at which cells start to count as outliers.
_ALIKE, _SCALE = 5.0, 1.0
#: The same for the ratios of steps: of those in `lengths`, as many as need be.
_RATIO_SCALES = np.array([4.0, 2.0, 2.0])
#: What epipolar lines say of the optical axis counts less than what they say of motions: a lens bends them too.
_LINES_SHARE = 0.2


def ask_bend(decoded: DecodedMotions, found: Correspondences, config: ModelConfig, camera: KnownCamera) -> CameraWord:
    """What a window says of its camera: the head's guess, and in a bend more of what is not known.

    Args:
        decoded: the head's motions of S steps.
        found: their matches.
        config: the model's.
        camera: what is known of it.
    """
    usual = focal_through(USUAL_FOV_X, config)
    word = CameraWord(math.log(focal_of(decoded, config) / usual))
    if turn_of(make_pose(decoded.translation_S3, decoded.quaternion_S4)) < _TELLING_TURN:
        return word
    decoded = replace(decoded, variance_S6=decoded.variance_S6 * _UNSURE_OF_TURNS)
    axis = 0.0 if camera.axis is not None else camera.learned.axis_across(word)[0]
    found = found.moved(axis * config.image_width)
    half = found.half(config)
    if camera.focal is None:
        believed = usual * math.exp(camera.learned.log_focal(word))
        focal, seen, fit, information = _ask_focal(decoded, found, half, config, believed)
        word = replace(word, depths=math.log(focal / usual), information=information)
    else:
        seen = seen_through(decoded, camera.focal, config)
        fit = fit_head(seen, half, config, _FIXED)
    if camera.axis is None:
        step, information = _ask_axis(seen, found, half, config, fit)
        word = replace(word, axis=axis + step, axis_information=information)
    return word


def _ask_focal(
    decoded: DecodedMotions, found: Correspondences, half: Correspondences, config: ModelConfig, focal: float
) -> tuple[float, DecodedMotions, EpipolarFit, float]:
    """The focal length by depths, from one believed; motions and fit near it; one over its logarithm's variance."""
    fit, information = None, 0.0
    for reach in _REACHES:
        seen = seen_through(decoded, focal, config)
        length_S, fit = reach_of(seen), fit_head(seen, half, config, _FIXED, fit)
        costs = (compare_depths(found, fit.through(step), length_S) for step in (-reach, 0.0, reach))
        step, information = _find_lowest(*costs, reach)
        fit = fit.through(step)
        focal = fit.focal
    return focal, seen, fit, information


def _ask_axis(
    seen: DecodedMotions, found: Correspondences, half: Correspondences, config: ModelConfig, fit: EpipolarFit
) -> tuple[float, float]:
    """How far right of where it is believed the optical axis is, by depths and lines; one over its variance."""
    length_S = reach_of(seen)

    def cost(aside: float) -> float:
        pixels = aside * config.image_width
        moved = found.moved(pixels)
        there = fit_head(seen, half.moved(pixels), config, _FIXED, fit.beside(pixels / fit.focal))
        return compare_depths(moved, there, length_S) + _LINES_SHARE * distance_to_lines(moved, there)

    return _find_axis(cost(-_AXIS_REACH), cost(0.0), cost(_AXIS_REACH))


def compare_depths(found: Correspondences, fit: EpipolarFit, length_S: np.ndarray) -> float:
    """The cost of a camera: squared deviations between the depths of cells that were seen from both sides, robustly.

    As if all cells in the picture were as those near their epipolar lines: else a worse fit would have fewer to count.
    """
    sights = sight_twice(found, fit)
    ratio_J = np.exp(sights.log_ratio(np.diff(np.log(length_S)), _RATIO_SCALES)[0])
    depths = sights.before_JN, sights.after_JN, sights.before_deviation_JN, sights.after_deviation_JN
    cost = depth_difference(*depths, sights.seen_JN, ratio_J, DIFFERENT, _SCALE)
    return cost / max(sights.seen_JN.sum(), 1) * sights.inside_JN.sum() / _ALIKE


def _find_lowest(below: float, here: float, above: float, reach: float) -> tuple[float, float]:
    """The step to where a cost is lowest, by the cost here and so far on either side, and one over its variance."""
    bend, slope = _parabola(below, here, above, reach)
    farthest = _FARTHEST * reach
    if bend <= _LEAST_BEND:
        return -math.copysign(farthest, slope), 0.0
    return min(max(-0.5 * slope / bend, -farthest), farthest), bend


def _find_axis(below: float, here: float, above: float) -> tuple[float, float]:
    """The same of the optical axis, for which a slope alone says something too."""
    bend, slope = _parabola(below, here, above, _AXIS_REACH)
    bend = max(bend, _LEAST_AXIS_BEND)
    return min(max(-0.5 * slope / bend, -_FARTHEST_AXIS), _FARTHEST_AXIS), bend


def _parabola(below: float, here: float, above: float, reach: float) -> tuple[float, float]:
    """Half the second derivative and the first of the parabola through three costs, `reach` apart."""
    return (above + below - 2 * here) / 2 / reach**2, (above - below) / (2 * reach)
