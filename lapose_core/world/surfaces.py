"""Where a ray meets the world: streets, boxes, crowns; and textures. Written in `ops`, compiled by each renderer.

No branches on a pixel's value: every function works on one number (numba) and on a block of them (Triton).
"""

# ruff: noqa: F403, F405
from lapose_core.world.ops import floor, load, maximum, minimum, sqrt, to_float, to_int, where
from lapose_core.world.relief import ground_height
from lapose_core.world.tables import *


def absolute(x):
    return maximum(x, -x)


def clamp01(x):
    return minimum(maximum(x, 0.0), 1.0)


def mix(a, b, weight):
    return a + (b - a) * weight


def band(x, half_width, footprint):
    """Share of a pixel of width `footprint` round x that lies within +-half_width."""
    return clamp01((minimum(x + 0.5 * footprint, half_width) - maximum(x - 0.5 * footprint, -half_width)) / footprint)


def pulse(x, period, length, footprint):
    """Share of a pixel round x that lies in [0, length] modulo period."""
    per = 1.0 / period
    duty = length * per
    middle = x * per
    half = 0.5 * footprint * per
    low = floor(middle - half)
    high = floor(middle + half)
    area = (high - low) * duty + minimum(middle + half - high, duty) - minimum(middle - half - low, duty)
    return clamp01(0.5 * area / half)


def arctangent(y, x):
    """atan2 by a polynomial, within 1e-5 rad."""
    ax = absolute(x)
    ay = absolute(y)
    z = minimum(ax, ay) / maximum(maximum(ax, ay), 1e-20)
    q = z * z
    p = 0.99997726 + q * (-0.33262347 + q * (0.19354346 + q * (-0.11643287 + q * (0.05265332 - q * 0.0117212))))
    a = z * p
    a = where(ay > ax, 1.57079633 - a, a)
    a = where(x < 0.0, 3.14159265 - a, a)
    return where(y < 0.0, -a, a)


def bilinear(atlas, first, size, x, y):
    """Interpolated texel of the mip level of size x size texels that starts at `first`."""
    x = x - 0.5
    y = y - 0.5
    left = floor(x)
    top = floor(y)
    fx = x - left
    fy = y - top
    i = to_int(left)
    j = to_int(top)
    upper = first + (j & (size - 1)) * size
    lower = first + ((j + 1) & (size - 1)) * size
    right = (i + 1) & (size - 1)
    i = i & (size - 1)
    a = mix(to_float(load(atlas, upper + i)), to_float(load(atlas, upper + right)), fx)
    b = mix(to_float(load(atlas, lower + i)), to_float(load(atlas, lower + right)), fx)
    return mix(a, b, fy)


def outline(atlas, layer, x, y):
    """Texture at texels (x, y) of mip level 1, 0 to 1, not filtered any further."""
    half = ATLAS_SIZE // 2
    return bilinear(atlas, layer * LAYER_STRIDE + ATLAS_SIZE * ATLAS_SIZE, half, x, y) * (1.0 / 255.0)


def texture(atlas, layer, u, v, lod):
    """Texture at (u, v), in texels, filtered over 2**lod texels; mean 0, deviation about 1."""
    lod = minimum(maximum(lod, 0.0), ATLAS_BITS - 0.01)
    level = to_int(lod)
    size = (level * 0 + ATLAS_SIZE) >> level
    # Levels 0 to l - 1 hold 4 (size_0^2 - size_l^2) / 3 texels.
    first = layer * LAYER_STRIDE + 4 * (ATLAS_SIZE * ATLAS_SIZE - size * size) // 3
    shrink = to_float(size) * (1.0 / ATLAS_SIZE)
    x = u * shrink
    y = v * shrink
    fine = bilinear(atlas, first, size, x, y)
    coarse = bilinear(atlas, first + size * size, size >> 1, 0.5 * x, 0.5 * y)
    return (mix(fine, coarse, lod - to_float(level)) - 128.0) * (1.0 / 36.0)


def random_texel(atlas, i, j):
    """Random number of a cell, 0 to 1: the same for both compilers, and no integer overflow."""
    cell = (j & (ATLAS_SIZE - 1)) * ATLAS_SIZE + (i & (ATLAS_SIZE - 1))
    return (to_float(load(atlas, WHITE * LAYER_STRIDE + cell)) - 65.0) * (1.0 / 126.0)


def arc_frames(arcs, row, x, y):
    """Point in the frames of the arc's start and end, and whether it is beside a straight run on before or after it."""
    px = x - load(arcs, row + START_X)
    py = y - load(arcs, row + START_Y)
    cos = load(arcs, row + START_COS)
    sin = load(arcs, row + START_SIN)
    forward = px * cos + py * sin
    left = py * cos - px * sin
    ex = x - load(arcs, row + END_X)
    ey = y - load(arcs, row + END_Y)
    end_cos = load(arcs, row + END_COS)
    end_sin = load(arcs, row + END_SIN)
    beyond = ex * end_cos + ey * end_sin
    end_left = ey * end_cos - ex * end_sin
    # Open ends run on straight; others end there (open: 0 or 1).
    before = forward < (load(arcs, row + OPEN_START) - 1.0) * NOTHING
    after = beyond > (1.0 - load(arcs, row + OPEN_END)) * NOTHING
    return forward, left, beyond, end_left, before, after


