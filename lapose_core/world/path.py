"""The line that the vehicle's rear axle follows: its lane with wander and lane changes, smoothed as one steers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.world.roads import Roads

_MARGIN = 48  # points before and after the path, for smoothing
_LEAST_POINTS = 768
_STEP_M = 0.75


@dataclass(frozen=True)
class Path:
    """Points of B lines, in the order in which they are driven; metres, radians.

    Attributes:
        travelled_BN: distance driven so far, from 0.
        x_BN, y_BN, heading_BN: rear axle, and the vehicle's heading, the tangent: the rear wheels do not slip.
        curvature_BN: of the line as seen going forward, left positive.
        along_BN: distance along the road.
    """

    travelled_BN: np.ndarray
    x_BN: np.ndarray
    y_BN: np.ndarray
    heading_BN: np.ndarray
    curvature_BN: np.ndarray
    along_BN: np.ndarray

    def reversed_where(self, backwards_B: np.ndarray) -> Path:
        """The same lines, some of them driven backwards from their far end."""
        back = backwards_B[:, None]
        turned = (np.where(back, v[:, ::-1], v) for v in list(vars(self).values())[1:])
        travelled = np.where(back, self.travelled_BN[:, -1:] - self.travelled_BN[:, ::-1], self.travelled_BN)
        return Path(travelled, *turned)

    def at(self, travelled_BT: np.ndarray) -> list[np.ndarray]:
        """x, y, heading, curvature and distance along the road after the given distances."""
        return [interpolate(travelled_BT, self.travelled_BN, v) for v in list(vars(self).values())[1:]]


def interpolate(x_BN: np.ndarray, grid_BM: np.ndarray, values_BM: np.ndarray) -> np.ndarray:
    """np.interp for each row."""
    return np.stack([np.interp(*row) for row in zip(x_BN, grid_BM, values_BM, strict=True)])


def smooth_noise(rng: np.random.Generator, position_BN: np.ndarray, wavelength_B: np.ndarray) -> np.ndarray:
    """Noise of about unit variance along `position_BN`, metres, as a sum of five sines near each wavelength."""
    B = len(position_BN)
    k = 2 * np.pi / (wavelength_B[:, None] * np.exp(rng.normal(0, 0.5, (B, 5))))
    phase = rng.uniform(0, 2 * np.pi, (B, 5))
    amplitude = rng.normal(0, 0.63, (B, 5))
    return np.einsum("bk,bnk->bn", amplitude, np.sin(position_BN[:, :, None] * k[:, None] + phase[:, None]))


def _box_filter(values_BN: np.ndarray, half_B: np.ndarray) -> np.ndarray:
    """Mean over 2 * half + 1 points of each row."""
    B, N = values_BN.shape
    total = np.concatenate([np.zeros((B, 1)), np.cumsum(values_BN, 1)], 1)
    index = np.arange(N)
    low = np.maximum(index - half_B[:, None], 0)
    high = np.minimum(index + half_B[:, None] + 1, N)
    return (np.take_along_axis(total, high, 1) - np.take_along_axis(total, low, 1)) / (high - low)


def _lane_position(rng: np.random.Generator, roads: Roads, along_BN: np.ndarray, cruise_B: np.ndarray) -> np.ndarray:
    """Metres to the left of the road's middle: a lane, wander about it, now and then a change of lane."""
    B = len(along_BN)
    own_lanes = roads.own_lanes_B
    lane = np.floor(rng.random(B) * own_lanes)
    wander = rng.uniform(0.03, 0.3, B)[:, None] * smooth_noise(rng, along_BN, rng.uniform(40, 120, B))
    change = np.where((own_lanes > 1) & (rng.random(B) < 0.3), roads.lane_width_B, 0.0) * np.where(lane > 0, -1, 1)
    begin = along_BN[:, 0] + rng.uniform(0, 0.8, B) * (along_BN[:, -1] - along_BN[:, 0])
    share = np.clip((along_BN - begin[:, None]) / (4 * np.maximum(cruise_B, 4))[:, None], 0, 1)
    change = (change * roads.right_hand_B)[:, None] * share * share * (3 - 2 * share)
    limit = (roads.half_width_B - roads.parking_B - 0.9)[:, None]
    # In a street of one wide lane anything goes.
    aside = np.random.Generator(rng.bit_generator.jumped())
    anywhere = np.where((roads.lanes_B == 1) & roads.one_way_B, aside.uniform(-1, 1, B), 0.0)[:, None] * limit
    return np.clip(roads.lane_offset(lane)[:, None] + anywhere + wander + change, -limit, limit)


def follow_lane(
    rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, span_B: np.ndarray, cruise_B: np.ndarray
) -> Path:
    """Paths along the roads, `span_B` metres from `begin_B` on; who cruises faster (m/s) steers more gently."""
    points = max(_LEAST_POINTS, int(span_B.max() / _STEP_M))
    step = span_B / (points - 1)
    along = begin_B[:, None] + step[:, None] * np.arange(-_MARGIN, points + _MARGIN)
    x, y, _ = roads.point(along, _lane_position(rng, roads, along, cruise_B))
    half = np.clip(0.5 * np.clip(0.35 * cruise_B, 3, 12) / step, 1, _MARGIN // 2 - 1).astype(int)
    x, y = (_box_filter(_box_filter(v, half), half) for v in (x, y))
    dx, dy = np.gradient(x, axis=1), np.gradient(y, axis=1)
    heading = np.unwrap(np.arctan2(dy, dx), axis=1)
    travelled = np.cumsum(np.hypot(np.diff(x, prepend=x[:, :1]), np.diff(y, prepend=y[:, :1])), 1)
    curvature = np.gradient(heading, axis=1) / np.maximum(np.hypot(dx, dy), 1e-6)
    travelled = travelled - travelled[:, _MARGIN, None]
    return Path(*(v[:, _MARGIN:-_MARGIN] for v in (travelled, x, y, heading, curvature, along)))
