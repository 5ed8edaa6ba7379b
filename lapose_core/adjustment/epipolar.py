"""Rotations and directions of travel of a window, its field of view and optical axis: robust Gauss-Newton.

Structureless: a match says that two rays and the step's direction lie in a plane (Sampson's distance to it, in pixels),
wherever the point is. Each step has five unknowns; the focal length and the optical axis are common to the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.normal_equations import NormalEquations
from lapose_core.geometry import rotation_from_vector

#: Deviations at which a match starts to count as an outlier (Geman-McClure), one after the other.
_SCALES = (3.0, 2.0, 1.5, 1.5)
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
    belief = _Belief(
        rotation_S33, direction_S3, variance_S6, np.array([*np.multiply(doubt.axis, width / focal), doubt.focal])
    )
    common_3 = np.zeros(3)  # optical axis (x, y) as slopes, logarithm of the focal length over that believed
    scales = _SCALES
    if start is not None:
        rotation_S33, direction_S3, scales = start.rotation_S33, start.seen_S3, _SCALES[-_AGAIN:]
        common_3 = np.array([*start.axis_2, math.log(start.focal / focal)])
    for scale in scales:
        across_S23 = _across(direction_S3)
        equations = _measured(found, rotation_S33, direction_S3, across_S23, focal * float(np.exp(common_3[2])), scale)
        equations += belief.equations(rotation_S33, direction_S3, across_S23, common_3)
        step_S5, common_step_3 = (np.clip(step, -_LONGEST, _LONGEST) for step in equations.solve())
        common_3 = common_3 + common_step_3
        rotation_S33 = rotation_S33 @ rotation_from_vector(step_S5[:, :3])
        direction_S3 = _unit(direction_S3 + (step_S5[:, None, 3:] @ across_S23)[:, 0])
    return EpipolarFit(rotation_S33, direction_S3, common_3[:2], focal * math.exp(common_3[2]), across_S23, equations)


@dataclass(frozen=True)
class _Belief:
    """What is believed beforehand: see `fit_epipolar`; deviations of what is common."""

    rotation_S33: np.ndarray
    direction_S3: np.ndarray
    variance_S6: np.ndarray
    common_deviation_3: np.ndarray

    def equations(
        self, rotation_S33: np.ndarray, direction_S3: np.ndarray, across_S23: np.ndarray, common_3: np.ndarray
    ) -> NormalEquations:
        turned_S3 = _vee(self.rotation_S33.swapaxes(-1, -2) @ rotation_S33)
        tilted_S2 = (across_S23 @ (_moved_axis(direction_S3, common_3[:2]) - self.direction_S3)[..., None])[..., 0]
        off_S5 = np.concatenate([turned_S3, tilted_S2], axis=-1)
        turn_variance_S3 = (self.variance_S6[:, 3:] + _LEAST_TURN**2) * _ROTATION_SHARE**2
        tilt_variance_S2 = (across_S23**2 @ self.variance_S6[:, :3, None])[..., 0] + _LEAST_TILT**2
        variance_S5 = np.concatenate([turn_variance_S3, tilt_variance_S2], axis=-1)
        # All that is believed of the directions counts once a window: their errors have causes in common.
        times_5 = np.repeat([1, len(off_S5)], [3, 2])
        information_S5 = 1 / ((variance_S5 + off_S5**2 / _FREEDOM) * times_5)
        # Moving the axis moves what is believed about, not what is measured.
        axis_S53 = _by_axis(direction_S3, across_S23)
        mixed_S53 = information_S5[..., None] * axis_S53
        common_information_3 = 1 / self.common_deviation_3**2
        return NormalEquations(
            information_S5[:, :, None] * np.eye(5),
            mixed_S53,
            (axis_S53.swapaxes(-1, -2) @ mixed_S53).sum(0) + np.diag(common_information_3),
            information_S5 * off_S5,
            (mixed_S53 * off_S5[..., None]).sum((0, 1)) + common_3 * common_information_3,
        )


def distance_to_lines(found: Correspondences, fit: EpipolarFit) -> float:
    """The cost of a fit: squared deviations between the points and their epipolar lines, robustly."""
    older_S3M, newer_S3M = found.rays(fit.focal)
    essential_S33 = _essential(fit.rotation_S33, fit.seen_S3)
    plane_S3M, back_S3M = essential_S33 @ newer_S3M, essential_S33.swapaxes(-1, -2) @ older_S3M
    unit_SM = np.float32(fit.focal) / (np.sqrt(_slope_squared(plane_S3M, back_S3M)) * found.deviation_SM)
    surprise_SM = (dot(older_S3M, plane_S3M) * unit_SM) ** 2
    return float((found.weight_SM * surprise_SM / (1 + surprise_SM / _SCALES[-1] ** 2)).sum()) / _ALIKE


def _measured(
    found: Correspondences,
    rotation_S33: np.ndarray,
    direction_S3: np.ndarray,
    across_S23: np.ndarray,
    focal: float,
    scale: float,
) -> NormalEquations:
    """What the matches say; of what is common they tell the focal length."""
    older_S3M, newer_S3M = found.rays(focal)
    essential_S33 = _essential(rotation_S33, direction_S3)
    plane_S3M = essential_S33 @ newer_S3M  # older . plane = 0
    back_S3M = essential_S33.swapaxes(-1, -2) @ older_S3M
    off_SM = dot(older_S3M, plane_S3M)
    square_SM = _slope_squared(plane_S3M, back_S3M)
    unit_SM = np.float32(focal) / (np.sqrt(square_SM) * found.deviation_SM)

    jacobian_S6M = np.empty((len(off_SM), 6, off_SM.shape[1]), np.float32)
    jacobian_S6M[:, :3] = _cross(newer_S3M, back_S3M)
    turned_S3M = rotation_S33.astype(np.float32) @ newer_S3M
    jacobian_S6M[:, 3:5] = across_S23.astype(np.float32) @ _cross(turned_S3M, older_S3M)
    # By the focal length both the plane's distance and its slope change; the latter is as much of the sum.
    slope_change_SM = (essential_S33[:, None, :2, 2] @ plane_S3M[:, :2] + essential_S33[:, 2:, :2] @ back_S3M[:, :2])[
        :, 0
    ]
    jacobian_S6M[:, 5] = plane_S3M[:, 2] + back_S3M[:, 2] - off_SM * slope_change_SM / square_SM
    jacobian_S6M *= unit_SM[:, None]
    off_SM *= unit_SM
    weight_SM = found.weight_SM / (1 + (off_SM / np.float32(scale)) ** 2) ** 2 / np.float32(_ALIKE)
    weighted_S6M = jacobian_S6M * weight_SM[:, None]
    hessian_S66 = (weighted_S6M @ jacobian_S6M.swapaxes(-1, -2)).astype(float)
    gradient_S6 = (weighted_S6M @ off_SM[..., None])[..., 0].astype(float)
    by_focal_3 = np.array([0.0, 0.0, 1.0])
    return NormalEquations(
        hessian_S66[:, :5, :5],
        hessian_S66[:, :5, 5:] * by_focal_3,
        hessian_S66[:, 5, 5].sum() * np.diag(by_focal_3),
        gradient_S6[:, :5],
        gradient_S6[:, 5].sum() * by_focal_3,
    )


def _essential(rotation_S33: np.ndarray, direction_S3: np.ndarray) -> np.ndarray:
    """(S, 3, 3) matrices E with older . E newer = 0."""
    return _hat(direction_S3.astype(np.float32)) @ rotation_S33.astype(np.float32)


def _slope_squared(plane_S3M: np.ndarray, back_S3M: np.ndarray) -> np.ndarray:
    """(S, M) squared slope of older . E newer over both pictures, never zero: Sampson's denominator."""
    return dot(plane_S3M[:, :2], plane_S3M[:, :2]) + dot(back_S3M[:, :2], back_S3M[:, :2]) + np.float32(1e-18)


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


def _across(direction_S3: np.ndarray) -> np.ndarray:
    """(S, 2, 3): unit vectors square to each direction and to each other."""
    least = np.eye(3)[np.abs(direction_S3).argmin(-1)]
    first = _unit(_cross(direction_S3, least))
    return np.stack([first, _cross(direction_S3, first)], axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _hat(vectors_S3: np.ndarray) -> np.ndarray:
    x, y, z = vectors_S3.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)


def _vee(rotation_S33: np.ndarray) -> np.ndarray:
    """Rotation vectors (S, 3) of small rotations, to first order."""
    skew = 0.5 * (rotation_S33 - rotation_S33.swapaxes(-1, -2))
    return np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=-1)


def _cross(a_S3M: np.ndarray, b_S3M: np.ndarray) -> np.ndarray:
    """Cross products along the second axis; numpy's own is slow."""
    (ax, ay, az), (bx, by, bz) = a_S3M.swapaxes(0, 1), b_S3M.swapaxes(0, 1)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def dot(a_SCM: np.ndarray, b_SCM: np.ndarray) -> np.ndarray:
    return np.einsum("scm,scm->sm", a_SCM, b_SCM)
