"""Colour of what a ray meets: ground, boxes, sky. Written in `ops`, compiled by each renderer, as `surfaces` is.

`pixel` is the width in metres that a pixel covers across the ray; it drives all filtering, so that nothing flickers.
`arcs`, `boxes`, `looks` are flat tables and `first`, `row`, `look` indices of rows in them.
"""

# ruff: noqa: F403, F405
from lapose_core.world.ops import exp, floor, load, log2, maximum, minimum, sqrt, to_float, to_int, where
from lapose_core.world.surfaces import (
    arc_along,
    arctangent,
    band,
    clamp01,
    into_box,
    mix,
    nearest_streets,
    outline,
    pulse,
    texture,
)
from lapose_core.world.tables import *


def random_texel(atlas, i, j):
    """Random number of a cell, 0 to 1: the same for both compilers, and no integer overflow."""
    cell = (j & (ATLAS_SIZE - 1)) * ATLAS_SIZE + (i & (ATLAS_SIZE - 1))
    return (to_float(load(atlas, WHITE * LAYER_STRIDE + cell)) - 65.0) * (1.0 / 126.0)


def lane_lines(looks, look, along, lateral, across_px, along_px):
    """Share of the pixel covered by lane, centre and edge lines."""
    lanes = load(looks, look + LANES)
    width = load(looks, look + LANE_WIDTH)
    line = load(looks, look + LINE_HALF_WIDTH)
    place = lateral / width + 0.5 * lanes
    number = floor(place + 0.5)
    between = (number > 0.5) & (number < lanes - 0.5)
    centre = maximum(number - 0.5 * lanes, 0.5 * lanes - number) < 0.25
    dash = pulse(along, load(looks, look + DASH_PERIOD), load(looks, look + DASH_LENGTH), along_px)
    centre_paint = load(looks, look + CENTRE_PAINT)
    # Centre paint: 0 none, 1 dashed, 2 solid.
    solid = where(centre, clamp01(centre_paint - 1.0), 0.0)
    paint = where(centre, clamp01(centre_paint), load(looks, look + LANE_PAINT))
    inner = where(between, band((place - number) * width, line, across_px) * mix(dash, 1.0, solid) * paint, 0.0)
    from_edge = maximum(lateral, -lateral) - (0.5 * lanes * width - 0.2)
    return maximum(inner, band(from_edge, line, across_px) * load(looks, look + EDGE_PAINT))


