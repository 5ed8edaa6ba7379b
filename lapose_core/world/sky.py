"""Colour of sky, horizon and own bonnet. Written in `ops`."""

# ruff: noqa: F403, F405
from lapose_core.world.ops import floor, load, log2, maximum, sqrt, to_int, where
from lapose_core.world.surfaces import arctangent, clamp01, mix, outline, random_texel, texture
from lapose_core.world.tables import *


def sky_colour(looks, look, atlas, dx, dy, dz, angle):
    """Sky with clouds and the glow beside the sun; `angle` is that of a pixel, radians."""
    norm = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
    up = maximum(dz * norm, 0.0)
    seed_u = load(looks, look + SEED_U)
    seed_v = load(looks, look + SEED_V)
    rise = clamp01(1.6 * up)
    red = mix(load(looks, look + FOG_RED), load(looks, look + ZENITH_RED), rise)
    green = mix(load(looks, look + FOG_GREEN), load(looks, look + ZENITH_GREEN), rise)
    blue = mix(load(looks, look + FOG_BLUE), load(looks, look + ZENITH_BLUE), rise)
    spread = 60.0 / (up + 0.12)
    cloud = texture(
        atlas, FRACTAL, dx * norm * spread + seed_u, dy * norm * spread + seed_v, log2(angle * spread) + 0.5
    )
    cloud = load(looks, look + CLOUDS) * clamp01(0.5 + 0.7 * (cloud - load(looks, look + CLOUD_LEVEL)))
    toward = maximum(dx * norm * load(looks, look + SUN_X) + dy * norm * load(looks, look + SUN_Y), 0.0)
    glow = load(looks, look + GLOW) * toward * toward
    tone = load(looks, look + CLOUD_TONE)
    red = mix(red, tone, cloud) + glow
    green = mix(green, tone, cloud) + glow
    blue = mix(blue, 1.02 * tone, cloud) + glow * 0.9
    return red, green, blue


def skyline(looks, look, atlas, dx, dy, dz, angle, red, green, blue):
    """Draw the hills, trees or roofs on the horizon over the sky's colour."""
    # 512 texels make a whole turn: textures close on themselves where their scale is a whole number.
    around = arctangent(dy, dx) * (512.0 / 6.28318531)
    up = dz / sqrt(dx * dx + dy * dy + dz * dz)
    seed_u = load(looks, look + SEED_U)
    seed_v = load(looks, look + SEED_V)
    steps = load(looks, look + SKYLINE_STEPS)
    place = around * load(looks, look + SKYLINE_SCALE)
    block = random_texel(atlas, to_int(floor(place / 5.0) + seed_u), to_int(seed_v))
    rolling = outline(atlas, FRACTAL, 0.5 * place + seed_u, seed_v + 0.0 * up)
    ragged = outline(atlas, FOLIAGE, around * 8.0 + seed_v, seed_u + 0.0 * up) - 0.5
    height = where(steps > 0.5, block * block + 0.2 * rolling, rolling + 0.25 * ragged)
    height = load(looks, look + SKYLINE_BASE) + load(looks, look + SKYLINE_AMPLITUDE) * height
    cover = clamp01(0.5 + (height - up) / angle) * load(looks, look + SKYLINE)
    lod = log2(angle * 600.0)
    grain = texture(atlas, FOLIAGE, around * 7.0 + seed_u, up * 900.0 + seed_v, lod)
    grain = grain + texture(atlas, MASONRY, around * 2.0 + seed_v, up * 160.0, lod - 1.9)
    grain = 1.0 + load(looks, look + SKYLINE_CONTRAST) * grain + where(steps > 0.5, 0.3 * (block - 0.5), 0.0)
    red = mix(red, load(looks, look + SKYLINE_RED) * grain, cover)
    green = mix(green, load(looks, look + SKYLINE_GREEN) * grain, cover)
    blue = mix(blue, load(looks, look + SKYLINE_BLUE) * grain, cover)
    return red, green, blue


def bonnet_colour(looks, look, atlas, x, y, over, angle):
    """Own bonnet, `over` below its edge (picture at unit focal length): paint with a still reflection of the sky."""
    sheen = 0.5 + 0.2 * texture(atlas, FRACTAL, 90.0 * x + load(looks, look + SEED_U), 260.0 * y, log2(angle * 150.0))
    sheen = clamp01(sheen) * (0.25 + 0.5 * clamp01(1.0 - 7.0 * over))
    red = mix(load(looks, look + BONNET_RED), load(looks, look + ZENITH_RED), 0.5 * sheen)
    green = mix(load(looks, look + BONNET_GREEN), load(looks, look + ZENITH_GREEN), 0.5 * sheen)
    blue = mix(load(looks, look + BONNET_BLUE), load(looks, look + ZENITH_BLUE), 0.5 * sheen)
    return red, green, blue
