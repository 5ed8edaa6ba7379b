"""Colour of the ground: streets with their markings, kerb, pavement and verge.

`pixel` is the width in metres that a pixel covers across the ray; it drives all filtering, so that nothing flickers.
`arcs`, `boxes`, `looks` are flat tables, and `first`, `row`, `look` indices of rows in them. Written in `ops`.
"""

# ruff: noqa: F403, F405
from lapose_core.world.ops import floor, load, log2, maximum, minimum, sqrt, to_int, where
from lapose_core.world.surfaces import (
    absolute,
    arc_along,
    arctangent,
    band,
    clamp01,
    mix,
    nearest_streets,
    outline,
    pulse,
    random_texel,
    texture,
)
from lapose_core.world.tables import *


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
    from_edge = absolute(lateral) - (0.5 * lanes * width - 0.2)
    lines = maximum(inner, band(from_edge, line, across_px) * load(looks, look + EDGE_PAINT))
    hatched = load(looks, look + HATCHED)
    if hatched * hatched > 0.5:
        bars = pulse(along + 1.2 * absolute(lateral), 4.2, 1.1, 1.5 * along_px)
        lines = maximum(lines, where((from_edge > 0.0) & (lateral * hatched > 0.0), bars, 0.0))
    return lines


def zebra(looks, look, on_side, along, lateral, across_px, along_px):
    """Share of the pixel covered by the stripes of a zebra crossing."""
    first = band(along - load(looks, look + ZEBRA_A), 1.6, along_px)
    second = band(along - load(looks, look + ZEBRA_B), 1.6, along_px)
    from_junction = absolute(along) - load(looks, look + CROSSING_SETBACK)
    side = band(from_junction, 1.6, along_px) * load(looks, look + CROSSING_ZEBRA)
    return where(on_side, side, maximum(first, second)) * pulse(lateral, 1.0, 0.5, across_px)


def patches(looks, look, atlas, along, lateral, footprint):
    """How much brighter the road is: stretches of other ages, a manhole here and there."""
    width = load(looks, look + LANE_WIDTH)
    length = load(looks, look + PATCH_LENGTH)
    cell_u = floor(along / length)
    cell_v = floor(lateral / width)
    seed_u = load(looks, look + SEED_U)
    seed_v = load(looks, look + SEED_V)
    chance = random_texel(atlas, to_int(cell_u + seed_u), to_int(cell_v + seed_v))
    patch = where(chance < 0.14, -1.0, where(chance > 0.9, 0.8, 0.0)) * load(looks, look + PATCHES)
    hole_u = along - (cell_u + 0.5) * length
    hole_v = lateral - (cell_v + 0.35) * width
    hole = band(sqrt(hole_u * hole_u + hole_v * hole_v), 0.33, footprint)
    return where((chance > 0.42) & (chance < 0.47), patch - 0.55 * hole, patch)


def drawn_out(looks, look, lateral, edge, fine, across_px):
    """How much brighter the road is by what runs along it: wheel tracks, the seams between lanes, dirt at the kerb."""
    width = load(looks, look + LANE_WIDTH)
    place = lateral / width + 0.5 * load(looks, look + LANES)
    from_middle = (place - floor(place) - 0.5) * width
    from_middle = absolute(from_middle)
    soft = load(looks, look + TRACK_WIDTH)
    wheel = from_middle - 0.75
    tracks = clamp01(1.5 - absolute(wheel) / soft) * load(looks, look + TRACKS)
    seam = band(from_middle - 0.5 * width, 0.02, across_px) * load(looks, look + SEAM) * clamp01(0.7 + 0.5 * fine)
    gutter = clamp01(1.0 + edge / 0.35) * load(looks, look + GUTTER)
    return tracks - seam + gutter * (0.7 + 0.3 * fine)


def ground_light(looks, look, atlas, x, y, lod, fine, cast):
    """Light on the ground: shadows that are `cast`, and those of things out of view, frayed by the fine texture."""
    sun_x = load(looks, look + SUN_X)
    sun_y = load(looks, look + SUN_Y)
    scale = load(looks, look + SHADOW_SCALE)
    u = (x * sun_x + y * sun_y) * scale * load(looks, look + SHADOW_STRETCH) + load(looks, look + SEED_V)
    v = (y * sun_x - x * sun_y) * scale + load(looks, look + SEED_U)
    blob = texture(atlas, FRACTAL, u, v, lod + load(looks, look + LOG2_SHADOW_SCALE))
    blob = blob + 0.25 * fine - load(looks, look + SHADOW_LEVEL)
    light = 1.0 - load(looks, look + SHADOW) * clamp01(0.5 + 2.5 * blob)
    light = minimum(light, 1.0 - load(looks, look + CAST) * cast)
    return light * (load(looks, look + AMBIENT) + load(looks, look + SUN) * load(looks, look + SUN_Z))


