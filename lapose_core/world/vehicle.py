"""How the vehicle moves: a kinematic bicycle along its path, with a driver's speed and a body on springs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import signal

from lapose_core.world.config import WorldConfig
from lapose_core.world.path import Path, follow_lane, interpolate, smooth_noise
from lapose_core.world.roads import Roads

#: How long after each frame `Drive.soon` is: as long as cameras take to read a picture out.
SOON_S = 0.02

_BODY_RATE_HZ = 40.0
_WARM_UP_S = 2.0
_CRUISE_M_S = np.array([(5, 16), (3.5, 12), (10, 25), (18, 36)])  # by place
_WHEELBASE_M, _TRACK_M = 2.7, 1.6


@dataclass(frozen=True)
class Stop:
    """A halt of some seconds at a distance along the road, metres."""

    along_m: float
    seconds: float


@dataclass(frozen=True)
class Drive:
    """The vehicle's motion at the frames of B clips; metres, radians, seconds, REP-103 axes.

    Attributes:
        time_BT: since the clip's first frame.
        x_BT, y_BT, yaw_BT: rear axle on the ground, and heading.
        pitch_BT, roll_BT, heave_BT: of the body on its springs, about a point near its middle.
        speed_BT, lateral_acceleration_BT: speed is negative when reversing.
        along_BT: distance along the road.
        soon: the same drive `SOON_S` after each frame, where something asks how the vehicle moves at that time.
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
    soon: Drive | None = None


