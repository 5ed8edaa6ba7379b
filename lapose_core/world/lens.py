"""What lies between the world and the picture: haze, rain, the windscreen, the lens and the sensor. Written in `ops`.

Rain is no part of the world's flow and depth: it falls, and drops stay on the windscreen. `px` and `py` are places in
the picture and `pixel` a pixel's width, all in image widths: what is seen does not depend on the picture's size.
"""

# ruff: noqa: F403, F405
from lapose_core.world.ops import exp, floor, load, maximum, sqrt, to_int, where
from lapose_core.world.surfaces import band, clamp01, mix, random_texel
from lapose_core.world.tables import *


def principal_point(cameras, camera, height, width):
    """Pixels (x, y) of the principal point."""
    x = (0.5 + load(cameras, camera + PRINCIPAL_X)) * width
    y = 0.5 * height + load(cameras, camera + PRINCIPAL_Y) * width
    return x, y


def straightening(distortion, x, y):
    """By what a place in the picture, from the optical axis at unit focal length, is multiplied as if by a pinhole.

    The division model (Fitzgibbon 2001): one coefficient, negative for a barrel; nearly OpenCV's k1 where it is small.
    """
    return 1.0 / (1.0 + distortion * (x * x + y * y))


def pinhole(cameras, camera, x, y):
    """Where a pinhole would have a place in the picture; both from the optical axis at unit focal length."""
    straight = straightening(load(cameras, camera + DISTORTION), x, y)
    return straight * x, straight * y


def bending(distortion, x, y):
    """The inverse: by what a pinhole's place is multiplied as the lens has it."""
    return 2.0 / (1.0 + sqrt(maximum(1.0 - 4.0 * distortion * (x * x + y * y), 0.0)))


def haze(looks, look, red, green, blue, depth, dx, dy, dz):
    """Fog by depth (metres; sky: 0), and glare about the sun."""
    clear = exp(-depth * load(looks, look + FOG))
    red = mix(load(looks, look + FOG_RED), red, clear)
    green = mix(load(looks, look + FOG_GREEN), green, clear)
    blue = mix(load(looks, look + FOG_BLUE), blue, clear)
    if load(looks, look + GLARE) > 0.0:
        toward = dx * load(looks, look + SUN_X) + dy * load(looks, look + SUN_Y) + dz * load(looks, look + SUN_Z)
        toward = maximum(toward, 0.0) / sqrt(dx * dx + dy * dy + dz * dz)
        toward = toward * toward
        veil = load(looks, look + GLARE) * toward * toward
        red = red + veil
        green = green + veil
        blue = blue + 0.9 * veil
    return red, green, blue


def streaks(looks, look, atlas, px, py, pixel, noise_u, noise_v, columns, rows):
    """How much of the pixel falling rain covers: other streaks in each frame, seen to come from ahead."""
    across = px - 0.5
    u = (across - load(looks, look + STREAK_SLANT) * py - 0.5 * across * py) * columns
    cell_u = floor(u)
    column = to_int(cell_u + noise_u)
    v = (py + random_texel(atlas, column, to_int(noise_v))) * rows
    cell_v = floor(v)
    chance = random_texel(atlas, column + 7, to_int(cell_v + noise_v))
    place = u - cell_u - 0.25 - 0.5 * random_texel(atlas, column + 19, to_int(cell_v + noise_v))
    along = v - cell_v
    streak = band(place, 0.07, pixel * columns) * 4.0 * along * (1.0 - along)
    return where(chance < 0.3, streak, 0.0)


def drops(looks, look, atlas, px, py, pixel, seed, cells):
    """How much of the pixel drops on the windscreen cover, and how high in its drop it is, 0 to 1."""
    u = px * cells
    v = py * cells
    cell_u = floor(u)
    cell_v = floor(v)
    i = to_int(cell_u + seed)
    j = to_int(cell_v)
    chance = random_texel(atlas, i, j)
    size = random_texel(atlas, i + 61, j)
    radius = load(looks, look + DROP_SIZE) * (0.1 + 0.35 * size * size)
    du = u - cell_u - 0.5 - 0.4 * (random_texel(atlas, i, j + 131) - 0.5)
    dv = v - cell_v - 0.5 - 0.4 * (random_texel(atlas, i, j + 197) - 0.5)
    # The windscreen is out of focus.
    cover = clamp01(0.5 + (radius - sqrt(du * du + 0.7 * dv * dv)) / (0.5 * radius + pixel * cells))
    cover = where(chance < load(looks, look + DROPS), cover, 0.0)
    return cover, clamp01(0.5 - 0.5 * dv / maximum(radius, 0.01))


def rain(looks, look, atlas, px, py, pixel, noise_u, noise_v, seed, red, green, blue):
    """Rain in the air, and drops that show the world upside down: dark above, the sky below."""
    fog_red = load(looks, look + FOG_RED)
    fog_green = load(looks, look + FOG_GREEN)
    fog_blue = load(looks, look + FOG_BLUE)
    if load(looks, look + STREAKS) > 0.0:
        near = streaks(looks, look, atlas, px, py, pixel, noise_u, noise_v, 45.0, 4.0)
        far = streaks(looks, look, atlas, px, py, pixel, noise_v, noise_u, 120.0, 11.0)
        cover = load(looks, look + STREAKS) * clamp01(near + 0.6 * far)
        red = mix(red, 1.1 * fog_red + 0.05, cover)
        green = mix(green, 1.1 * fog_green + 0.05, cover)
        blue = mix(blue, 1.1 * fog_blue + 0.05, cover)
    if load(looks, look + DROPS) > 0.0:
        big, big_high = drops(looks, look, atlas, px, py, pixel, seed, 11.0)
        small, small_high = drops(looks, look, atlas, px, py, pixel, seed + 211.0, 31.0)
        tone = mix(1.05, 0.3, where(big > small, big_high, small_high))
        cover = 0.7 * maximum(big, small)
        red = mix(red, fog_red * tone, cover)
        green = mix(green, fog_green * tone, cover)
        blue = mix(blue, fog_blue * tone, cover)
    return red, green, blue


def expose(looks, look, atlas, column, line, noise_u, noise_v, red, green, blue):
    """The camera's gain, offset and saturation, and the noise of its sensor; 0 to 255."""
    gain = load(looks, look + GAIN)
    offset = load(looks, look + OFFSET)
    saturation = load(looks, look + SATURATION)
    if load(looks, look + NOISE) > 0.0:
        # Three numbers of white noise that belong to the pixel and the frame.
        u = column + to_int(noise_u)
        v = line + to_int(noise_v)
        strength = load(looks, look + NOISE) / gain
        common = random_texel(atlas, u, v) - 0.5
        red = red + strength * (common + 0.6 * (random_texel(atlas, u + 173, v + 59) - 0.5))
        green = green + strength * common
        blue = blue + strength * (common + 0.8 * (random_texel(atlas, u + 311, v + 97) - 0.5))
    grey = 0.3 * red + 0.59 * green + 0.11 * blue
    red = clamp01(gain * mix(grey, red, saturation) + offset) * 255.0
    green = clamp01(gain * mix(grey, green, saturation) + offset) * 255.0
    blue = clamp01(gain * mix(grey, blue, saturation) + offset) * 255.0
    return red, green, blue
