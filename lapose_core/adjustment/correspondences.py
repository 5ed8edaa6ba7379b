"""The same points in both frames of each step, from what the model matched."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from lapose_core.model.config import QUERY_STRIDE, ModelConfig

#: Pixels: nearer to the picture's edge, a target is where the window ended.
_EDGE = 2.0
#: Pixels a cell's position is off by for each cell of the refinement's spread (1.8 million rendered matches: 0.4 to 1.0
#: for spreads of 0.75 to 1.4), and the least of it.
_DEVIATION, _LEAST_DEVIATION = 0.7, 0.2


@dataclass(frozen=True)
class Correspondences:
    """M points in both frames of each of S steps. The first half are cells of the older frame, the rest of the newer.

    Attributes:
        older_S2M, newer_S2M: pixels right of and below where the optical axis meets the model's input, as a pinhole
            would have them.
        deviation_SM: standard deviation of where the points are, pixels, for those that are no outliers.
        weight_SM: from 0 (outside the picture) to 1 (surely the same point).
    """

    older_S2M: np.ndarray
    newer_S2M: np.ndarray
    deviation_SM: np.ndarray
    weight_SM: np.ndarray

    @classmethod
    def of_matches(
        cls,
        matches_S2NC: np.ndarray,
        config: ModelConfig,
        axis: tuple[float, float] = (0.0, 0.0),
        distortion: float = 0.0,
    ) -> Correspondences:
        """From the inverse dynamics model's matches, there and back (`LAPose.infer_action`).

        Args:
            axis: where the optical axis meets the picture, pixels right of and below its middle.
            distortion: of the lens, see `KnownCamera`.
        """
        middle_21 = np.array([[config.image_width / 2], [config.image_height / 2]], np.float32)
        cells_S2N = np.broadcast_to(
            cells(config.image_width, config.image_height) - middle_21, (len(matches_S2NC), 2, matches_S2NC.shape[2])
        )
        target_SD2N = matches_S2NC[..., :2].swapaxes(-1, -2) - middle_21
        older_S2M = np.concatenate([cells_S2N, target_SD2N[:, 1]], axis=-1)
        newer_S2M = np.concatenate([target_SD2N[:, 0], cells_S2N], axis=-1)
        inside_S2M = (np.abs(older_S2M) < middle_21 - _EDGE) & (np.abs(newer_S2M) < middle_21 - _EDGE)
        peak_SM, spread_SM = (matches_S2NC[..., number].reshape(len(matches_S2NC), -1) for number in (2, 4))
        axis_21 = np.array(axis, np.float32)[:, None]
        return cls(
            *(_straightened(points - axis_21, config, distortion) for points in (older_S2M, newer_S2M)),
            np.maximum(_DEVIATION * spread_SM, _LEAST_DEVIATION),
            np.where(inside_S2M.all(axis=1), np.sqrt(peak_SM), np.float32(0)),
        )

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All of it, as the loops take it."""
        return self.older_S2M, self.newer_S2M, self.deviation_SM, self.weight_SM

    @property
    def back(self) -> Correspondences:
        """The same from the newer frame to the older one."""
        return replace(self, older_S2M=self.newer_S2M, newer_S2M=self.older_S2M)

    def part(self, points: slice, steps: slice = slice(None)) -> Correspondences:
        """Some of the points of some of the steps."""
        # The loops are compiled for arrays without gaps.
        return Correspondences(*(np.ascontiguousarray(value[steps, ..., points]) for value in self.arrays))

    def moved(self, across: float) -> Correspondences:
        """The same as seen from an optical axis that meets the picture so many pixels farther right."""
        offset_21 = np.array([[across], [0.0]], np.float32)
        return replace(self, older_S2M=self.older_S2M - offset_21, newer_S2M=self.newer_S2M - offset_21)

    def half(self, config: ModelConfig) -> Correspondences:
        """Every other cell, like a chessboard: neighbours say the same, for twice the cost."""
        chosen = _chessboard(config.image_width, config.image_height)
        return Correspondences(*(value.take(chosen, axis=-1) for value in self.arrays))


def _straightened(points_S2M: np.ndarray, config: ModelConfig, distortion: float) -> np.ndarray:
    """Where a pinhole would have the points: the division model."""
    if not distortion:
        return points_S2M
    reach_S1M = np.square(points_S2M * np.float32(2 / config.image_width)).sum(1, keepdims=True)
    return points_S2M / (1 + np.float32(distortion) * reach_S1M)


@functools.cache
def _chessboard(width: int, height: int) -> np.ndarray:
    """The indices of every other cell, those of the newer frame between those of the older."""
    column, row = cells(width, height) // QUERY_STRIDE
    white_N = (column + row) % 2 == 0
    return np.flatnonzero(np.concatenate([white_N, ~white_N]))


@functools.cache
def cells(width: int, height: int) -> np.ndarray:
    """(2, N) pixel positions of the cells' centres in a model input of this size, row by row."""
    xs = np.arange(QUERY_STRIDE / 2, width, QUERY_STRIDE, np.float32)
    ys = np.arange(QUERY_STRIDE / 2, height, QUERY_STRIDE, np.float32)
    places_2N = np.stack(np.meshgrid(xs, ys)).reshape(2, -1)
    places_2N.flags.writeable = False  # all who ask get this one
    return places_2N