@dataclass(frozen=True)
class _SpeedProfile:
    """Speed at the points of a path and the time at which each is reached; between them acceleration is constant."""

    time_BN: np.ndarray
    travelled_BN: np.ndarray
    speed_BN: np.ndarray

    def at(self, time_BT: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance, speed and acceleration; before time 0 the first speed goes on, at a halt it stands."""
        columns = []
        for query, times, s, v in zip(time_BT, self.time_BN, self.travelled_BN, self.speed_BN, strict=True):
            i = np.clip(np.searchsorted(times, query, side="right") - 1, 0, len(times) - 2)
            run = 2 * (s[i + 1] - s[i]) / np.maximum(v[i] + v[i + 1], 0.05)
            wait = times[i + 1] - times[i] - run
            tau = np.clip(query - times[i] - wait, 0.0, run)
            a = (v[i + 1] ** 2 - v[i] ** 2) / (2 * np.maximum(s[i + 1] - s[i], 1e-6))
            moving = (query - times[i] >= wait) | (query < 0)
            distance = s[i] + v[i] * tau + 0.5 * a * tau**2 + v[0] * np.minimum(query, 0.0)
            speed = np.where(moving, np.maximum(v[i] + a * tau, 0.0), 0.0)
            columns.append((distance, speed, np.where(moving & (query > 0), a, 0.0)))
        distance, speed, acceleration = (np.stack(column) for column in zip(*columns, strict=True))
        return distance, speed, acceleration


def drive_along(
    rng: np.random.Generator, roads: Roads, config: WorldConfig, time_BT: np.ndarray, *, stop: Stop | None = None
) -> Drive:
    """Drive along the roads; `time_BT` are the times of the frames from 0, seconds.

    With a `stop`, every drive begins at rest at the road's beginning, goes forward at about 10 m/s and halts there.
    """
    B = len(time_BT)
    duration = time_BT[:, -1]
    kind = rng.random(B)
    edges = np.cumsum([config.reversing_share, config.standing_share, config.stopping_share])
    reversing, standing = kind < edges[0], (kind >= edges[0]) & (kind < edges[1])
    halting = (kind >= edges[1]) & (kind < edges[2])
    cruise = rng.uniform(*_CRUISE_M_S[roads.place_B].T) * np.where(rng.random(B) < 0.15, rng.uniform(0.15, 0.7, B), 1.0)
    cruise = np.where(reversing, rng.uniform(0.6, 3.5, B), cruise)
    halt = rng.uniform(0.05, 0.8, B) * cruise * duration
    wait = rng.uniform(0.3, 0.8, B) * duration
    launch = np.where(
        rng.random(B) < 0.1, 0.0, rng.uniform(0.4, 1.0, B)
    )  # first speed, as a share of what the road allows
    reach = np.minimum(cruise, 9.0) * duration * 0.75 + 8.0
    before_turn = roads.sharp_B - rng.uniform(-0.1, 1.0, B) * reach
    begin = np.where(np.isfinite(roads.sharp_B), before_turn, rng.uniform(20, 60, B))
    if stop:
        reversing, standing, halting = np.zeros(B, bool), np.zeros(B, bool), np.ones(B, bool)
        cruise, launch, begin = rng.uniform(9.5, 11, B), np.zeros(B), np.full(B, 12.0)
        halt, wait = stop.along_m - begin, np.full(B, stop.seconds)

    path = follow_lane(rng, roads, begin, cruise * duration * 1.25 + 12.0, cruise).reversed_where(reversing)
    profile = _speed_profile(rng, config, path, cruise, launch, np.where(halting, halt, np.inf), wait)
    direction = np.where(reversing, -1.0, 1.0)[:, None]

    # The body's springs need finer times, and some before the start to come to rest on.
    fine = np.arange(int(np.ceil((duration.max() + _WARM_UP_S) * _BODY_RATE_HZ)) + 2) / _BODY_RATE_HZ - _WARM_UP_S
    fine = np.broadcast_to(fine, (B, len(fine)))
    s, v, acceleration = (np.where(standing[:, None], 0.0, value) for value in profile.at(fine))
    lateral = v * v * interpolate(s, path.travelled_BN, path.curvature_BN)
    body = _body(rng, s, direction * acceleration, lateral)

    def at(time_BT: np.ndarray) -> Drive:
        pitch, roll, heave = (interpolate(time_BT, fine, u) for u in body)
        s, v, _ = (np.where(standing[:, None], 0.0, value) for value in profile.at(time_BT))
        x, y, yaw, curvature, along = path.at(s)
        return Drive(time_BT, x, y, yaw, pitch, roll, heave, direction * v, v * v * curvature, along)

    return replace(at(time_BT), soon=at(time_BT + SOON_S) if config.rolling_share else None)


def _speed_profile(
    rng: np.random.Generator,
    config: WorldConfig,
    path: Path,
    cruise_B: np.ndarray,
    launch_B: np.ndarray,
    halt_B: np.ndarray,
    wait_B: np.ndarray,
) -> _SpeedProfile:
    """Speed that keeps to the driver's mood, lateral, forward and braking acceleration, with a halt where asked."""
    B, travelled = len(cruise_B), path.travelled_BN
    mood = np.clip(1 + 0.2 * smooth_noise(rng, travelled, np.maximum(cruise_B * 8, 10)), 0.3, 1.3)
    grip = rng.uniform(*config.lateral_acceleration, B)[:, None]
    limit = np.minimum(cruise_B[:, None] * mood, np.sqrt(grip / np.maximum(np.abs(path.curvature_BN), 1e-5)))
    limit[:, 0] *= launch_B
    at_halt = np.arange(travelled.shape[1]) == (travelled < halt_B[:, None]).sum(1)[:, None]
    limit = np.where(at_halt, 0.0, limit)
    # v^2 falls and rises by at most 2 a per metre: one pass from the end for the brakes, one from the start.
    brakes, thrust = (
        2 * rng.uniform(1.0, 3.8, B)[:, None] * travelled,
        2 * rng.uniform(0.8, 2.8, B)[:, None] * travelled,
    )
    square = np.minimum.accumulate((limit**2 + brakes)[:, ::-1], 1)[:, ::-1] - brakes
    square = np.minimum.accumulate(square - thrust, 1) + thrust
    speed = np.sqrt(np.maximum(square, 0.0))
    steps = 2 * np.diff(travelled) / np.maximum(speed[:, 1:] + speed[:, :-1], 0.05)
    steps += np.where(at_halt, wait_B[:, None], 0.0)[:, :-1]
    return _SpeedProfile(np.concatenate([np.zeros((B, 1)), np.cumsum(steps, 1)], 1), travelled, speed)


def _body(rng: np.random.Generator, s_BN: np.ndarray, acceleration_BN: np.ndarray, lateral_BN: np.ndarray):
    """Pitch, roll and heave of the body: springs (1.4 Hz) driven by accelerations and by the road under four wheels."""
    B = len(s_BN)
    # Metres; from a new road to a bad one, so that the size of the shaking does not tell the focal length.
    rough = np.exp(rng.normal(np.log(0.003), 1.1, (B, 1)))
    axles = np.concatenate([s_BN + _WHEELBASE_M, s_BN], axis=1)
    (front_left, rear_left), (front_right, rear_right) = (
        np.split(rough * smooth_noise(rng, axles, rng.uniform(4, 9, B)), 2, axis=1) for _ in range(2)
    )
    pitch = (rear_left + rear_right - front_left - front_right) / (2 * _WHEELBASE_M)
    roll = (front_left + rear_left - front_right - rear_right) / (2 * _TRACK_M)
    heave = 0.25 * (front_left + front_right + rear_left + rear_right)
    pitch = pitch - rng.uniform(0.002, 0.008, (B, 1)) * acceleration_BN
    roll = roll + rng.uniform(0.003, 0.010, (B, 1)) * lateral_BN
    omega, damping = 2 * np.pi * 1.4, 0.35
    b, a = signal.bilinear([omega**2], [1, 2 * damping * omega, omega**2], fs=_BODY_RATE_HZ)
    steady = signal.lfilter_zi(b, a)
    return [signal.lfilter(b, a, v, axis=1, zi=v[:, :1] * steady)[0] for v in (pitch, roll, heave)]
