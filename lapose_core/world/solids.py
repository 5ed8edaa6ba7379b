"""Colour of boxes: buildings, cars, plain things, crowns of trees.

`pixel` is the width in metres that a pixel covers across the ray; it drives all filtering, so that nothing flickers.
`arcs`, `boxes`, `looks` are flat tables, and `first`, `row`, `look` indices of rows in them. Written in `ops`.
"""

# ruff: noqa: F403, F405
from lapose_core.world.ops import floor, load, log2, maximum, minimum, sqrt, to_int, where
from lapose_core.world.relief import ground_height
from lapose_core.world.surfaces import absolute, band, clamp01, half_sizes, into_box, mix, pulse, random_texel, texture
from lapose_core.world.tables import *


def facade(boxes, row, atlas, wall, u, v, half_u, u_px, v_px, red, green, blue):
    """Windows in storeys, each with its own brightness and a frame round it, another ground floor, an edge of roof.

    Also returns how much of the pixel is a window that is lit at night.
    """
    seed = load(boxes, row + SEED)
    storey = maximum(load(boxes, row + DETAIL_A), 1.0)
    pitch = load(boxes, row + DETAIL_B)
    top = 2.0 * load(boxes, row + HALF_Z)
    shift = seed * 977.0
    windows = (load(boxes, row + KIND) < 0.5) & (pitch > 0.1) & wall
    pitch = maximum(pitch, 0.5)
    ground = v < storey
    pitch = where(ground & (seed > 0.45), pitch * 2.0, pitch)
    wide = where(ground, 0.62, 0.36 + 0.22 * seed) * pitch
    high = where(ground, 0.66, 0.5) * storey
    wu = u + half_u - 0.5 * (pitch - wide)
    wv = v - where(ground, 0.12, 0.28) * storey
    glass = pulse(wu, pitch, wide, u_px) * pulse(wv, storey, high, v_px)
    frame = pulse(wu + 0.12, pitch, wide + 0.24, u_px) * pulse(wv + 0.12, storey, high + 0.24, v_px)
    inside = where(windows & (v + 0.35 * storey < top) & (half_u - absolute(u) > 0.3), 1.0, 0.0)
    glass = glass * inside
    chance = random_texel(atlas, to_int(floor(wu / pitch) + shift), to_int(floor(v / storey) + 7.0 * shift))
    pane = 0.1 + 0.3 * chance * chance
    framed = mix(1.0, where(seed > 0.35, 1.25, 0.7), frame * inside)
    roof = top - v < where(seed > 0.7, 0.9, 0.25)
    tone = where(windows & roof, 0.55, where(windows & ground, 0.8, 1.0))
    red = mix(red * framed, pane * 0.9, glass) * tone
    green = mix(green * framed, pane, glass) * tone
    blue = mix(blue * framed, pane * 1.1, glass) * tone
    lit = where(chance > 0.72, glass * (2.0 * chance - 1.2), 0.0)
    return red, green, blue, lit


def car_body(boxes, row, end, side, px, py, v, u_px, v_px, red, green, blue):
    """Wheels, the dark gap above the road, lamps and number plate; the car's length runs along x.

    Also returns how much of the pixel is a lamp.
    """
    kind = load(boxes, row + KIND)
    hx, hy, hz = half_sizes(boxes, row)
    body = (kind > CAR_BODY - 0.5) & (kind < CAR_BODY + 0.5)
    away = absolute(px) - 0.6 * hx
    from_axle = sqrt(away * away + (v - 0.14) * (v - 0.14))
    wheel = where(side, band(from_axle, 0.33, u_px), 0.0)
    hub = where(side, band(from_axle, 0.17, u_px), 0.0)
    low = clamp01(0.5 + (0.16 - v) / v_px)
    dark = where(body & (end | side), maximum(wheel, low), 0.0)
    lamp_u = absolute(py) / hy
    lamps = where(body & end & (lamp_u > 0.66) & (v > 0.38) & (v < 0.58), 1.0, 0.0)
    plate = where(body & end & (lamp_u < 0.3) & (v > 0.2) & (v < 0.34), 1.0, 0.0)
    gloss = where(body, 0.8 + 0.35 * clamp01(v / (2.0 * hz)), 1.0)
    red = mix(mix(red * gloss, 0.04, dark), 0.45, 0.6 * hub * dark)
    green = mix(mix(green * gloss, 0.04, dark), 0.45, 0.6 * hub * dark)
    blue = mix(mix(blue * gloss, 0.045, dark), 0.46, 0.6 * hub * dark)
    rear = px < 0.0
    red = mix(mix(red, 0.75, lamps), 0.8, plate)
    green = mix(mix(green, where(rear, 0.08, 0.75), lamps), 0.8, plate)
    blue = mix(mix(blue, where(rear, 0.06, 0.7), lamps), where(rear, 0.4, 0.78), plate)
    return red, green, blue, lamps


def car_cabin(boxes, row, end, side, px, u, v, half_u, u_px, fine, red, green, blue):
    """Glass between pillars, brighter towards the roof as it mirrors the sky."""
    kind = load(boxes, row + KIND)
    hz = load(boxes, row + HALF_Z)
    cabin = (kind > CAR_CABIN - 0.5) & (kind < CAR_CABIN + 0.5)
    rim = minimum(half_u - absolute(u), minimum(v + 0.02, 2.0 * hz - v))
    pillar = where(side & (absolute(px) < 0.05), 1.0, 0.0)
    pane_share = clamp01(0.5 + (rim - 0.09) / u_px) * (1.0 - pillar)
    pane_share = where(cabin & (end | side), pane_share, 0.0)
    mirror = 0.07 + 0.22 * clamp01(v / (2.0 * hz)) * (0.6 + 0.4 * clamp01(0.5 + 0.4 * fine))
    red = mix(red, mirror, pane_share)
    green = mix(green, mirror * 1.05, pane_share)
    blue = mix(blue, mirror * 1.1, pane_share)
    return red, green, blue


