"""The Triton kernels: the same picture and the same flow, from the same tables, as in `render_cpu`."""

# ruff: noqa: F403, F405
from functools import partial
from typing import Any

import triton
import triton.language as tl

from lapose_core.world import tables
from lapose_core.world.ground import ground_colour
from lapose_core.world.lens import expose, haze, pinhole, principal_point, rain, straightening
from lapose_core.world.relief import climb, ground_height, ground_hit
from lapose_core.world.shared_source import SHADING, compile_copies, functions_of
from lapose_core.world.shutter import in_camera, in_row, picture_place, row_ray, row_shift, row_slack, share_of_sight
from lapose_core.world.sky import bonnet_colour, sky_colour, skyline
from lapose_core.world.solids import box_colour
from lapose_core.world.surfaces import absolute, box_hit, carried, cast_shadow, crown_hit, half_sizes, headlight
from lapose_core.world.tables import *


# Triton's own `ops`. They look `tl` up when called, as its interpreter wants it.
def load(table, index):
    return tl.load(table + index)


def where(condition, a, b):
    return tl.where(condition, a, b)


def minimum(a, b):
    return tl.minimum(a, b)


def maximum(a, b):
    return tl.maximum(a, b)


def floor(x):
    return tl.floor(x)


def sqrt(x):
    return tl.sqrt(x)


def exp(x):
    return tl.exp(x)


def log2(x):
    return tl.log2(x)


def to_int(x):
    return x.to(tl.int32)


def to_float(x):
    return x.to(tl.float32)


def to_single(x):
    return x


def first_hit(cameras, camera, boxes, row, looks, look, atlas, ox, oy, oz, dx, dy, dz, middle_x, middle_y, reach):
    """Depth and box row (-1: ground, or sky where the depth is `NOTHING`) of what each ray meets first.

    The rays lie within `reach` of (middle_x, middle_y) in the picture at unit focal length, as the middle row has it;
    boxes clear of them are skipped.
    """
    ground = ground_hit(looks, look, ox, oy, oz, dx, dy, dz)
    nearest = tl.where(ground < FAR, ground, NOTHING)
    owner = to_int(0.0 * dz) - 1
    length = tl.sqrt(1.0 + middle_x * middle_x + middle_y * middle_y)
    shift, turn = row_slack(cameras, camera)
    reach = reach + 1.1 * turn
    camera_x = load(cameras, camera + POSITION)
    camera_y = load(cameras, camera + POSITION + 1)
    camera_z = load(cameras, camera + POSITION + 2)
    for k in range(to_int(load(cameras, camera + BOX_COUNT))):
        box = row + k * BOX_STRIDE
        right, down, ahead = in_camera(
            cameras,
            camera,
            load(boxes, box + CENTRE_X) - camera_x,
            load(boxes, box + CENTRE_Y) - camera_y,
            load(boxes, box + CENTRE_Z) - camera_z,
        )
        hx, hy, hz = half_sizes(boxes, box)
        sheared = absolute(load(boxes, box + SHEAR_X)) + absolute(load(boxes, box + SHEAR_Y))
        radius = tl.sqrt(hx * hx + hy * hy + hz * hz) * (1.0 + sheared) + shift
        along = tl.maximum((right * middle_x + down * middle_y + ahead) / length, 0.0)
        off_x = right - along * middle_x / length
        off_y = down - along * middle_y / length
        off_z = ahead - along / length
        off = tl.sqrt(off_x * off_x + off_y * off_y + off_z * off_z)
        if off < radius + (along + radius) * reach:
            if load(boxes, box + KIND) > CROWN - 0.5:
                depth = crown_hit(boxes, box, atlas, ox, oy, oz, dx, dy, dz)
            else:
                depth = box_hit(boxes, box, ox, oy, oz, dx, dy, dz)
            owner = tl.where(depth < nearest, box, owner)
            nearest = tl.minimum(depth, nearest)
    return nearest, owner


