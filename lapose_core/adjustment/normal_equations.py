"""Least squares in which each step has five unknowns of its own and all steps have three in common."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class NormalEquations:
    """Second and first derivatives of a cost, by the S steps' own unknowns and by those in common.

    Sums of costs are sums of these.
    """

    own_S55: np.ndarray
    mixed_S53: np.ndarray
    common_33: np.ndarray
    own_gradient_S5: np.ndarray
    common_gradient_3: np.ndarray

    def __add__(self, other: NormalEquations) -> NormalEquations:
        return NormalEquations(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """The step (S, 5) and (3,) to the minimum. The steps' own unknowns are eliminated: three remain."""
        gradient_S51 = self.own_gradient_S5[..., None]
        carried_S53, alone_S51 = np.split(
            np.linalg.solve(self.own_S55, np.concatenate([self.mixed_S53, gradient_S51], axis=-1)), [3], axis=-1
        )
        gradient_3 = self.common_gradient_3 - (self.mixed_S53 * alone_S51).sum((0, 1))
        common_3 = -np.linalg.solve(self._reduced(carried_S53), gradient_3)
        return -(alone_S51[..., 0] + carried_S53 @ common_3), common_3

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
