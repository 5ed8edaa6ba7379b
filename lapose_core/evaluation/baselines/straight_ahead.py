"""Going straight ahead."""

from __future__ import annotations

import numpy as np

from lapose_core.evaluation.method import ClipEstimate, Method


class StraightAhead(Method):
    """Always straight along the optical axis, with the true step lengths.

    It sees nothing and yet scores well wherever roads are straight, which is why every table shows it: a model that has
    not learned to turn is no better.
    """

    name = "straight ahead, true step lengths"

    def describe(self, image_HWC: np.ndarray) -> None:
        return None

    def compare(self, previous: None, current: None, interval_s: float) -> None:
        return None

    def estimate(self, steps: list[None], intervals_S: np.ndarray, truth_S44: np.ndarray) -> ClipEstimate:
        motions_S44 = np.tile(np.eye(4), (len(truth_S44), 1, 1))
        motions_S44[:, 2, 3] = np.linalg.norm(truth_S44[:, :3, 3], axis=-1)
        return ClipEstimate(motions_S44)
