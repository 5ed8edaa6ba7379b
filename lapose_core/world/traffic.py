"""Vehicles that drive about: ahead, oncoming, beside us, and on the crossing streets."""

from __future__ import annotations

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.boxes import make_cars
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import MOTORWAY, Roads
from lapose_core.world.vehicle import Drive

_AHEAD, _ONCOMING, _NEIGHBOURS, _CROSSING = 2, 4, 7, 4  # at most
_LORRIES = 0.14  # share
# Our own vehicle and the room about it: middle ahead of the rear axle, half length, half width; metres.
_MIDDLE_M, _HALF_LENGTH_M, _HALF_WIDTH_M = 1.4, 3.2, 1.3

_Poses = tuple[np.ndarray, np.ndarray, np.ndarray]  # x, y, heading


def drive_traffic(rng: np.random.Generator, roads: Roads, drive: Drive, config: WorldConfig) -> np.ndarray:
    """Boxes (B, T, K, BOX_STRIDE) of the moving vehicles in each frame, with their pose in the next."""
    B, T = drive.time_BT.shape
    dense = rng.random(B) < config.dense_share
    *crossing, on_street = _on_crossings(rng, roads, drive)
    on_road = _on_the_road(rng, roads, drive, dense)
    x, y, heading = (np.concatenate(p, 2) for p in zip(on_road, crossing, strict=True))
    count = _AHEAD + _ONCOMING + _NEIGHBOURS + _CROSSING
    share = rng.gamma(1.5, config.traffic / 1.5, (B, 1)) / count  # thin and thick traffic
    share = np.where(dense[:, None], rng.uniform(0.75, 1.0, (B, 1)), share)
    present = rng.random((B, count)) < share
    present[:, -_CROSSING:] &= on_street
    # Where all lanes go our way, oncoming vehicles have another carriageway or none.
    present[:, _AHEAD : _AHEAD + _ONCOMING] &= (~roads.one_way_B | (roads.apart_B != 0))[:, None]
    cars = make_cars(rng, x, y, heading, np.broadcast_to(present[:, None], x.shape), _LORRIES)
    body = cars[..., 0, :]
    cars[..., t.HALF_Z] *= (_keep_clear(body) & ~_comes_near(drive, body))[:, None, :, None]
    now = [t.CENTRE_X, t.CENTRE_Y, t.BOX_COS, t.BOX_SIN]
    cars[:, :-1, ..., t.NEXT_X : t.NEXT_SIN + 1] = cars[:, 1:, ..., now]
    return cars.reshape(B, T, -1, t.BOX_STRIDE)