def ground_colour(arcs, first, looks, look, atlas, x, y, dx, dy, dz, pixel):
    count = to_int(load(looks, look + ARC_COUNT))
    road_edge, road_lateral, road_row, side_edge, side_lateral, side_row = nearest_streets(arcs, first, count, x, y)
    on_side = side_edge < road_edge
    edge = minimum(side_edge, road_edge)
    junction = maximum(side_edge, road_edge)
    lateral = where(on_side, side_lateral, road_lateral)
    row = where(on_side, side_row, road_row)
    along, tx, ty = arc_along(arcs, row, x, y)

    # The pixel's footprint is long along the view and `pixel` wide across it.
    level = sqrt(dx * dx + dy * dy) + 1e-6
    stretch = minimum(sqrt(dx * dx + dy * dy + dz * dz) / maximum(-dz, 1e-4), 60.0)
    facing = (dx * tx + dy * ty) / level
    facing = maximum(facing, -facing)
    aside = sqrt(maximum(1.0 - facing * facing, 0.0))
    along_px = pixel * (stretch * facing + aside)
    across_px = pixel * (stretch * aside + facing)
    lod = log2(pixel * sqrt(stretch))

    # Texture: fine and coarse, the fine one by material, both turned and moved by the scene's own amount.
    texel = load(looks, look + TEXEL)
    cos = load(looks, look + TEXTURE_COS)
    sin = load(looks, look + TEXTURE_SIN)
    seed_u = load(looks, look + SEED_U)
    seed_v = load(looks, look + SEED_V)
    on_road = edge < 0.0
    kerb = load(looks, look + KERB)
    paved = load(looks, look + PAVEMENT_WIDTH)
    on_pavement = (edge >= 0.0) & (edge < paved)
    u = where(on_pavement, along, x * cos - y * sin) / texel + seed_u
    v = where(on_pavement, lateral, x * sin + y * cos) / texel + seed_v
    layer = where(
        on_road, load(looks, look + ROAD_LAYER), where(on_pavement, 1.0 * PAVING, load(looks, look + VERGE_LAYER))
    )
    contrast = where(edge < paved, load(looks, look + ROAD_CONTRAST), load(looks, look + VERGE_CONTRAST))
    lod_texel = lod - load(looks, look + LOG2_TEXEL)
    fine = texture(atlas, to_int(layer), u, v, lod_texel)
    wide = where(on_road, 1.0 * ASPHALT, 1.0 * GRASS)
    coarse = texture(atlas, to_int(wide), 0.11 * (0.8 * u + 0.6 * v), 0.11 * (0.8 * v - 0.6 * u), lod_texel - 3.18)
    grain = 1.0 + contrast * fine + load(looks, look + STAIN_CONTRAST) * coarse

    # Road: patches of other ages, a manhole here and there, paint.
    width = load(looks, look + LANE_WIDTH)
    cell_u = floor(along / 7.3)
    cell_v = floor(lateral / width)
    chance = random_texel(atlas, to_int(cell_u + seed_u), to_int(cell_v + seed_v))
    patch = where(chance < 0.14, -1.0, where(chance > 0.9, 0.8, 0.0)) * load(looks, look + PATCHES)
    hole_u = along - (cell_u + 0.5) * 7.3
    hole_v = lateral - (cell_v + 0.35) * width
    hole = band(sqrt(hole_u * hole_u + hole_v * hole_v), 0.33, sqrt(along_px * across_px))
    patch = where((chance > 0.42) & (chance < 0.47), patch - 0.55 * hole, patch)
    rough = grain * (1.0 + patch)
    red = load(looks, look + ROAD_RED) * rough
    green = load(looks, look + ROAD_GREEN) * rough
    blue = load(looks, look + ROAD_BLUE) * rough
    setback = load(looks, look + CROSSING_SETBACK)
    zebra_a = band(along - load(looks, look + ZEBRA_A), 1.6, along_px)
    zebra_b = band(along - load(looks, look + ZEBRA_B), 1.6, along_px)
    zebra_side = band(maximum(along, -along) - setback, 1.6, along_px) * load(looks, look + CROSSING_ZEBRA)
    zebra = where(on_side, zebra_side, maximum(zebra_a, zebra_b)) * pulse(lateral, 1.0, 0.5, across_px)
    paint = where(junction < 0.3, 0.0, lane_lines(looks, look, along, lateral, across_px, along_px))
    wear = load(looks, look + WEAR)
    paint = maximum(paint * (1.0 - zebra), zebra) * clamp01(1.0 - wear - wear * (0.5 * fine + 0.7 * coarse))
    bright = 1.0 + 0.25 * contrast * fine
    red = mix(red, load(looks, look + PAINT_RED) * bright, paint)
    green = mix(green, load(looks, look + PAINT_GREEN) * bright, paint)
    blue = mix(blue, load(looks, look + PAINT_BLUE) * bright, paint)

    # Beside it: kerb stone, pavement, verge, each blended over the pixel's width.
    soft = 1.0 / (across_px + 0.01)
    to_verge = clamp01(0.5 + (edge - paved) * soft)
    to_side = clamp01(0.5 + edge * soft)
    side_red = mix(load(looks, look + PAVEMENT_RED), load(looks, look + VERGE_RED), to_verge) * grain
    side_green = mix(load(looks, look + PAVEMENT_GREEN), load(looks, look + VERGE_GREEN), to_verge) * grain
    side_blue = mix(load(looks, look + PAVEMENT_BLUE), load(looks, look + VERGE_BLUE), to_verge) * grain
    stone = band(edge - 0.08, 0.08, across_px) * kerb
    red = mix(mix(red, side_red, to_side), 0.62, stone)
    green = mix(mix(green, side_green, to_side), 0.61, stone)
    blue = mix(mix(blue, side_blue, to_side), 0.58, stone)

    # Shadows thrown on the ground, drawn out away from the sun.
    sun_x = load(looks, look + SUN_X)
    sun_y = load(looks, look + SUN_Y)
    scale = load(looks, look + SHADOW_SCALE)
    shade_u = (x * sun_x + y * sun_y) * scale * load(looks, look + SHADOW_STRETCH)
    shade_v = (y * sun_x - x * sun_y) * scale
    blob = texture(atlas, FRACTAL, shade_u + seed_v, shade_v + seed_u, lod + load(looks, look + LOG2_SHADOW_SCALE))
    blob = blob + 0.25 * fine - load(looks, look + SHADOW_LEVEL)
    light = 1.0 - load(looks, look + SHADOW) * clamp01(0.5 + 2.5 * blob)
    light = light * (load(looks, look + AMBIENT) + load(looks, look + SUN) * load(looks, look + SUN_Z))
    return red * light, green * light, blue * light


