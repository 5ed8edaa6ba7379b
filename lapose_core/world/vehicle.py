"""How the vehicle moves: a kinematic bicycle along the road, with a driver's speed and a body on springs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import Roads

_GRID = 768  # points of a path
_MARGIN = 48  # points before and after it, for smoothing
_BODY_RATE_HZ = 40.0
_WARM_UP_S = 2.0
_CRUISE_M_S = np.array([(5, 16), (3.5, 12), (10, 25), (18, 36)])  # by place


@dataclass(frozen=True)
class Drive:
    """The vehicle's motion at the frames of B clips; metres, radians, seconds, REP-103 axes.

    Attributes:
        time_BT: since the clip's first frame.
        x_BT, y_BT, yaw_BT: rear axle on the ground, and heading.
        pitch_BT, roll_BT, heave_BT: of the body on its springs, about a point near its middle.
        speed_BT, lateral_acceleration_BT: speed is negative when reversing.
        along_BT: distance along the road.
    """

    time_BT: np.ndarray
    x_BT: np.ndarray
    y_BT: np.ndarray
    yaw_BT: np.ndarray
    pitch_BT: np.ndarray
    roll_BT: np.ndarray
    heave_BT: np.ndarray
    speed_BT: np.ndarray
    lateral_acceleration_BT: np.ndarray
    along_BT: np.ndarray


def smooth_noise(rng: np.random.Generator, position_BN: np.ndarray, wavelength_B: np.ndarray) -> np.ndarray:
    """Noise of about unit variance along `position_BN`, metres, as a sum of five sines near each wavelength."""
    B = len(position_BN)
    k = 2 * np.pi / (wavelength_B[:, None] * np.exp(rng.normal(0, 0.5, (B, 5))))
    phase = rng.uniform(0, 2 * np.pi, (B, 5))
    amplitude = rng.normal(0, 0.63, (B, 5))
    return np.einsum("bk,bnk->bn", amplitude, np.sin(position_BN[:, :, None] * k[:, None] + phase[:, None]))


def _interp(x_BN: np.ndarray, grid_BM: np.ndarray, values_BM: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(*row) for row in zip(x_BN, grid_BM, values_BM, strict=True)])


def _box_filter(values_BN: np.ndarray, half_B: np.ndarray) -> np.ndarray:
    """Mean over 2 * half + 1 points of each row."""
    B, N = values_BN.shape
    total = np.concatenate([np.zeros((B, 1)), np.cumsum(values_BN, 1)], 1)
    index = np.arange(N)
    low = np.maximum(index - half_B[:, None], 0)
    high = np.minimum(index + half_B[:, None] + 1, N)
    return (np.take_along_axis(total, high, 1) - np.take_along_axis(total, low, 1)) / (high - low)


def drive_along(
    rng: np.random.Generator,
    roads: Roads,
    config: WorldConfig,
    time_BT: np.ndarray,
    *,
    scripted: bool = False,
) -> Drive:
    """Drive along the roads; `time_BT` are the times of the frames from 0, seconds.

    A `scripted` drive starts at rest near the road's beginning and stops once on the way, for a few seconds.
    """
    B = len(time_BT)
    duration = time_BT[:, -1]
    cruise = rng.uniform(*_CRUISE_M_S[roads.place_B].T)
    kind = rng.random(B)
    edges = np.cumsum([config.reversing_share, config.standing_share, config.stopping_share])
    reversing, standing = kind < edges[0], (kind >= edges[0]) & (kind < edges[1])
    stopping = (kind >= edges[1]) & (kind < edges[2])
    if scripted:
        reversing[:], standing[:], stopping[:], cruise[:] = False, False, True, rng.uniform(9.5, 11, B)
    cruise = np.where(reversing, rng.uniform(0.6, 3.5, B), cruise)
    slow = rng.random(B) < 0.15
    cruise = np.where(slow & ~reversing & ~scripted, cruise * rng.uniform(0.15, 0.7, B), cruise)

    # The path: the lane, smoothed, as one steers; its tangent is the heading of a bicycle's rear axle.
    turns = np.isfinite(roads.sharp_B)
    reach = np.minimum(cruise, 9.0) * duration * 0.75 + 8.0
    begin = np.where(turns, roads.sharp_B - rng.uniform(-0.1, 1.0, B) * reach, rng.uniform(20, 60, B))
    begin = np.full(B, 12.0) if scripted else begin
    span = cruise * duration * 1.25 + 12.0
    step = span / (_GRID - 1)
    along = begin[:, None] + step[:, None] * np.arange(-_MARGIN, _GRID + _MARGIN)
    distance = along - begin[:, None]
    own_lanes = np.where(roads.place_B == 3, roads.lanes_B, np.maximum(roads.lanes_B // 2, 1))
    lane = np.floor(rng.random(B) * own_lanes)
    wander = rng.uniform(0.03, 0.3, B)[:, None] * smooth_noise(rng, along, rng.uniform(40, 120, B))
    change = np.where((own_lanes > 1) & (rng.random(B) < 0.3), roads.lane_width_B, 0.0) * np.where(lane > 0, -1, 1)
    shift = np.clip(
        (distance - rng.uniform(0, 0.8, B)[:, None] * span[:, None]) / (4 * np.maximum(cruise, 4))[:, None], 0, 1
    )
    shift = change[:, None] * shift * shift * (3 - 2 * shift)
    left = roads.lane_offset(lane)[:, None] + wander + roads.right_hand_B[:, None] * shift
    limit = (roads.half_width_B - roads.parking_B - 0.9)[:, None]
    x, y, _ = roads.point(along, np.clip(left, -limit, limit))
    half = np.clip(0.5 * np.clip(0.35 * cruise, 3, 12) / step, 1, _MARGIN // 2 - 1).astype(int)
    x, y = (_box_filter(_box_filter(v, half), half) for v in (x, y))
    dx, dy = np.gradient(x, axis=1), np.gradient(y, axis=1)
    heading = np.unwrap(np.arctan2(dy, dx), axis=1)
    travelled = np.concatenate([np.zeros((B, 1)), np.cumsum(np.hypot(np.diff(x), np.diff(y)), 1)], 1)
    curvature = np.gradient(heading, axis=1) / np.maximum(np.hypot(dx, dy), 1e-6)
    keep = slice(_MARGIN, _MARGIN + _GRID)
    x, y, heading, curvature, along = (v[:, keep] for v in (x, y, heading, curvature, along))
    travelled = travelled[:, keep] - travelled[:, _MARGIN, None]
    if reversing.any():  # the same path from its far end
        for v in (x, y, heading, curvature, along):
            v[reversing] = v[reversing, ::-1]
        travelled[reversing] = travelled[reversing, -1:] - travelled[reversing, ::-1]

    time, speed = _speed_profile(rng, config, cruise, travelled, curvature, duration, stopping, scripted)
    direction = np.where(reversing, -1.0, 1.0)[:, None]

    # Fine times, for the body's springs; before the start the first speed goes on.
    fine = np.arange(int(np.ceil((duration.max() + _WARM_UP_S) * _BODY_RATE_HZ)) + 2) / _BODY_RATE_HZ - _WARM_UP_S
    fine = np.broadcast_to(fine, (B, len(fine)))
    s, v, acceleration = _at(fine, time, travelled, speed)
    s, v, acceleration = (np.where(standing[:, None], 0.0, value) for value in (s, v, acceleration))
    attitude = _body(rng, s, direction * acceleration, v * v * _interp(s, travelled, curvature))
    pitch, roll, heave = (_interp(time_BT, fine, value) for value in attitude)
    s, v, _ = _at(time_BT, time, travelled, speed)
    s, v = np.where(standing[:, None], 0.0, s), np.where(standing[:, None], 0.0, v)
    x, y, heading, curvature, along = (_interp(s, travelled, value) for value in (x, y, heading, curvature, along))
    return Drive(time_BT, x, y, heading, pitch, roll, heave, direction * v, v * v * curvature, along)


def _speed_profile(rng, config, cruise, travelled, curvature, duration, stopping, scripted):
    """Speed over the path and the time at each of its points: limits of road and driver, one stop where asked."""
    B = len(cruise)
    limit = cruise[:, None] * np.clip(1 + 0.2 * smooth_noise(rng, travelled, np.maximum(cruise * 8, 10)), 0.3, 1.3)
    grip = rng.uniform(*config.lateral_acceleration, B)
    limit = np.minimum(limit, np.sqrt(grip[:, None] / np.maximum(np.abs(curvature), 1e-5)))
    push, brake = rng.uniform(0.8, 2.8, B)[:, None], rng.uniform(1.0, 3.8, B)[:, None]
    launch = np.where(rng.random(B) < 0.1, 0.0, rng.uniform(0.4, 1.0, B))
    launch = np.zeros(B) if scripted else launch
    limit[:, 0] *= launch
    stop = np.clip(rng.uniform(0.05, 0.8, B) * cruise * duration, 0.0, travelled[:, -1])
    stop = np.where(scripted, 0.45 * cruise * duration, stop)
    stop_index = np.where(stopping, (travelled < stop[:, None]).sum(1), -1)
    at_stop = np.arange(travelled.shape[1]) == stop_index[:, None]
    limit = np.where(at_stop, 0.0, limit)
    ahead = 2 * brake * travelled
    square = np.minimum.accumulate((limit**2 + ahead)[:, ::-1], 1)[:, ::-1] - ahead
    behind = 2 * push * travelled
    square = np.minimum.accumulate(square - behind, 1) + behind
    speed = np.sqrt(np.maximum(square, 0.0))
    pair = np.maximum(speed[:, 1:] + speed[:, :-1], 0.05)
    hold = np.where(scripted, 4.0, rng.uniform(0.3, 0.8, B) * duration)
    steps = 2 * np.diff(travelled) / pair + np.where(at_stop, hold[:, None], 0.0)[:, :-1]
    time = np.concatenate([np.zeros((B, 1)), np.cumsum(steps, 1)], 1)
    return time, speed


def _at(time_BN, grid_time, travelled, speed):
    """Distance, speed, acceleration at given times; constant acceleration between points, standing where it stops."""
    out = []
    for query, times, s, v in zip(time_BN, grid_time, travelled, speed, strict=True):
        i = np.clip(np.searchsorted(times, query, side="right") - 1, 0, len(times) - 2)
        run = 2 * (s[i + 1] - s[i]) / np.maximum(v[i] + v[i + 1], 0.05)
        wait = times[i + 1] - times[i] - run  # a stop: it stands first, then goes on
        tau = np.clip(query - times[i] - wait, 0.0, run)
        a = (v[i + 1] ** 2 - v[i] ** 2) / (2 * np.maximum(s[i + 1] - s[i], 1e-6))
        moving = (query - times[i] >= wait) | (query < 0)
        distance = s[i] + v[i] * tau + 0.5 * a * tau**2 + v[0] * np.minimum(query, 0.0)
        out.append(
            (distance, np.where(moving, np.maximum(v[i] + a * tau, 0.0), 0.0), np.where(moving & (query > 0), a, 0.0))
        )
    return (np.stack(column) for column in zip(*out, strict=True))


def _body(rng, s_BN, acceleration_BN, lateral_BN):
    """Pitch, roll and heave of the body: springs (1.4 Hz) driven by accelerations and by the road under four wheels."""
    B = len(s_BN)
    rough = np.exp(rng.normal(np.log(0.006), 0.7, (B, 1)))
    wheelbase, track = 2.7, 1.6
    axles = np.concatenate([s_BN + wheelbase, s_BN], axis=1)
    (front_left, rear_left), (front_right, rear_right) = (
        np.split(rough * smooth_noise(rng, axles, rng.uniform(4, 9, B)), 2, axis=1) for _ in range(2)
    )
    pitch = (rear_left + rear_right - front_left - front_right) / (2 * wheelbase)
    roll = (front_left + rear_left - front_right - rear_right) / (2 * track)
    heave = 0.25 * (front_left + front_right + rear_left + rear_right)
    pitch = pitch - rng.uniform(0.002, 0.008, (B, 1)) * acceleration_BN
    roll = roll + rng.uniform(0.003, 0.010, (B, 1)) * lateral_BN
    omega, damping = 2 * np.pi * 1.4, 0.35
    b, a = signal.bilinear([omega**2], [1, 2 * damping * omega, omega**2], fs=_BODY_RATE_HZ)
    steady = signal.lfilter_zi(b, a)
    return [signal.lfilter(b, a, v, axis=1, zi=v[:, :1] * steady)[0] for v in (pitch, roll, heave)]
