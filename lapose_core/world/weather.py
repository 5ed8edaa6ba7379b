"""Weather and time of day of a clip, written over the look of a clear day."""

from __future__ import annotations

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import COUNTRY, Roads

CLEAR, FOGGY, RAINY, NIGHT = range(4)
_WET_NIGHTS = 0.25  # share of the nights


def draw_weather(rng: np.random.Generator, look_BC: np.ndarray, roads: Roads, config: WorldConfig) -> None:
    """Give each clip its weather, in place; draws as many numbers whatever that is."""
    B = len(look_BC)
    weather = rng.choice(4, B, p=config.weather_shares)
    _let_fog_rise(rng, look_BC, weather == FOGGY)
    night = weather == NIGHT
    _let_rain_fall(rng, look_BC, (weather == RAINY) | (night & (rng.random(B) < _WET_NIGHTS)))
    _let_night_fall(rng, look_BC, night, roads.place_B < COUNTRY)


def _write(look_BC: np.ndarray, where_B: np.ndarray, values: dict[int, np.ndarray | float]) -> None:
    for column, value in values.items():
        look_BC[:, column] = np.where(where_B, value, look_BC[:, column])


def _overcast(rng: np.random.Generator, look_BC: np.ndarray, where_B: np.ndarray, grey_B: np.ndarray) -> None:
    """No sun and no shadows, and a sky of one grey, a little blue, down to the horizon."""
    B = len(look_BC)
    tint, above = rng.uniform(0.93, 1.0, B), rng.uniform(0.85, 1.05, B)
    values = {t.SUN: 0.0, t.SHADOW: 0.0, t.CAST: 0.0, t.GLOW: 0.0, t.GLARE: 0.0}
    for column, share in zip((t.FOG_RED, t.FOG_GREEN, t.FOG_BLUE), (tint, 0.5 + 0.5 * tint, 1.0), strict=True):
        values |= {column: grey_B * share, column + t.ZENITH_RED - t.FOG_RED: grey_B * share * above}
    values |= {t.CLOUD_TONE: grey_B * 1.1, t.AMBIENT: rng.uniform(0.6, 0.9, B)}
    _write(look_BC, where_B, values)


def _let_fog_rise(rng: np.random.Generator, look_BC: np.ndarray, foggy_B: np.ndarray) -> None:
    B = len(look_BC)
    grey = rng.uniform(0.5, 0.85, B)
    _overcast(rng, look_BC, foggy_B, grey)
    # Contrast falls to 2 % at 40 to 400 m.
    fog = 3.9 / np.exp(rng.uniform(np.log(40), np.log(400), B))
    values = {t.FOG: fog, t.CLOUDS: 0.0, t.GAIN: rng.uniform(0.8, 1.15, B), t.WET: rng.choice([0.0, 0.3], B)}
    values |= _behind_fog(look_BC, fog)
    values |= {t.ZENITH_RED + i: look_BC[:, t.FOG_RED + i] for i in range(3)}
    values |= {t.HEADLIGHT: 0.0, t.LAMPS: rng.choice([0.0, 0.9], B)}
    _write(look_BC, foggy_B, values)


def _behind_fog(look_BC: np.ndarray, fog_B: np.ndarray) -> dict[int, np.ndarray]:
    """What is left of the horizon, some hundred metres away."""
    return {t.SKYLINE: look_BC[:, t.SKYLINE] * np.exp(-400.0 * fog_B)}


def _let_rain_fall(rng: np.random.Generator, look_BC: np.ndarray, rainy_B: np.ndarray) -> None:
    B = len(look_BC)
    strength = rng.uniform(0.0, 1.0, B)  # drizzle to downpour
    _overcast(rng, look_BC, rainy_B, rng.uniform(0.4, 0.75, B))
    fog = np.exp(np.log(2e-3) + strength * np.log(8.0)) * rng.uniform(0.7, 1.4, B)
    values = {t.FOG: fog, t.WET: rng.uniform(0.35, 1.0, B), t.LAMPS: rng.choice([0.0, 0.9], B)}
    values |= _behind_fog(look_BC, fog)
    darker = rng.uniform(0.5, 0.8, B)
    values |= {t.ROAD_RED + i: look_BC[:, t.ROAD_RED + i] * darker for i in range(3)}
    values |= {t.ROAD_CONTRAST: look_BC[:, t.ROAD_CONTRAST] * 0.7, t.GAIN: rng.uniform(0.8, 1.2, B)}
    values |= {t.STREAKS: strength * rng.uniform(0.1, 0.45, B), t.STREAK_SLANT: rng.normal(0, 0.08, B)}
    values |= {t.DROPS: rng.uniform(0.02, 0.5, B), t.DROP_SIZE: rng.uniform(0.4, 1.0, B)}
    _write(look_BC, rainy_B, values)


def _let_night_fall(
    rng: np.random.Generator, look_BC: np.ndarray, night_B: np.ndarray, lit_place_B: np.ndarray
) -> None:
    B = len(look_BC)
    street_lamps = lit_place_B & (rng.random(B) < 0.85)
    ambient = np.where(street_lamps, rng.uniform(0.08, 0.3, B), rng.uniform(0.015, 0.06, B))
    warm = np.where(street_lamps, rng.uniform(0.0, 0.5, B), 0.0)[:, None] * np.array([0.0, 0.25, 0.7])
    sky = rng.uniform(0.01, 0.12, (B, 1)) * (1.0 - warm)
    values = {t.SUN: 0.0, t.CAST: 0.0, t.GLOW: 0.0, t.GLARE: 0.0, t.AMBIENT: ambient}
    # The blobs that are shadows by day are what lies between the lamps.
    between = np.where(street_lamps, rng.uniform(0.2, 0.6, B), 0.0)
    values |= {t.SHADOW: between, t.SHADOW_SCALE: rng.uniform(2.0, 5.0, B)}
    values |= {t.CLOUD_TONE: 0.8 * sky[:, 0], t.FOG: np.exp(rng.uniform(np.log(4e-4), np.log(8e-3), B))}
    silhouette = rng.uniform(0.3, 0.8, B)
    for i in range(3):
        values |= {t.FOG_RED + i: sky[:, i], t.ZENITH_RED + i: 0.5 * sky[:, i]}
        values |= {t.SKYLINE_RED + i: sky[:, i] * silhouette, t.BONNET_RED + i: 0.03}
    headlight = rng.uniform(0.5, 1.5, B)
    exposure = rng.uniform(0.6, 1.2, B) / (0.35 + 0.5 * headlight + ambient) ** 0.8
    values |= {t.HEADLIGHT: headlight, t.LAMPS: rng.uniform(0.8, 1.5, B)}
    values |= {t.GAIN: exposure, t.OFFSET: rng.uniform(-0.02, 0.05, B)}
    values |= {t.NOISE: np.exp(rng.uniform(np.log(0.02), np.log(0.15), B))}
    _write(look_BC, night_B, values)
    look_BC[:, t.LOG2_SHADOW_SCALE] = np.log2(look_BC[:, t.SHADOW_SCALE])
