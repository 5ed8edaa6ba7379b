"""Fits a `Calibration` to samples: what a Student's t finds most likely, then widened until it covers them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from lapose_core.calibration.samples import Samples
from lapose_core.errors import LaposeError
from lapose_core.evaluation.coverage import NOMINAL, Coverage, measure_coverage, motion_errors, squared_distance
from lapose_core.runtime.calibration import FREEDOM, Calibration

#: Fewer clips than this say nothing of the rare errors.
LEAST_CLIPS = 20
#: Of `Calibration.numbers`: what each may be. Doubt never shrinks where it gets harder to see.
_BOUNDS = [
    *[(-3.0, 3.0)] * 6,
    *[(0.4, 2.0), (0.3, 3.0), (0.1, 3.0), (0.1, 3.0)],
    *[(0.4, 2.0), (0.3, 3.0), (0.1, 3.0), (0.1, 3.0)],
    *[(0.0, 0.6), (0.0, 0.6), (0.0, 3.0), (-0.8, 0.8)],
]
#: Middle and standard deviation of what is believed before any sample is seen, where few tell.
_BELIEVED = np.array([0.0] * 6 + 2 * [0.5, 1.0, 0.5, 0.5] + [0.0, 0.0, 1.0, 0.0])
_BELIEF = np.array([1.0] * 6 + 2 * [0.2, 0.5, 0.5, 0.5] + [0.3, 0.3, 0.5, 0.5])


def fit_calibration(samples: Samples) -> Calibration:
    """The calibration under which the samples' errors are as large as they are said to be.

    Raises LaposeError for too few clips.
    """
    clips = len(np.unique(samples.clip_S))
    if clips < LEAST_CLIPS:
        raise LaposeError(f"{clips} clips are too few to calibrate with: give {LEAST_CLIPS} or more")
    error_S6 = motion_errors(samples.poses_S44, samples.truth_S44)

    def surprise(numbers: np.ndarray) -> float:
        covariance_S66 = covariances(Calibration.from_numbers(numbers), samples)
        _, log_volume_S = np.linalg.slogdet(covariance_S66)
        distance_S = squared_distance(error_S6, covariance_S66) / (FREEDOM - 2)
        likelihood_S = 0.5 * log_volume_S + 0.5 * (FREEDOM + 6) * np.log1p(distance_S)
        # The steps of a clip have their errors in common: a clip counts as two.
        return float(likelihood_S.mean() * 2 * clips + 0.5 * np.sum(((numbers - _BELIEVED) / _BELIEF) ** 2))

    found = minimize(surprise, _BELIEVED + 0.1, method="L-BFGS-B", bounds=_BOUNDS, options={"maxiter": 60})
    return _covering(Calibration.from_numbers(found.x), samples, error_S6)


def covariances(calibration: Calibration, samples: Samples) -> np.ndarray:
    """Calibrated covariances (S, 6, 6) of samples."""
    return calibration.covariance(
        samples.poses_S44,
        samples.variance_S6,
        samples.intervals_S,
        samples.sight_S,
        samples.turn_S,
        samples.told_S,
    )


def _covering(calibration: Calibration, samples: Samples, error_S6: np.ndarray) -> Calibration:
    """Wider or narrower, translation and rotation each, until the shares inside come nearest to nominal."""
    widths = np.exp(np.linspace(-0.4, 0.5, 19))

    def miss(tried: Calibration) -> float:
        coverage = measure_coverage(error_S6, covariances(tried, samples))
        shares = np.array([coverage.motion, coverage.translation, coverage.rotation])
        # Above all the largest ones, but not the largest alone: no width may be able to mend that.
        return float(((shares - NOMINAL) ** 4).sum())

    tried = [_widened(calibration, one, other) for one in widths for other in widths]
    return min(tried, key=miss)


def _widened(calibration: Calibration, translation: float, rotation: float) -> Calibration:
    wide = np.array(calibration.factors) * np.repeat([translation, rotation], 3)
    return replace(
        calibration,
        factors=tuple(map(float, wide)),
        scale_share=calibration.scale_share * translation,
        straight_share=calibration.straight_share * translation,
        scale_factor=calibration.scale_factor * translation,
    )


def coverage_of(calibration: Calibration, samples: Samples) -> Coverage:
    """Coverage of the samples' errors by their calibrated covariances."""
    error_S6 = motion_errors(samples.poses_S44, samples.truth_S44)
    return measure_coverage(error_S6, covariances(calibration, samples))
