"""Rotations and directions of travel of a window, its field of view and optical axis: robust Gauss-Newton.

Structureless: a match says that two rays and the step's direction lie in a plane (Sampson's distance to it, in pixels),
wherever the point is. Each step has five unknowns; the focal length and the optical axis are common to the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lapose_core.adjustment import epipolar_loops
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.normal_equations import NormalEquations
from lapose_core.geometry import rotation_from_vector

#: Deviations at which a match starts to count as an outlier (Geman-McClure), one after the other.
_SCALES = np.array([3.0, 2.0, 1.5, 1.5])
#: Of these, so many of the last for a fit that goes on.
_AGAIN = 2
#: So many matches count as one: neighbours err together.
_ALIKE = 5.0
#: A prior that is off by more than about so many squared deviations gives way.
_FREEDOM = 3.0
#: Radians, the longest step of the iteration.
_LONGEST = 0.08
#: Radians; below, a prior's variance is not believed.
_LEAST_TURN, _LEAST_TILT = np.deg2rad(0.03), np.deg2rad(0.1)
#: The head's rotations are better than the variances that it learned early.
_ROTATION_SHARE = 0.7


@dataclass(frozen=True)
class CameraDoubt:
    """How well the camera is known beforehand.

    Attributes:
        focal: standard deviation of the focal length's logarithm.
        axis: of the optical axis' place across and along the picture, in widths of the model's input.
    """

    focal: float = 0.06
    axis: tuple[float, float] = (0.016, 0.012)


@dataclass(frozen=True)
class EpipolarFit:
    """Motions of S steps without their lengths.

    Attributes:
        rotation_S33: of the newer frame's camera in the older one's axes.
        seen_S3: directions of travel, unit, in the older camera's axes, if the optical axis is where it was believed.
        axis_2: slopes by which it is off that, right and down.
        focal: pixels of the model's input.
        across_S23: two unit vectors square to each direction.
        equations: at the minimum. The steps' own unknowns are the rotation (rotation vector in the newer camera's axes)
            and the direction along `across_S23`, radians; in common are the axis and the focal length's logarithm.
    """

    rotation_S33: np.ndarray
    seen_S3: np.ndarray
    axis_2: np.ndarray
    focal: float
    across_S23: np.ndarray
    equations: NormalEquations

    @property
    def direction_S3(self) -> np.ndarray:
        """Of travel, unit, in the older camera's axes."""
        return _moved_axis(self.seen_S3, self.axis_2)

    @property
    def covariance_S55(self) -> np.ndarray:
        """Of rotation and direction of travel, as the steps' own unknowns."""
        return self.equations.covariance(_by_axis(self.seen_S3, self.across_S23))

    @cached_property
    def _by_focal(self) -> tuple[np.ndarray, np.ndarray]:
        return self.equations.by_last()

    def beside(self, aside: float) -> EpipolarFit:
        """What fits matches that are seen from an optical axis so far (slope) to the right, to first order."""
        return replace(self, seen_S3=_moved_axis(self.seen_S3, np.array([aside, 0.0])))

    def through(self, longer: float) -> EpipolarFit:
        """What fits the same matches, to first order, if the focal length's logarithm is more by that."""
        by_focal_S5, axis_by_focal_2 = self._by_focal
        step_S5 = longer * by_focal_S5
        moved_S3 = (step_S5[:, None, 3:] @ self.across_S23)[:, 0]
        return replace(
            self,
            rotation_S33=self.rotation_S33 @ rotation_from_vector(step_S5[:, :3]),
            seen_S3=_unit(self.seen_S3 + moved_S3),
            axis_2=self.axis_2 + longer * axis_by_focal_2,
            focal=self.focal * math.exp(longer),
        )


def fit_epipolar(
    found: Correspondences,
    rotation_S33: np.ndarray,
    direction_S3: np.ndarray,
    variance_S6: np.ndarray,
    focal: float,
    width: int,
    doubt: CameraDoubt,
    start: EpipolarFit | None = None,
) -> EpipolarFit:
    """Fit the motions to the matches.

    A picture whose optical axis is off the middle shows every direction of travel turned by the same angle; only what
    is believed of the directions tells, and it is one belief for the whole window.

    Args:
        found: matches of S steps.
        rotation_S33, direction_S3: what is believed beforehand.
        variance_S6: how sure that is: of the direction and of the rotation vector (x y z), radians squared.
        focal: pixels, believed beforehand.
        width: of the model's input, pixels.
        doubt: of focal length and optical axis.
        start: from where to go on; by default from what is believed.
    """
    deviation_3 = np.array([*np.multiply(doubt.axis, width / focal), doubt.focal])
    variance_S6 = variance_S6 + np.repeat([_LEAST_TILT**2, _LEAST_TURN**2], 3)
    rotation_S33 = np.ascontiguousarray(rotation_S33)
    belief = rotation_S33, direction_S3, variance_S6 * np.repeat([1.0, _ROTATION_SHARE**2], 3), deviation_3
    if start is None:
        common_3 = np.zeros(3)  # optical axis (x, y) as slopes, logarithm of the focal length over that believed
        state, scales = (rotation_S33.copy(), direction_S3.copy(), common_3), _SCALES
    else:
        common_3 = np.array([*start.axis_2, math.log(start.focal / focal)])
        state, scales = (start.rotation_S33.copy(), start.seen_S3.copy(), common_3), _SCALES[-_AGAIN:]
    across_S23, equations_S89 = epipolar_loops.fit_steps(
        *found.arrays, *belief, *state, focal, scales, _FREEDOM, 1 / _ALIKE, _LONGEST
    )
    rotation_S33, direction_S3, common_3 = state
    equations = NormalEquations(equations_S89[:, :5, :5], equations_S89[:, :5, 5:8], equations_S89[:, 5:, 5:8].sum(0))
    return EpipolarFit(rotation_S33, direction_S3, common_3[:2], focal * math.exp(common_3[2]), across_S23, equations)


def distance_to_lines(found: Correspondences, fit: EpipolarFit) -> float:
    """The cost of a fit: squared deviations between the points and their epipolar lines, robustly."""
    total = epipolar_loops.distance_to_lines(*found.arrays, fit.rotation_S33, fit.seen_S3, fit.focal, _SCALES[-1])
    return total / _ALIKE


def _moved_axis(direction_S3: np.ndarray, axis_2: np.ndarray) -> np.ndarray:
    """The directions as they are where the optical axis is off the picture's middle by such slopes."""
    moved_S3 = direction_S3.copy()
    moved_S3[:, :2] -= axis_2 * direction_S3[:, 2:]
    return _unit(moved_S3)


def _by_axis(direction_S3: np.ndarray, across_S23: np.ndarray) -> np.ndarray:
    """(S, 5, 3): how a step's rotation and direction (`_moved_axis`, along `across_S23`) change by what is common."""
    change_S53 = np.zeros((len(direction_S3), 5, 3))
    change_S53[:, 3:, :2] = -across_S23[..., :2] * direction_S3[:, None, 2:]
    return change_S53


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