def wet_mirror(looks, look, atlas, dx, dy, dz):
    """What a wet road mirrors: sky, above dark things that stand far away; and how much of it, by the angle of view."""
    up = -dz / sqrt(dx * dx + dy * dy + dz * dz)
    around = arctangent(dy, dx) * (512.0 / 6.28318531)
    tall = outline(atlas, FRACTAL, 2.0 * around + load(looks, look + SEED_U), load(looks, look + SEED_V) + 0.0 * up)
    tone = mix(0.4, 1.0, clamp01(0.5 + 7.0 * (up - 0.25 * tall)))
    rise = clamp01(1.6 * up)
    red = mix(load(looks, look + FOG_RED), load(looks, look + ZENITH_RED), rise) * tone
    green = mix(load(looks, look + FOG_GREEN), load(looks, look + ZENITH_GREEN), rise) * tone
    blue = mix(load(looks, look + FOG_BLUE), load(looks, look + ZENITH_BLUE), rise) * tone
    flat = (1.0 - up) * (1.0 - up)
    return red, green, blue, load(looks, look + WET) * (0.05 + 0.9 * flat * flat)


def ground_colour(arcs, first, looks, look, atlas, x, y, dx, dy, dz, pixel, cast, beam):
    """Colour in shadow (`cast`, 0 to 1) and under the light of the own headlights (`beam`)."""
    count = to_int(load(looks, look + ARC_COUNT))
    road_edge, road_lateral, road_row, side_edge, side_lateral, side_row = nearest_streets(arcs, first, count, x, y)
    on_side = side_edge < road_edge
    edge = minimum(side_edge, road_edge)
    junction = maximum(side_edge, road_edge)
    lateral = where(on_side, side_lateral, road_lateral)
    # The other carriageway of a motorway is ours once more, so far to its side.
    apart = load(looks, look + OTHER_ROAD)
    other = (absolute(lateral - apart) < absolute(lateral)) & (side_edge > 1e3)
    edge = where(other, edge + absolute(lateral - apart) - absolute(lateral), edge)
    lateral = where(other, lateral - apart, lateral)
    row = where(on_side, side_row, road_row)
    along, tx, ty = arc_along(arcs, row, x, y)

    # The pixel's footprint is long along the view and `pixel` wide across it.
    level = sqrt(dx * dx + dy * dy) + 1e-6
    stretch = minimum(sqrt(dx * dx + dy * dy + dz * dz) / maximum(-dz, 1e-4), 60.0)
    facing = (dx * tx + dy * ty) / level
    facing = absolute(facing)
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
    stretched = load(looks, look + ROAD_STRETCH)
    along_road = where(on_road, stretched, 0.0) > 0.0
    slabs = along / load(looks, look + SLAB_STRETCH)
    u = where(along_road, along / maximum(stretched, 1.0), where(on_pavement, slabs, x * cos - y * sin)) / texel
    u = u + seed_u
    v = where(on_pavement | along_road, lateral, x * sin + y * cos) / texel + seed_v
    layer = where(
        on_road, load(looks, look + ROAD_LAYER), where(on_pavement, 1.0 * PAVING, load(looks, look + VERGE_LAYER))
    )
    contrast = where(edge < paved, load(looks, look + ROAD_CONTRAST), load(looks, look + VERGE_CONTRAST))
    lod_texel = lod - load(looks, look + LOG2_TEXEL)
    fine = texture(atlas, to_int(layer), u, v, lod_texel)
    wide = where(on_road, 1.0 * ASPHALT, 1.0 * GRASS)
    coarse_u = where(along_road, u, 0.8 * u + 0.6 * v)
    coarse_v = where(along_road, v, 0.8 * v - 0.6 * u)
    coarse = texture(atlas, to_int(wide), 0.11 * coarse_u, 0.11 * coarse_v, lod_texel - 3.18)
    grain = 1.0 + contrast * fine + load(looks, look + STAIN_CONTRAST) * coarse

    # Road, its patches and its paint.
    patch = patches(looks, look, atlas, along, lateral, sqrt(along_px * across_px))
    rough = grain * (1.0 + patch) * (1.0 + drawn_out(looks, look, lateral, edge, fine, across_px))
    red = load(looks, look + ROAD_RED) * rough
    green = load(looks, look + ROAD_GREEN) * rough
    blue = load(looks, look + ROAD_BLUE) * rough
    lines = where(junction < 0.3, 0.0, lane_lines(looks, look, along, lateral, across_px, along_px))
    stripes = zebra(looks, look, on_side, along, lateral, across_px, along_px)
    wear = load(looks, look + WEAR)
    paint = mix(lines, 1.0, stripes) * clamp01(1.0 - wear - wear * (0.5 * fine + 0.7 * coarse))
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

    light = ground_light(looks, look, atlas, x, y, lod, fine, cast) + beam
    red = red * light
    green = green * light
    blue = blue * light
    if load(looks, look + WET) > 0.0:
        mirror_red, mirror_green, mirror_blue, share = wet_mirror(looks, look, atlas, dx, dy, dz)
        share = share * where(edge < paved, clamp01(0.75 + 0.5 * coarse), 0.15)
        red = mix(red, mirror_red, share)
        green = mix(green, mirror_green, share)
        blue = mix(blue, mirror_blue, share)
    return red, green, blue