def arc_lateral(arcs, row, x, y):
    """Distance of a point to the left of the arc, and whether the arc is beside it."""
    forward, left, beyond, end_left, before, after = arc_frames(arcs, row, x, y)
    k = load(arcs, row + CURVATURE)
    q = k * (forward * forward + left * left) - 2.0 * left
    lateral = -q / (1.0 + sqrt(maximum(1.0 + k * q, 0.0)))
    lateral = where(after, end_left, lateral)
    lateral = where(before, left, lateral)
    beside = ((forward >= 0.0) & (beyond <= 0.0)) | before | after
    return lateral, beside


def arc_along(arcs, row, x, y):
    """Distance along the street, and the street's direction there."""
    forward, left, beyond, _, before, after = arc_frames(arcs, row, x, y)
    cos = load(arcs, row + START_COS)
    sin = load(arcs, row + START_SIN)
    k = load(arcs, row + CURVATURE)
    up = 1.0 - k * left
    across = k * forward
    slope = across / where(up > 0.01, up, 0.01)
    curved = arctangent(across, up) / where(absolute(k) < 1e-6, 1e-6, k)
    straight = forward / where(up > 0.01, up, 0.01) * (1.0 - slope * slope * 0.33333333)
    along = where((absolute(slope) < 0.03) & (up > 0.01), straight, curved)
    norm = 1.0 / sqrt(maximum(up * up + across * across, 1e-12))
    tx = (up * cos - across * sin) * norm
    ty = (up * sin + across * cos) * norm
    along = where(before, forward, where(after, load(arcs, row + LENGTH) + beyond, along))
    tx = where(before, cos, where(after, load(arcs, row + END_COS), tx))
    ty = where(before, sin, where(after, load(arcs, row + END_SIN), ty))
    return along + load(arcs, row + ALONG), tx, ty


def nearest_streets(arcs, first, count, x, y):
    """Of the road driven and of the crossing streets: distance to the kerb (negative on the road), lateral, arc row."""
    road_edge = 0.0 * x + NOTHING
    road_lateral = 0.0 * x
    road_row = to_int(0.0 * x) + first
    side_edge = 0.0 * x + NOTHING
    side_lateral = 0.0 * x
    side_row = to_int(0.0 * x) + first
    for index in range(count):
        row = first + index * ARC_STRIDE
        lateral, beside = arc_lateral(arcs, row, x, y)
        edge = absolute(lateral) - load(arcs, row + HALF_WIDTH)
        crossing = load(arcs, row + IS_CROSSING)
        # Farther than nothing: a road is never the nearest crossing street, even where there is none.
        road = beside & (edge + crossing * (2.0 * NOTHING) < road_edge)
        side = beside & (edge + (1.0 - crossing) * (2.0 * NOTHING) < side_edge)
        road_edge = where(road, edge, road_edge)
        road_lateral = where(road, lateral, road_lateral)
        road_row = where(road, row, road_row)
        side_edge = where(side, edge, side_edge)
        side_lateral = where(side, lateral, side_lateral)
        side_row = where(side, row, side_row)
    return road_edge, road_lateral, road_row, side_edge, side_lateral, side_row


def into_box(boxes, row, ox, oy, oz, dx, dy, dz):
    """Ray in the box's axes, in which it stands upright: origin from its centre, direction."""
    cos = load(boxes, row + BOX_COS)
    sin = load(boxes, row + BOX_SIN)
    rx = ox - load(boxes, row + CENTRE_X)
    ry = oy - load(boxes, row + CENTRE_Y)
    rz = oz - load(boxes, row + CENTRE_Z)
    lx = rx * cos + ry * sin
    ly = ry * cos - rx * sin
    ex = dx * cos + dy * sin
    ey = dy * cos - dx * sin
    shear_x = load(boxes, row + SHEAR_X)
    shear_y = load(boxes, row + SHEAR_Y)
    return lx, ly, rz - shear_x * lx - shear_y * ly, ex, ey, dz - shear_x * ex - shear_y * ey


