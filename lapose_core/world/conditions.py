"""Rendered drives by condition, to measure on: fixed clips that no training draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from lapose_core.errors import LaposeError
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig

#: First word of the clips' seeds; the seeds of trainings and of their validation are small.
_SEED = 4_000_037

# One thing at a time: a vehicle that goes forward by day in thin traffic, and no camera unlike the usual ones.
_CLEAR = WorldConfig(
    reversing_share=0.0,
    standing_share=0.0,
    tail_share=0.0,
    shake_share=0.0,
    dense_share=0.0,
    distortion=0.0,
    barrel_share=0.0,
    weather_shares=(1.0, 0.0, 0.0, 0.0),
)

#: What clips of a condition are drawn from, by its name.
CONDITIONS: Mapping[str, WorldConfig] = MappingProxyType(
    {
        "clear": _CLEAR,
        "fog": replace(_CLEAR, weather_shares=(0.0, 1.0, 0.0, 0.0)),
        "rain": replace(_CLEAR, weather_shares=(0.0, 0.0, 1.0, 0.0)),
        "night": replace(_CLEAR, weather_shares=(0.0, 0.0, 0.0, 1.0)),
        "dense_traffic": replace(_CLEAR, dense_share=1.0),
        "motorway": replace(_CLEAR, place_shares=(0.0, 0.0, 0.0, 1.0)),
        "sharp_turns": replace(_CLEAR, place_shares=(0.45, 0.35, 0.2, 0.0), turning_share=1.0),
        "reversing": replace(_CLEAR, reversing_share=1.0),
        "shaking": replace(_CLEAR, shake_share=1.0),
        "barrel": replace(_CLEAR, barrel_share=1.0),
        "hills": replace(_CLEAR, slope_share=1.0),
        "rolling_shutter": replace(_CLEAR, rolling_share=1.0),
    }
)


def check_condition(name: str) -> None:
    """Raise LaposeError where there is no such condition."""
    if name not in CONDITIONS:
        raise LaposeError(f"no condition {name!r}: choose from {', '.join(CONDITIONS)}")


def condition_clips(name: str, count: int, rate_hz: float, frames: int = 16) -> Iterator[Clips]:
    """The first `count` clips of a condition at a frame rate, one by one (B = 1); always the same ones.

    Raises LaposeError where there is no such condition.
    """
    check_condition(name)
    config = replace(CONDITIONS[name], rate_hz=(rate_hz, rate_hz))
    for number in range(count):
        seed = [_SEED, *name.encode(), round(1000 * rate_hz), number]
        yield sample_clips(np.random.default_rng(seed), 1, config, frames)