def _on_the_road(rng: np.random.Generator, roads: Roads, drive: Drive, dense_B: np.ndarray) -> _Poses:
    """Poses (B, T, N) of vehicles ahead, of oncoming ones and of neighbours in our direction.

    Those ahead keep their distance. So do most neighbours, all but: seen from us they seem to stand still.
    """
    B, T = drive.time_BT.shape
    time, along = drive.time_BT[:, :, None], drive.along_BT[:, :, None]
    motorway = roads.place_B == MOTORWAY
    speed = np.abs(drive.speed_BT).mean(1)[:, None, None]
    flow = np.where(motorway, rng.uniform(20, 33, B), rng.uniform(5, 14, B))[:, None, None]
    # Where we reverse, they do not: they stand, or go ahead.
    backwards = drive.speed_BT.mean(1)[:, None, None] < 0
    pace = np.where(backwards, along[:, :1], along)
    shape = (B, 1, _AHEAD)
    dense = dense_B[:, None, None]
    swing = np.where(dense, 1.0, 3.0) * np.sin(time * rng.uniform(0.1, 0.5, shape) + rng.uniform(0, 6, shape))
    swing = np.where(backwards, 0.0, swing)
    gap = np.where(dense, rng.uniform(7, 18, shape), rng.uniform(8, 40, shape))
    ahead = pace + np.cumsum(gap, 2) + swing
    reach = 40 + (flow + speed) * time[:, -1:]
    oncoming = along[:, :1] + rng.uniform(0.1, 1, (B, 1, _ONCOMING)) * reach - flow * time
    shape = (B, 1, _NEIGHBOURS)
    start = np.where(dense, 9.0 * np.arange(_NEIGHBOURS) - 12 + rng.uniform(-3, 3, shape), rng.uniform(-15, 60, shape))
    paced = rng.random(shape) < np.where(dense, 0.85, 0.5)
    faster = rng.normal(0, 1, shape) * np.where(paced, 0.5, 2.0)
    faster = np.where(backwards, np.abs(faster), faster)
    neighbours = start + faster * time + np.where(paced, pace, along[:, :1] + speed * time)
    along = np.concatenate([ahead, oncoming, neighbours], 2)

    # Lanes, from the kerb inwards; on a motorway oncoming vehicles have the other carriageway's.
    with_us = roads.lane_offset(np.floor(rng.random((_AHEAD + _NEIGHBOURS, B)) * roads.own_lanes_B)).T
    against = -roads.lane_offset(np.floor(rng.random((_ONCOMING, B)) * roads.own_lanes_B)).T
    lane = np.floor(rng.random((_ONCOMING, B)) * roads.lanes_B)
    beyond = roads.apart_B[:, None] + roads.lane_offset(lane).T
    against = np.where(motorway[:, None], beyond, against)
    left = np.concatenate([with_us[:, :_AHEAD], against, with_us[:, _AHEAD:]], 1)
    left = np.broadcast_to((left + rng.normal(0, 0.15, left.shape))[:, None], along.shape)
    x, y, heading = (v.reshape(B, T, -1) for v in roads.point(along.reshape(B, -1), left.reshape(B, -1)))
    heading[..., _AHEAD : _AHEAD + _ONCOMING] += np.pi
    return x, y, heading


def _on_crossings(rng: np.random.Generator, roads: Roads, drive: Drive) -> tuple[np.ndarray, ...]:
    """Poses (B, T, N) of vehicles on the crossing streets, and whether (B, N) they are on one all the time."""
    B, T = drive.time_BT.shape
    shape = (B, 1, _CROSSING)
    streets = np.maximum(roads.count_B - roads.chain, 1)[:, None]
    street = roads.chain + rng.integers(0, streets, (B, _CROSSING))
    arc = roads.arcs_BAC[np.arange(B)[:, None], street][:, None]
    direction = rng.choice([-1.0, 1.0], shape)
    speed = direction * rng.uniform(0, 9, shape)
    on = rng.uniform(0, 1, shape) * arc[..., t.LENGTH] + speed * drive.time_BT[:, :, None]
    cos, sin = arc[..., t.START_COS], arc[..., t.START_SIN]
    left = -direction * roads.right_hand_B[:, None, None] * 0.5 * arc[..., t.HALF_WIDTH]
    x, y = arc[..., t.START_X] + on * cos - left * sin, arc[..., t.START_Y] + on * sin + left * cos
    heading = np.broadcast_to(np.arctan2(direction * sin, direction * cos), (B, T, _CROSSING))
    return x, y, heading, ((on > 0) & (on < arc[..., t.LENGTH])).all(1)


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


def _keep_clear(cars: np.ndarray) -> np.ndarray:
    """Which (B, N) of the vehicles (B, T, N, BOX_STRIDE) are there and drive through none before them in the list."""
    dx = cars[..., :, None, t.CENTRE_X] - cars[..., None, :, t.CENTRE_X]
    dy = cars[..., :, None, t.CENTRE_Y] - cars[..., None, :, t.CENTRE_Y]
    cos, sin = cars[..., :, None, t.BOX_COS], cars[..., :, None, t.BOX_SIN]
    reach = cars[..., :, None, t.HALF_X] + cars[..., None, :, t.HALF_X] + 0.5
    room = cars[..., :, None, t.HALF_Y] + cars[..., None, :, t.HALF_Y] + 0.2
    meets = ((np.abs(dx * cos + dy * sin) < reach) & (np.abs(dy * cos - dx * sin) < room)).any(1)
    kept = cars[:, 0, :, t.HALF_Z] > 0
    for n in range(1, kept.shape[1]):
        kept[:, n] &= ~(meets[:, n, :n] & kept[:, :n]).any(1)
    return kept
