"""Whether covariances are what they claim: the share of errors inside the ellipsoids that are to hold so many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import f

from lapose_core.geometry import rotation_vector_of
from lapose_core.runtime.calibration import FREEDOM

#: Shares of the errors that the ellipsoids are to hold.
NOMINAL = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Coverage:
    """Share of the errors inside the ellipsoids for `NOMINAL`: those of a Student's t with the published covariance.

    Errors of one clip have causes in common: steps are many, independent ones few.

    Attributes:
        motion: of all six numbers together.
        translation, rotation: of three of them.
        steps: how many errors there were.
    """

    motion: tuple[float, ...]
    translation: tuple[float, ...]
    rotation: tuple[float, ...]
    steps: int


def motion_errors(estimated_S44: np.ndarray, truth_S44: np.ndarray) -> np.ndarray:
    """Errors (S, 6) of motions, as `Motion.covariance` has them: translation and rotation vector to the truth."""
    turn_S33 = truth_S44[:, :3, :3] @ np.swapaxes(estimated_S44[:, :3, :3], -1, -2)
    return np.concatenate([truth_S44[:, :3, 3] - estimated_S44[:, :3, 3], rotation_vector_of(turn_S33)], axis=-1)


def squared_distance(error_Sn: np.ndarray, covariance_Snn: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance (S,)."""
    return np.einsum("si,si->s", error_Sn, np.linalg.solve(covariance_Snn, error_Sn[..., None])[..., 0])


def ellipsoid(share: float, numbers: int) -> float:
    """Squared Mahalanobis distance, by the covariance, within which such a share of errors of so many numbers is to be.

    That of a multivariate Student's t (Kotz and Nadarajah 2004, chapter 1) with `FREEDOM` degrees.
    """
    return numbers * float(f.ppf(share, numbers, FREEDOM)) * (FREEDOM - 2) / FREEDOM


def measure_coverage(error_S6: np.ndarray, covariance_S66: np.ndarray) -> Coverage:
    """Coverage of at least one error (S, 6) by its covariance (S, 6, 6)."""

    def shares(part: slice) -> tuple[float, ...]:
        error_Sn = error_S6[:, part]
        distance_S = squared_distance(error_Sn, covariance_S66[:, part, part])
        return tuple(float(np.mean(distance_S <= ellipsoid(share, error_Sn.shape[1]))) for share in NOMINAL)

    return Coverage(shares(slice(0, 6)), shares(slice(0, 3)), shares(slice(3, 6)), len(error_S6))