def box_colour(boxes, row, looks, look, atlas, ox, oy, oz, dx, dy, dz, depth, pixel, beam):
    """Colour of a box under daylight and the own headlights (`beam`), and what shines of itself."""
    lx, ly, lz, ex, ey, ez = into_box(boxes, row, ox, oy, oz, dx, dy, dz)
    px = lx + depth * ex
    py = ly + depth * ey
    pz = lz + depth * ez
    hx, hy, hz = half_sizes(boxes, row)
    kind = load(boxes, row + KIND)
    seed = load(boxes, row + SEED)
    detail_a = load(boxes, row + DETAIL_A)
    detail_b = load(boxes, row + DETAIL_B)
    nx = px / hx
    ny = py / hy
    nz = pz / hz
    fx = absolute(nx)
    fy = absolute(ny)
    fz = absolute(nz)
    crown = kind > CROWN - 0.5
    bank = crown & (detail_b < 0.01)
    hill = where(bank, 1.0, 0.0)
    end = (fx >= fy) & (fx >= fz) & (hill < 0.5)
    side = (fy > fx) & (fy >= fz) & (hill < 0.5)
    top = ((fz > fx) & (fz > fy)) | bank
    nx = where(crown | end, nx, 0.0)
    ny = where(crown | side, ny, 0.0)
    nz = where(crown | top, nz, 0.0)

    # Light of the face, by its direction in the world.
    cos = load(boxes, row + BOX_COS)
    sin = load(boxes, row + BOX_SIN)
    toward_x = nx * cos - ny * sin
    toward_y = nx * sin + ny * cos
    lit = toward_x * load(looks, look + SUN_X) + toward_y * load(looks, look + SUN_Y) + nz * load(looks, look + SUN_Z)
    light = load(looks, look + AMBIENT) * (1.0 + 0.2 * nz) + load(looks, look + SUN) * maximum(lit, 0.0)

    # Coordinates on the face in metres, v up from its foot; how far the pixel spreads on it.
    u = where(end, py, px)
    v = where(top, py, pz + hz)
    half_u = where(end, hy, hx)
    norm = sqrt(ex * ex + ey * ey + ez * ez)
    slant = maximum(where(end, absolute(ex), where(side, absolute(ey), absolute(ez))) / norm, 0.1)
    u_px = pixel * where(top, 1.0, 1.0 / slant)
    v_px = pixel * where(top, 1.0 / slant, 1.0)
    shift = seed * 977.0

    layer = where(
        kind < 0.5, where(seed > 0.5, 1.0 * MASONRY, 1.0 * FRACTAL), where(crown, 1.0 * FOLIAGE, 1.0 * FRACTAL)
    )
    plain = (kind > PLAIN - 0.5) & (kind < PLAIN + 0.5)
    layer = where(plain, detail_a, where(bank, 1.0 * GRASS, layer))
    contrast = where(plain, detail_b, where(crown, detail_a, where(kind < 0.5, 0.12, 0.05)))
    contrast = contrast * load(looks, look + BOX_CONTRAST)
    per_metre = where(crown, 28.0, 34.0)
    lod = log2(pixel * per_metre / sqrt(slant))
    tu = u * per_metre + shift
    tv = v * per_metre - shift
    fine = texture(atlas, to_int(layer), tu, tv, lod)
    coarse = texture(atlas, to_int(layer), 0.13 * tu + shift, 0.13 * tv, lod - 2.94)
    # Between leaves it is dark.
    gaps = where(crown, 0.8 * maximum(-0.4 - fine - coarse, 0.0), 0.0)
    grain = maximum(1.0 + contrast * (fine + 0.6 * coarse - gaps), 0.1)
    red = load(boxes, row + RED) * grain
    green = load(boxes, row + GREEN) * grain
    blue = load(boxes, row + BLUE) * grain

    own_red = red
    own_green = green
    own_blue = blue
    red, green, blue, window = facade(boxes, row, atlas, end | side, u, v, half_u, u_px, v_px, red, green, blue)
    red, green, blue, lamp = car_body(boxes, row, end, side, px, py, v, u_px, v_px, red, green, blue)
    red, green, blue = car_cabin(boxes, row, end, side, px, u, v, half_u, u_px, fine, red, green, blue)
    # A little darker at the foot, where the ground hides the sky.
    height = oz + depth * dz - ground_height(looks, look, ox + depth * dx, oy + depth * dy)
    light = light * (0.72 + 0.28 * clamp01(height / 1.2)) + beam
    # Lamps: white in front, red behind, light of rooms in windows, and boxes that glow in their own colour.
    lamps = load(looks, look + LAMPS)
    glow = lamps * load(boxes, row + BOX_GLOW)
    window = lamps * window
    lamp = lamps * lamp
    behind = px < 0.0
    red = red * light + glow * own_red + window + lamp
    green = green * light + glow * own_green + 0.75 * window + lamp * where(behind, 0.08, 0.95)
    blue = blue * light + glow * own_blue + 0.45 * window + lamp * where(behind, 0.05, 0.85)
    return red, green, blue
