"""Vehicles that drive about: one ahead, oncoming ones, neighbours, and ones on the crossing streets."""

from __future__ import annotations

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.boxes import make_cars
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import MOTORWAY, Roads
from lapose_core.world.vehicle import Drive

# Our own vehicle and the room about it: middle ahead of the rear axle, half length, half width.
_MIDDLE_M, _HALF_LENGTH_M, _HALF_WIDTH_M = 1.4, 3.2, 1.3
_AHEAD, _ONCOMING, _NEIGHBOURS, _CROSSING = 1, 3, 2, 4


def drive_traffic(rng: np.random.Generator, roads: Roads, drive: Drive, config: WorldConfig) -> np.ndarray:
    """Boxes (B, T, K, BOX_STRIDE) of the moving vehicles in each frame, with their pose in the next."""
    time = drive.time_BT[:, :, None]
    B, T = drive.time_BT.shape
    mean_speed = np.abs(drive.speed_BT).mean(1)[:, None, None]
    motorway = (roads.place_B == MOTORWAY)[:, None, None]
    flow = np.where(motorway, rng.uniform(20, 33, (B, 1, 1)), rng.uniform(5, 14, (B, 1, 1)))

    # Along the road driven.
    gap = rng.uniform(8, 40, (B, 1, _AHEAD)) + 3.0 * np.sin(
        time * rng.uniform(0.1, 0.5, (B, 1, _AHEAD)) + rng.uniform(0, 6, (B, 1, _AHEAD))
    )
    ahead = drive.along_BT[:, :, None] + gap
    spread = 40 + (flow + mean_speed) * time[:, -1:]
    oncoming = drive.along_BT[:, :1, None] + rng.uniform(0.1, 1, (B, 1, _ONCOMING)) * spread - flow * time
    neighbours = (
        drive.along_BT[:, :1, None]
        + rng.uniform(-15, 60, (B, 1, _NEIGHBOURS))
        + (mean_speed + rng.normal(0, 2.0, (B, 1, _NEIGHBOURS))) * time
    )
    along = np.concatenate([ahead, oncoming, neighbours], 2)
    inner = np.maximum(roads.lanes_B // 2 - 1, 0)
    own_lanes = np.where(motorway[:, 0, 0], roads.lanes_B, inner + 1)
    lane = np.floor(rng.random((B, _AHEAD + _NEIGHBOURS)) * own_lanes[:, None])
    with_us = np.stack([roads.lane_offset(lane[:, i]) for i in range(lane.shape[1])], 1)
    against = np.stack([-roads.lane_offset(np.floor(rng.random(B) * (inner + 1))) for _ in range(_ONCOMING)], 1)
    other_side = roads.right_hand_B * (roads.half_width_B + rng.uniform(5, 12, B))
    against = np.where(motorway[:, 0], other_side[:, None] + 3.6 * rng.integers(0, 2, (B, _ONCOMING)), against)
    left = np.concatenate([with_us[:, :_AHEAD], against, with_us[:, _AHEAD:]], 1)[:, None] + rng.normal(
        0, 0.15, (B, 1, along.shape[2])
    )
    flat = along.reshape(B, -1)
    x, y, heading = (
        v.reshape(along.shape) for v in roads.point(flat, np.broadcast_to(left, along.shape).reshape(B, -1))
    )
    heading = heading + np.pi * (
        (np.arange(along.shape[2]) >= _AHEAD) & (np.arange(along.shape[2]) < _AHEAD + _ONCOMING)
    )

    # On the crossing streets.
    street = roads.chain + rng.integers(0, np.maximum(roads.count_B - roads.chain, 1)[:, None], (B, _CROSSING))
    street = np.minimum(street, roads.arcs_BAC.shape[1] - 1)
    arc = roads.arcs_BAC[np.arange(B)[:, None], street][:, None]
    direction = rng.choice([-1.0, 1.0], (B, 1, _CROSSING))
    on = (
        rng.uniform(0, 1, (B, 1, _CROSSING)) * arc[..., t.LENGTH]
        + direction * rng.uniform(0, 9, (B, 1, _CROSSING)) * time
    )
    cos, sin = arc[..., t.START_COS], arc[..., t.START_SIN]
    lane_left = -direction * roads.right_hand_B[:, None, None] * 0.5 * arc[..., t.HALF_WIDTH]
    x = np.concatenate([x, arc[..., t.START_X] + on * cos - lane_left * sin], 2)
    y = np.concatenate([y, arc[..., t.START_Y] + on * sin + lane_left * cos], 2)
    heading = np.concatenate([heading, np.arctan2(direction * sin, direction * cos) + 0 * on], 2)
    on_street = ((on > 0) & (on < arc[..., t.LENGTH])).all(1)

    count = x.shape[2]
    present = rng.random((B, count)) < np.clip(rng.gamma(1.5, config.traffic / 1.5, (B, 1)) / count, 0, 1)
    present[:, -_CROSSING:] &= on_street & (roads.count_B > roads.chain)[:, None]
    cars = make_cars(rng, x, y, heading, np.broadcast_to(present[:, None], x.shape), 0.14)
    cars[..., t.HALF_Z] *= ~_comes_near(drive, cars[..., 0, :])[:, None, :, None]
    cars[:, :-1, ..., t.NEXT_X], cars[:, :-1, ..., t.NEXT_Y] = (
        cars[:, 1:, ..., t.CENTRE_X],
        cars[:, 1:, ..., t.CENTRE_Y],
    )
    cars[:, :-1, ..., t.NEXT_COS], cars[:, :-1, ..., t.NEXT_SIN] = (
        cars[:, 1:, ..., t.BOX_COS],
        cars[:, 1:, ..., t.BOX_SIN],
    )
    return cars.reshape(B, T, -1, t.BOX_STRIDE)


def _comes_near(drive: Drive, cars: np.ndarray) -> np.ndarray:
    """Whether (B, N) each vehicle (B, T, N, BOX_STRIDE) touches ours, or may between two frames."""
    dx, dy = cars[..., t.CENTRE_X] - drive.x_BT[:, :, None], cars[..., t.CENTRE_Y] - drive.y_BT[:, :, None]
    cos, sin = np.cos(drive.yaw_BT)[:, :, None], np.sin(drive.yaw_BT)[:, :, None]
    forward, aside = dx * cos + dy * sin - _MIDDLE_M, dy * cos - dx * sin
    along = np.abs(cars[..., t.BOX_COS] * cos + cars[..., t.BOX_SIN] * sin)
    across = np.sqrt(np.maximum(1 - along**2, 0))
    long, wide = cars[..., t.HALF_X], cars[..., t.HALF_Y]
    step = np.abs(np.diff(forward, axis=1, append=forward[:, -1:]))
    touches = np.abs(forward) < _HALF_LENGTH_M + along * long + across * wide + step
    return (touches & (np.abs(aside) < _HALF_WIDTH_M + across * long + along * wide)).any(1)
