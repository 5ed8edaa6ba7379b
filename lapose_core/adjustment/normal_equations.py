"""Least squares in which each step has five unknowns of its own and all steps have three in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NormalEquations:
    """Second derivatives of a cost, by the S steps' own unknowns and by those in common."""

    own_S55: np.ndarray
    mixed_S53: np.ndarray
    common_33: np.ndarray

    def by_last(self) -> tuple[np.ndarray, np.ndarray]:
        """How the minimum over all other unknowns follows the last common one: (S, 5) the own ones, (2,) the common."""
        carried_S53 = np.linalg.solve(self.own_S55, self.mixed_S53)
        reduced_33 = self._reduced(carried_S53)
        common_3 = np.append(-np.linalg.solve(reduced_33[:2, :2], reduced_33[:2, 2]), 1.0)
        return -(carried_S53 @ common_3), common_3[:2]

    def covariance(self, by_common_S53: np.ndarray) -> np.ndarray:
        """Covariance (S, 5, 5) of own unknowns + `by_common_S53` @ common ones."""
        carried_S53 = np.linalg.solve(self.own_S55, self.mixed_S53)
        lever_S53 = by_common_S53 - carried_S53
        common_33 = np.linalg.inv(self._reduced(carried_S53))
        return np.linalg.inv(self.own_S55) + lever_S53 @ common_33 @ lever_S53.swapaxes(-1, -2)

    def _reduced(self, carried_S53: np.ndarray) -> np.ndarray:
        return self.common_33 - (self.mixed_S53.swapaxes(-1, -2) @ carried_S53).sum(0)
