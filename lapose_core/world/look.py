"""How a scene looks: markings, materials, light and the camera's tones, drawn anew for each clip."""

from __future__ import annotations

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import CITY, COUNTRY, MOTORWAY, Roads
from lapose_core.world.weather import draw_weather


def draw_looks(rng: np.random.Generator, roads: Roads, config: WorldConfig, fov_x_B: np.ndarray) -> np.ndarray:
    """Look table (B, LOOK_STRIDE), float32, for cameras of the given field of view (radians)."""
    B = len(roads.place_B)
    look = np.zeros((B, t.LOOK_STRIDE))

    def uniform(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, B)

    def chance(share: float | np.ndarray) -> np.ndarray:
        return rng.random(B) < share

    def colour(column: int, red, green, blue) -> None:
        look[:, column], look[:, column + 1], look[:, column + 2] = red, green, blue

    look[:, t.ARC_COUNT] = roads.count_B
    look[:, t.LANES], look[:, t.LANE_WIDTH], look[:, t.PARKING_WIDTH] = (
        roads.lanes_B,
        roads.lane_width_B,
        roads.parking_B,
    )

    # Markings. One-way roads have no line of their own in the middle.
    motorway, country = roads.place_B == MOTORWAY, roads.place_B == COUNTRY
    painted = np.where(motorway, 0.97, np.where(country, 0.75, 0.6))
    strength = uniform(0.5, 1.0)
    look[:, t.LANE_PAINT] = chance(painted) * strength
    look[:, t.EDGE_PAINT] = chance(np.where(motorway, 0.95, np.where(country, 0.6, 0.2))) * strength
    centre = np.where(motorway, 1.0, chance(painted) * (1.0 + chance(0.4)))
    centre = np.where(roads.one_way_B, np.minimum(centre, 1.0), centre)
    wide = roads.half_width_B - 0.5 * roads.lanes_B * roads.lane_width_B > 1.5
    look[:, t.HATCHED] = (chance(0.2) & motorway & wide) * rng.choice([-1.0, 1.0], B)
    look[:, t.CENTRE_PAINT] = centre * np.where(centre > 1.5, 1.0, strength)
    short = chance(0.5) & ~motorway
    look[:, t.DASH_LENGTH] = np.where(short, uniform(1.5, 3), uniform(3, 6))
    look[:, t.DASH_PERIOD] = look[:, t.DASH_LENGTH] * np.where(short, uniform(2, 3), uniform(2.5, 4))
    look[:, t.LINE_HALF_WIDTH] = uniform(0.05, 0.09)
    look[:, t.WEAR] = uniform(0, 0.35)
    look[:, t.ZEBRA_A] = look[:, t.ZEBRA_B] = -1e4
    setback = np.where(np.isfinite(roads.crossing_along_BX), roads.crossing_along_BX, -1e4)
    for column, slot in ((t.ZEBRA_A, 0), (t.ZEBRA_B, 1)):
        at = setback[:, slot] + rng.choice([-1, 1], B) * uniform(7, 12)
        look[:, column] = np.where(chance(0.4) & (roads.place_B <= 1), at, -1e4)
    look[:, t.CROSSING_SETBACK] = roads.half_width_B + 3.5
    look[:, t.CROSSING_ZEBRA] = chance(0.4) & (roads.place_B == CITY)
    yellow = chance(0.15)
    bright = uniform(0.65, 0.95)
    colour(t.PAINT_RED, bright, bright * np.where(yellow, 0.85, 1.0), bright * np.where(yellow, 0.45, 0.97))

    # Ground.
    grey = uniform(0.2, 0.52)
    tint = rng.normal(0, 0.025, B)
    colour(t.ROAD_RED, grey * (1 + tint), grey, grey * (1 - tint))
    look[:, t.ROAD_LAYER] = np.where(chance(0.8), t.ASPHALT, t.GRAVEL)
    # Fresh asphalt has next to no texture that a camera sees.
    look[:, t.ROAD_CONTRAST] = np.exp(uniform(np.log(0.02), np.log(0.15)))
    look[:, t.PATCHES] = chance(np.where(motorway, 0.25, 0.6)) * uniform(0.05, 0.3)
    look[:, t.OTHER_ROAD] = roads.apart_B
    stone = uniform(0.3, 0.65)
    colour(t.PAVEMENT_RED, stone * 1.03, stone, stone * uniform(0.85, 1.0))
    built = roads.place_B < COUNTRY
    look[:, t.PAVEMENT_WIDTH] = np.where(built, uniform(1.2, 3.5), uniform(0.0, 1.5))
    look[:, t.KERB] = np.where(built, chance(0.8), 0.0) * uniform(0.5, 1.0)
    lush = rng.random((B, 1))
    verge = np.where(lush < 0.55, [[0.27, 0.33, 0.13]], np.where(lush < 0.8, [[0.42, 0.35, 0.24]], [[0.45, 0.43, 0.4]]))
    colour(t.VERGE_RED, *(verge * rng.uniform(0.6, 1.3, (B, 1)) + rng.normal(0, 0.03, (B, 3))).clip(0.05, 0.7).T)
    look[:, t.VERGE_LAYER] = np.where(lush[:, 0] < 0.55, t.GRASS, t.GRAVEL)
    look[:, t.VERGE_CONTRAST] = uniform(0.12, 0.35)
    look[:, t.TEXEL] = uniform(0.010, 0.022)
    turn = uniform(0, 2 * np.pi)
    look[:, t.TEXTURE_COS], look[:, t.TEXTURE_SIN] = np.cos(turn), np.sin(turn)
    look[:, t.STAIN_CONTRAST] = uniform(0.015, 0.1)
    look[:, t.SEED_U], look[:, t.SEED_V] = np.floor(uniform(0, 500)), np.floor(uniform(0, 500))

    # Light: sunny with shadows, or overcast and flat.
    sunny = chance(0.6)
    azimuth, height = uniform(0, 2 * np.pi), uniform(0.3, 0.85)
    look[:, t.SUN_X], look[:, t.SUN_Y] = (
        np.cos(azimuth) * np.sqrt(1 - height**2),
        np.sin(azimuth) * np.sqrt(1 - height**2),
    )
    look[:, t.SUN_Z] = height
    look[:, t.SUN] = np.where(sunny, uniform(0.5, 0.95), uniform(0.0, 0.2))
    look[:, t.AMBIENT] = np.where(sunny, uniform(0.4, 0.65), uniform(0.7, 0.95))
    look[:, t.SHADOW] = np.where(sunny, uniform(0.35, 0.75), uniform(0.0, 0.12))
    # Things beside the road cast their own shadows; the blobs are those of what is out of view.
    look[:, t.CAST] = sunny * uniform(0.4, 0.85)
    look[:, t.SHADOW_LEVEL] = np.where(motorway | chance(0.5), uniform(0.8, 2.5), uniform(-0.2, 1.8))
    look[:, t.SHADOW_SCALE] = uniform(2.0, 9.0)
    look[:, t.SHADOW_STRETCH] = uniform(0.35, 1.0)
    fog = np.exp(uniform(np.log(4e-4), np.log(6e-3)))
    look[:, t.FOG] = np.where(chance(0.06), fog * 3, fog)
    haze = uniform(0.55, 0.9)
    colour(t.FOG_RED, haze * uniform(0.93, 1.0), haze * uniform(0.97, 1.0), haze)
    blue = np.where(sunny, uniform(0.3, 1.0), uniform(0.0, 0.25))
    deep = uniform(0.55, 0.9)
    colour(t.ZENITH_RED, deep * (1 - 0.55 * blue), deep * (1 - 0.3 * blue), deep)
    look[:, t.CLOUDS] = np.where(sunny, uniform(0.0, 0.8), uniform(0.4, 0.9))
    look[:, t.CLOUD_LEVEL] = np.where(sunny, uniform(-0.2, 1.5), uniform(-1.0, 0.3))
    look[:, t.GLOW] = np.where(sunny, uniform(0.0, 0.35), 0.05)
    look[:, t.CLOUD_TONE] = 0.93
    look[:, t.GLARE] = (sunny & chance(0.25)) * uniform(0.1, 0.6)

    look[:, t.LOG2_TEXEL], look[:, t.LOG2_SHADOW_SCALE] = np.log2(look[:, [t.TEXEL, t.SHADOW_SCALE]]).T

    # Horizon: woods, hills or roofs.
    kind = rng.choice(3, B, p=[0.45, 0.25, 0.3])
    look[:, t.SKYLINE] = chance(0.95)
    look[:, t.SKYLINE_BASE] = uniform(0.0, 0.02)
    look[:, t.SKYLINE_AMPLITUDE] = np.choose(kind, [uniform(0.02, 0.1), uniform(0.05, 0.22), uniform(0.04, 0.2)])
    look[:, t.SKYLINE_SCALE] = np.choose(kind, [rng.integers(4, 10, B), rng.integers(1, 4, B), rng.integers(1, 4, B)])
    look[:, t.SKYLINE_STEPS] = kind == 2
    shade = uniform(0.15, 0.5)
    haze_share = uniform(0.1, 0.6)
    for channel, own in enumerate((0.85, 1.0, 0.75)):
        own_colour = shade * np.where(kind == 2, 1.0, own)
        look[:, t.SKYLINE_RED + channel] = own_colour * (1 - haze_share) + look[:, t.FOG_RED + channel] * haze_share
    look[:, t.SKYLINE_CONTRAST] = uniform(0.08, 0.25) * (1 - 0.7 * haze_share)

    # Camera.
    # The exposure follows the light, give or take what a real one gets wrong.
    light = look[:, t.AMBIENT] + 0.6 * look[:, t.SUN] * look[:, t.SUN_Z] * (1 - 0.5 * look[:, t.SHADOW])
    look[:, t.GAIN] = uniform(0.75, 1.2) / light**0.8
    look[:, t.OFFSET] = uniform(-0.08, 0.04)
    look[:, t.SATURATION] = np.where(chance(0.2), 0.0, uniform(0.4, 1.1))
    look[:, t.BOX_CONTRAST] = uniform(0.6, 1.4)
    bonnet = chance(config.bonnet_share)
    # Heights that a picture of about 2:1 just shows.
    look[:, t.BONNET_TOP] = np.where(bonnet, np.tan(0.5 * fov_x_B) * uniform(0.34, 0.46), 1e3)
    look[:, t.BONNET_CURVE] = uniform(0.02, 0.3) / np.tan(0.5 * fov_x_B)
    paint = rng.choice([0.05, 0.15, 0.35, 0.6], B)
    colour(t.BONNET_RED, paint * uniform(0.9, 1.3), paint, paint * uniform(0.8, 1.2))
    draw_weather(rng, look, roads, config)

    # What runs along the road.
    look[:, t.PATCH_LENGTH] = np.exp(uniform(np.log(2.5), np.log(40.0)))
    # Traffic and rain draw things out along a road; where nothing did, texture would tell the focal length for sure.
    look[:, t.ROAD_STRETCH] = np.where(chance(0.4), 0.0, np.exp(uniform(0.0, np.log(12.0))))
    look[:, t.SLAB_STRETCH] = np.exp(uniform(np.log(0.4), np.log(3.0)))
    look[:, t.TRACKS] = chance(0.6) * rng.normal(0, 0.1, B).clip(-0.25, 0.25)
    look[:, t.TRACK_WIDTH] = uniform(0.15, 0.45)
    look[:, t.SEAM] = chance(0.5) * uniform(0.1, 0.6)
    look[:, t.GUTTER] = chance(0.5) * uniform(-0.4, 0.3)
    return look.astype(np.float32)
