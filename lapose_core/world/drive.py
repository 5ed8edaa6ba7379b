"""One long drive of the rendered world along a set itinerary, for bags and demos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lapose_core.world.clips import Clips, build_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import lay_roads
from lapose_core.world.vehicle import Stop, drive_along

# Radius (metres, left positive) and length of each piece of road; then over again with the sides swapped.
_ITINERARY = (
    (np.inf, 55.0),
    (-9.0, 14.0),
    (np.inf, 45.0),
    (10.0, 16.0),
    (np.inf, 30.0),
    (60.0, 40.0),
    (-45.0, 38.0),
    (np.inf, 50.0),
    (-60.0, 35.0),
    (np.inf, 40.0),
)
_STOP_ALONG_M = 106.0  # before the first left turn
_DRIVE = WorldConfig(
    lateral_acceleration=(2.0, 2.5),
    tail_share=0.0,
    bonnet_share=0.0,
    mount_pitch_deg=1.0,
    mount_roll_deg=0.5,
    mount_yaw_deg=0.7,
    shake_share=0.0,
    principal_point=(0.0, 0.0),
    fov_x_deg=(72.0, 82.0),
    fov_x_usual_share=0.0,
    traffic=4.0,
    dense_share=0.0,
    weather_shares=(1.0, 0.0, 0.0, 0.0),
)


def sample_drive(
    seed: int, seconds: float, rate_hz: float, *, stop_s: float = 4.0, config: WorldConfig = _DRIVE
) -> Clips:
    """One drive through a town as a single clip (B = 1) of `seconds * rate_hz` frames; the same seed, the same drive.

    It pulls off, goes straight, turns right, stops at a junction for `stop_s` seconds, turns left and takes bends,
    at 10 m/s or less, until the time is up.
    """
    rng = np.random.default_rng(seed)
    frames = max(round(seconds * rate_hz), 2)
    pieces = int(np.ceil(11.0 * seconds / sum(length for _, length in _ITINERARY))) + 1
    flip = np.array([[1.0, 1.0], [-1.0, 1.0]])
    itinerary = np.concatenate([np.array(_ITINERARY) * flip[i % 2] for i in range(pieces)])
    roads = lay_roads(rng, 1, config, crossings=12, itinerary=itinerary)
    time = np.arange(frames)[None] / rate_hz
    drive = drive_along(rng, roads, config, time, stop=Stop(_STOP_ALONG_M, stop_s))
    return build_clips(rng, roads, drive, replace(config, max_boxes=192), longest_m=np.inf)