def box_colour(boxes, row, looks, look, atlas, ox, oy, oz, dx, dy, dz, depth, pixel):
    lx, ly, lz, ex, ey, ez = into_box(boxes, row, ox, oy, oz, dx, dy, dz)
    px = lx + depth * ex
    py = ly + depth * ey
    pz = lz + depth * ez
    hx = load(boxes, row + HALF_X)
    hy = load(boxes, row + HALF_Y)
    hz = load(boxes, row + HALF_Z)
    kind = load(boxes, row + KIND)
    seed = load(boxes, row + SEED)
    detail_a = load(boxes, row + DETAIL_A)
    detail_b = load(boxes, row + DETAIL_B)
    nx = px / hx
    ny = py / hy
    nz = pz / hz
    fx = maximum(nx, -nx)
    fy = maximum(ny, -ny)
    fz = maximum(nz, -nz)
    crown = kind > CROWN - 0.5
    end = (fx >= fy) & (fx >= fz)
    side = (fy > fx) & (fy >= fz)
    top = (fz > fx) & (fz > fy)
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
    slant = maximum(where(end, maximum(ex, -ex), where(side, maximum(ey, -ey), maximum(ez, -ez))) / norm, 0.1)
    u_px = pixel * where(top, 1.0, 1.0 / slant)
    v_px = pixel * where(top, 1.0 / slant, 1.0)
    shift = seed * 977.0

    layer = where(
        kind < 0.5, where(seed > 0.5, 1.0 * MASONRY, 1.0 * FRACTAL), where(crown, 1.0 * FOLIAGE, 1.0 * FRACTAL)
    )
    plain = (kind > PLAIN - 0.5) & (kind < PLAIN + 0.5)
    layer = where(plain, detail_a, layer)
    contrast = where(plain, detail_b, where(crown, detail_a, where(kind < 0.5, 0.12, 0.05)))
    contrast = contrast * load(looks, look + BOX_CONTRAST)
    per_metre = where(crown, 28.0, 34.0)
    lod = log2(pixel * per_metre / sqrt(slant))
    tu = u * per_metre + shift
    tv = v * per_metre - shift
    fine = texture(atlas, to_int(layer), tu, tv, lod)
    coarse = texture(atlas, to_int(layer), 0.13 * tu + shift, 0.13 * tv, lod - 2.94)
    grain = maximum(1.0 + contrast * (fine + 0.6 * coarse), 0.1)
    red = load(boxes, row + RED) * grain
    green = load(boxes, row + GREEN) * grain
    blue = load(boxes, row + BLUE) * grain

    # Building: windows in storeys, each with its own brightness, a light frame round each, another ground floor.
    storey = maximum(detail_a, 1.0)
    pitch = maximum(detail_b, 0.5)
    windows = (kind < 0.5) & (detail_b > 0.1) & (end | side)
    ground = v < storey
    pitch = where(ground & (seed > 0.45), pitch * 2.0, pitch)
    floor_number = floor(v / storey)
    wide = where(ground, 0.62, 0.36 + 0.22 * seed) * pitch
    high = where(ground, 0.66, 0.5) * storey
    sill = where(ground, 0.12, 0.28) * storey
    wu = u + half_u - 0.5 * (pitch - wide)
    wv = v - sill
    glass = pulse(wu, pitch, wide, u_px) * pulse(wv, storey, high, v_px)
    frame = pulse(wu + 0.12, pitch, wide + 0.24, u_px) * pulse(wv + 0.12, storey, high + 0.24, v_px)
    roof = 2.0 * hz - v < where(seed > 0.7, 0.9, 0.25)
    inside = where(windows & (v + 0.35 * storey < 2.0 * hz) & (half_u - maximum(u, -u) > 0.3), 1.0, 0.0)
    glass = glass * inside
    frame = frame * inside
    chance = random_texel(atlas, to_int(floor(wu / pitch) + shift), to_int(floor_number + 7.0 * shift))
    pane = 0.1 + 0.3 * chance * chance
    framed = where(seed > 0.35, 1.25, 0.7)
    red = mix(red * mix(1.0, framed, frame), pane * 0.9, glass)
    green = mix(green * mix(1.0, framed, frame), pane, glass)
    blue = mix(blue * mix(1.0, framed, frame), pane * 1.1, glass)
    darker = where(windows & roof, 0.55, where(windows & ground, 0.8, 1.0))
    red = red * darker
    green = green * darker
    blue = blue * darker

    # Car body: wheels, the dark gap above the road, lamps, number plate. Its length runs along x.
    body = (kind > CAR_BODY - 0.5) & (kind < CAR_BODY + 0.5)
    away = maximum(px, -px) - 0.6 * hx
    wheel = where(side, band(sqrt(away * away + (v - 0.14) * (v - 0.14)), 0.33, u_px), 0.0)
    hub = where(side, band(sqrt(away * away + (v - 0.14) * (v - 0.14)), 0.17, u_px), 0.0)
    low = clamp01(0.5 + (0.16 - v) / v_px)
    dark = where(body, where(top, 0.0, maximum(wheel, low)), 0.0)
    lamp_u = maximum(py, -py) / hy
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

    # Cabin: glass between pillars, brighter towards the roof as it mirrors the sky.
    cabin = (kind > CAR_CABIN - 0.5) & (kind < CAR_CABIN + 0.5)
    rim = minimum(half_u - maximum(u, -u), minimum(v + 0.02, 2.0 * hz - v))
    pillar = where(side & (maximum(px, -px) < 0.05), 1.0, 0.0)
    pane_share = clamp01(0.5 + (rim - 0.09) / u_px) * (1.0 - pillar)
    pane_share = where(cabin & (end | side), pane_share, 0.0)
    mirror = 0.07 + 0.22 * clamp01(v / (2.0 * hz)) * (0.6 + 0.4 * clamp01(0.5 + 0.4 * fine))
    red = mix(red, mirror, pane_share)
    green = mix(green, mirror * 1.05, pane_share)
    blue = mix(blue, mirror * 1.1, pane_share)
    # A little darker at the foot, where the ground hides the sky.
    light = light * (0.72 + 0.28 * clamp01((oz + depth * dz) / 1.2))
    return red * light, green * light, blue * light


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
    red = mix(red, 0.93, cloud) + glow
    green = mix(green, 0.93, cloud) + glow
    blue = mix(blue, 0.95, cloud) + glow * 0.9

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


def expose(looks, look, red, green, blue, depth):
    """Fog by depth (metres; sky: 0), then the camera's gain, offset and saturation; 0 to 255."""
    clear = exp(-depth * load(looks, look + FOG))
    red = mix(load(looks, look + FOG_RED), red, clear)
    green = mix(load(looks, look + FOG_GREEN), green, clear)
    blue = mix(load(looks, look + FOG_BLUE), blue, clear)
    gain = load(looks, look + GAIN)
    offset = load(looks, look + OFFSET)
    saturation = load(looks, look + SATURATION)
    grey = 0.3 * red + 0.59 * green + 0.11 * blue
    red = clamp01(gain * mix(grey, red, saturation) + offset) * 255.0
    green = clamp01(gain * mix(grey, green, saturation) + offset) * 255.0
    blue = clamp01(gain * mix(grey, blue, saturation) + offset) * 255.0
    return red, green, blue