def draw(
    cameras,
    arcs,
    looks,
    boxes,
    atlas,
    frames,
    frames_per_scene,
    arcs_per_scene,
    boxes_per_frame,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    TILE_H: tl.constexpr,
    TILE_W: tl.constexpr,
):
    """A tile of one frame."""
    f = tl.program_id(0)
    top = tl.program_id(1) // ((WIDTH + TILE_W - 1) // TILE_W) * TILE_H
    left = tl.program_id(1) % ((WIDTH + TILE_W - 1) // TILE_W) * TILE_W
    pixel = tl.arange(0, TILE_H * TILE_W)
    i = top + pixel // TILE_W
    j = left + pixel % TILE_W
    scene = f // frames_per_scene
    camera = f * CAMERA_STRIDE
    first = scene * arcs_per_scene * ARC_STRIDE
    look = scene * LOOK_STRIDE
    focal = load(cameras, camera + FOCAL) * WIDTH
    centre_x, centre_y = principal_point(cameras, camera, HEIGHT, WIDTH)
    x, y = pinhole(cameras, camera, (to_float(j) + 0.5 - centre_x) / focal, (to_float(i) + 0.5 - centre_y) / focal)
    share = (to_float(i) + 0.5) / HEIGHT - 0.5
    ox, oy, oz, dx, dy, dz = row_ray(cameras, camera, share, x, y)
    middle_x = (to_float(left) + 0.5 * TILE_W - centre_x) / focal
    middle_y = (to_float(top) + 0.5 * TILE_H - centre_y) / focal
    reach = 0.5 * tl.sqrt(1.0 * TILE_W * TILE_W + TILE_H * TILE_H) / focal
    # A barrel draws a tile apart, and most at its outer corner.
    outer = tl.sqrt(middle_x * middle_x + middle_y * middle_y) + reach
    straight = straightening(load(cameras, camera + DISTORTION), outer, 0.0)
    reach = reach * tl.maximum((2.0 * straight - 1.0) * straight, 1.0)
    middle_x, middle_y = pinhole(cameras, camera, middle_x, middle_y)
    row = f * boxes_per_frame * BOX_STRIDE
    depth, owner = first_hit(
        cameras, camera, boxes, row, looks, look, atlas, ox, oy, oz, dx, dy, dz, middle_x, middle_y, reach
    )

    over = y - load(looks, look + BONNET_TOP) - load(looks, look + BONNET_CURVE) * x * x
    bonnet = over > 0.0
    sky = (depth >= NOTHING) & (over <= 0.0)
    box = (owner >= 0) & (over <= 0.0)
    ground = (owner < 0) & (depth < NOTHING) & (over <= 0.0)
    near = tl.minimum(depth, FAR)
    red = 0.0 * x
    green = 0.0 * x
    blue = 0.0 * x
    px = ox + near * dx
    py = oy + near * dy
    beam = headlight(looks, look, x, near, oz + near * dz - ground_height(looks, look, px, py))
    if tl.max(to_int(ground), 0) > 0:
        casting = row + to_int(load(cameras, camera + BOX_COUNT)) * BOX_STRIDE
        count = to_int(load(cameras, camera + SHADOW_COUNT))
        cast = cast_shadow(boxes, casting, count, looks, look, atlas, px, py)
        down = tl.minimum(climb(looks, look, px, py, dx, dy, dz), -1e-4)
        r, g, b = ground_colour(arcs, first, looks, look, atlas, px, py, dx, dy, down, near / focal, cast, beam)
        red = tl.where(ground, r, red)
        green = tl.where(ground, g, green)
        blue = tl.where(ground, b, blue)
    if tl.max(to_int(box), 0) > 0:
        r, g, b = box_colour(
            boxes, tl.maximum(owner, row), looks, look, atlas, ox, oy, oz, dx, dy, dz, near, near / focal, beam
        )
        red = tl.where(box, r, red)
        green = tl.where(box, g, green)
        blue = tl.where(box, b, blue)
    if tl.max(to_int(sky), 0) > 0:
        r, g, b = sky_colour(looks, look, atlas, dx, dy, dz, 1.0 / focal)
        r, g, b = skyline(looks, look, atlas, dx, dy, dz, 1.0 / focal, r, g, b)
        red = tl.where(sky, r, red)
        green = tl.where(sky, g, green)
        blue = tl.where(sky, b, blue)
    if tl.max(to_int(bonnet), 0) > 0:
        r, g, b = bonnet_colour(looks, look, atlas, x, y, over, 1.0 / focal)
        red = tl.where(bonnet, r, red)
        green = tl.where(bonnet, g, green)
        blue = tl.where(bonnet, b, blue)
    red, green, blue = haze(looks, look, red, green, blue, tl.where(ground | box, near, 0.0), dx, dy, dz)
    noise_u = load(cameras, camera + NOISE_U)
    noise_v = load(cameras, camera + NOISE_V)
    if load(looks, look + STREAKS) + load(looks, look + DROPS) > 0.0:
        px = (to_float(j) + 0.5) / WIDTH
        py = (to_float(i) + 0.5) / WIDTH
        drops_seed = load(cameras, camera + DROPS_SEED)
        red, green, blue = rain(looks, look, atlas, px, py, 1.0 / WIDTH, noise_u, noise_v, drops_seed, red, green, blue)
    red, green, blue = expose(looks, look, atlas, j, i, noise_u, noise_v, red, green, blue)
    inside = (i < HEIGHT) & (j < WIDTH)
    target = frames + f * 3 * HEIGHT * WIDTH + i * WIDTH + j
    tl.store(target, to_int(red + 0.5).to(tl.uint8), mask=inside)
    tl.store(target + HEIGHT * WIDTH, to_int(green + 0.5).to(tl.uint8), mask=inside)
    tl.store(target + 2 * HEIGHT * WIDTH, to_int(blue + 0.5).to(tl.uint8), mask=inside)


def trace(
    cameras,
    looks,
    boxes,
    atlas,
    target,
    visible,
    depth,
    frames_per_scene,
    boxes_per_frame,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    STRIDE: tl.constexpr,
    CELLS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Flow at a block of cells of one frame; `depth` may be None."""
    f = tl.program_id(0)
    n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = n < CELLS
    scene = f // frames_per_scene
    step = f % frames_per_scene
    look = scene * LOOK_STRIDE
    camera = f * CAMERA_STRIDE
    ahead = tl.where(step < frames_per_scene - 1, camera + CAMERA_STRIDE, camera)
    focal = load(cameras, camera + FOCAL) * WIDTH
    centre_x, centre_y = principal_point(cameras, camera, HEIGHT, WIDTH)
    x = ((to_float(n % (WIDTH // STRIDE)) + 0.5) * STRIDE - centre_x) / focal
    line = (to_float(n // (WIDTH // STRIDE)) + 0.5) * STRIDE
    x, y = pinhole(cameras, camera, x, (line - centre_y) / focal)
    bonnet_top = load(looks, look + BONNET_TOP)
    bonnet_curve = load(looks, look + BONNET_CURVE)
    bonnet_edge = bonnet_top + bonnet_curve * x * x
    hidden = y > bonnet_edge
    ox, oy, oz, dx, dy, dz = row_ray(cameras, camera, line / HEIGHT - 0.5, x, y)
    row = f * boxes_per_frame * BOX_STRIDE
    z, owner = first_hit(cameras, camera, boxes, row, looks, look, atlas, ox, oy, oz, dx, dy, dz, 0.0, 0.0, 1e3)
    sky = z >= NOTHING
    if depth is not None:
        tl.store(depth + f * CELLS + n, tl.where(hidden, 0.0, z), mask=inside)
    if step < frames_per_scene - 1:
        # The point goes with its box.
        px = ox + z * dx
        py = oy + z * dy
        pz = oz + z * dz
        next_x, next_y, next_z = carried(boxes, tl.maximum(owner, row), px, py, pz)
        px = tl.where(owner >= 0, next_x, px)
        py = tl.where(owner >= 0, next_y, py)
        pz = tl.where(owner >= 0, next_z, pz)
        px = tl.where(sky, dx, px - load(cameras, ahead + POSITION))
        py = tl.where(sky, dy, py - load(cameras, ahead + POSITION + 1))
        pz = tl.where(sky, dz, pz - load(cameras, ahead + POSITION + 2))
        close = tl.where(sky, 0.0, 1.0)
        share = share_of_sight(cameras, ahead, px, py, pz, close, focal, centre_x, centre_y, HEIGHT)
        shift_x, shift_y, shift_z = row_shift(cameras, ahead, share)
        px = px - close * shift_x
        py = py - close * shift_y
        pz = pz - close * shift_z
        cx, cy, cz = in_row(cameras, ahead, share, px, py, pz)
        deep = tl.maximum(cz, 0.01)
        u, v = picture_place(load(cameras, camera + DISTORTION), focal, centre_x, centre_y, cx, cy, deep)
        ox = load(cameras, ahead + POSITION) + shift_x
        oy = load(cameras, ahead + POSITION + 1) + shift_y
        oz = load(cameras, ahead + POSITION + 2) + shift_z
        row = row + boxes_per_frame * BOX_STRIDE
        z, owner = first_hit(
            cameras, ahead, boxes, row, looks, look, atlas, ox, oy, oz, px / deep, py / deep, pz / deep, 0.0, 0.0, 1e3
        )
        clear = tl.where(sky, z >= NOTHING, z > cz * 0.985 - 0.05)
        clear = clear & (cy / deep < bonnet_top + bonnet_curve * cx / deep * cx / deep)
        clear = clear & (cz > NEAR) & (u >= 0.0) & (u < WIDTH) & (v >= 0.0) & (v < HEIGHT) & (y <= bonnet_edge)
        s = (scene * (frames_per_scene - 1) + step) * CELLS + n
        tl.store(target + 2 * s, tl.where(hidden, 0.0, u), mask=inside)
        tl.store(target + 2 * s + 1, tl.where(hidden, 0.0, v), mask=inside)
        tl.store(visible + s, clear.to(tl.int8), mask=inside)


# Sizes of the tables, which differ from batch to batch: Triton would compile anew for each that is 1 or divides by 16.
_COUNTS = ("frames_per_scene", "arcs_per_scene", "boxes_per_frame")


def compile_kernels() -> dict[str, Any]:
    """Triton's `draw` and `trace`, with all that they call."""
    scope = {"tl": tl, **{k: tl.constexpr(v) for k, v in vars(tables).items() if k.isupper()}}
    operations = (load, where, minimum, maximum, floor, sqrt, exp, log2, to_int, to_float, to_single)
    shading = [function for module in SHADING for function in functions_of(module)]
    compile_copies(scope, (*operations, *shading, first_hit), triton.jit)
    compile_copies(scope, (draw, trace), partial(triton.jit, do_not_specialize=_COUNTS))
    return scope