def carried(boxes, row, x, y, z):
    """Where a point of the box is in the next frame."""
    qx = x - load(boxes, row + CENTRE_X)
    qy = y - load(boxes, row + CENTRE_Y)
    lx = qx * load(boxes, row + BOX_COS) + qy * load(boxes, row + BOX_SIN)
    ly = qy * load(boxes, row + BOX_COS) - qx * load(boxes, row + BOX_SIN)
    cos = load(boxes, row + NEXT_COS)
    sin = load(boxes, row + NEXT_SIN)
    shear_x = load(boxes, row + NEXT_SHEAR_X) - load(boxes, row + SHEAR_X)
    shear_y = load(boxes, row + NEXT_SHEAR_Y) - load(boxes, row + SHEAR_Y)
    x = load(boxes, row + NEXT_X) + lx * cos - ly * sin
    y = load(boxes, row + NEXT_Y) + lx * sin + ly * cos
    return x, y, z + load(boxes, row + NEXT_RISE) + lx * shear_x + ly * shear_y


def half_sizes(boxes, row):
    """Half the box's length, width and height."""
    return load(boxes, row + HALF_X), load(boxes, row + HALF_Y), load(boxes, row + HALF_Z)


def nonzero(x):
    return where(absolute(x) < 1e-7, 1e-7, x)


def box_hit(boxes, row, ox, oy, oz, dx, dy, dz):
    """Depth at which the ray enters the box, or `NOTHING`."""
    lx, ly, lz, ex, ey, ez = into_box(boxes, row, ox, oy, oz, dx, dy, dz)
    ix = 1.0 / nonzero(ex)
    iy = 1.0 / nonzero(ey)
    iz = 1.0 / nonzero(ez)
    hx, hy, hz = half_sizes(boxes, row)
    hx = hx * absolute(ix)
    hy = hy * absolute(iy)
    hz = hz * absolute(iz)
    mx = -lx * ix
    my = -ly * iy
    mz = -lz * iz
    enter = maximum(maximum(mx - hx, my - hy), mz - hz)
    leave = minimum(minimum(mx + hx, my + hy), mz + hz)
    return where((enter < leave) & (enter > NEAR), enter, NOTHING)


def crown_hit(boxes, row, atlas, ox, oy, oz, dx, dy, dz):
    """Depth at which the ray enters the crown, an ellipsoid whose outline a texture makes ragged, or `NOTHING`."""
    lx, ly, lz, ex, ey, ez = into_box(boxes, row, ox, oy, oz, dx, dy, dz)
    rx, ry, rz = half_sizes(boxes, row)
    lx = lx / rx
    ly = ly / ry
    lz = lz / rz
    ex = ex / rx
    ey = ey / ry
    ez = ez / rz
    a = ex * ex + ey * ey + ez * ez
    b = lx * ex + ly * ey + lz * ez
    c = lx * lx + ly * ly + lz * lz - 1.0
    # Closest approach to the centre: its distance decides the hit, its place across the view looks up the outline.
    nearest = -b / a
    px = lx + nearest * ex
    py = ly + nearest * ey
    pz = lz + nearest * ez
    across = (py * lx - px * ly) / sqrt(maximum(lx * lx + ly * ly, 1e-6))
    seed = load(boxes, row + SEED) * 500.0
    rough = outline(atlas, FOLIAGE, across * rx * 8.0 + seed, pz * rz * 8.0 - seed)
    reach = 1.0 - (1.0 - rough) * load(boxes, row + DETAIL_B)
    # Never from within: the camera is outside where c > 0.
    inside = px * px + py * py + pz * pz < reach * reach * where(c > 0.0, 1.0, 0.0)
    depth = nearest - sqrt(maximum(b * b - a * c, 0.0)) / a
    return where(inside & (depth > NEAR), depth, NOTHING)


def cast_shadow(boxes, row, count, looks, look, atlas, x, y):
    """Share of the sun's light that the `count` boxes from `row` on keep from a point on the ground, 0 or 1."""
    sun_x = load(looks, look + SUN_X)
    sun_y = load(looks, look + SUN_Y)
    sun_z = load(looks, look + SUN_Z)
    z = ground_height(looks, look, x, y)
    shadow = 0.0 * x
    for index in range(count):
        box = row + index * BOX_STRIDE
        if load(boxes, box + KIND) > CROWN - 0.5:
            depth = crown_hit(boxes, box, atlas, x, y, z, sun_x, sun_y, sun_z)
        else:
            depth = box_hit(boxes, box, x, y, z, sun_x, sun_y, sun_z)
        shadow = where(depth < NOTHING, 1.0, shadow)
    return shadow


def headlight(looks, look, x, depth, height):
    """Light of the own low beam on a point at x in the picture (unit focal length), so deep and so high, metres."""
    light = 0.0 * x
    if load(looks, look + HEADLIGHT) > 0.0:
        # It ends a little below the horizon of the lamps; beside the road, and with the distance, it fades.
        above = (height - 0.55) / maximum(depth, 1.0)
        beam = 0.1 + 0.9 * clamp01(0.4 - 30.0 * above)
        light = load(looks, look + HEADLIGHT) * beam / ((1.0 + 4.0 * x * x) * (1.0 + depth * depth * 0.0025))
    return light
