"""The renderer on the CPU: numba, one frame a thread. The number of threads is numba's (`numba.set_num_threads`)."""

# ruff: noqa: F403, F405
from __future__ import annotations

import hashlib
import inspect
import math
import sys
from typing import Any

import numpy as np

from lapose_core.compiled import load_numba
from lapose_core.world import bounds, ops, tables
from lapose_core.world.bounds import box_rectangle, shadow_circles
from lapose_core.world.clips import Clips
from lapose_core.world.flow import FlowGrid
from lapose_core.world.ground import ground_colour
from lapose_core.world.lens import expose, haze, pinhole, principal_point, rain
from lapose_core.world.relief import climb, ground_height, ground_hit
from lapose_core.world.shared_source import SHADING, compile_copies, functions_of
from lapose_core.world.shutter import in_row, picture_place, row_ray, row_shift, share_of_sight
from lapose_core.world.sky import bonnet_colour, sky_colour, skyline
from lapose_core.world.solids import box_colour
from lapose_core.world.surfaces import box_hit, carried, cast_shadow, crown_hit, headlight
from lapose_core.world.tables import *
from lapose_core.world.textures import texture_atlas

numba = load_numba()
prange = numba.prange


def _row_pose(camera, share):
    """Position and rotation (row by row) of the camera when it exposes a row: `row_ray`'s, for all of its pixels."""
    sx, sy, sz = row_shift(camera, 0, share)
    ax, ay, az = share * camera[TURN], share * camera[TURN + 1], share * camera[TURN + 2]
    r = camera[ROTATION : ROTATION + 9]
    rotation = (
        r[0] + r[1] * az - r[2] * ay, r[1] + r[2] * ax - r[0] * az, r[2] + r[0] * ay - r[1] * ax,
        r[3] + r[4] * az - r[5] * ay, r[4] + r[5] * ax - r[3] * az, r[5] + r[3] * ay - r[4] * ax,
        r[6] + r[7] * az - r[8] * ay, r[7] + r[8] * ax - r[6] * az, r[8] + r[6] * ay - r[7] * ax,
    )  # fmt: skip
    return camera[POSITION] + sx, camera[POSITION + 1] + sy, camera[POSITION + 2] + sz, rotation


def _hit(boxes, row, atlas, ox, oy, oz, dx, dy, dz):
    if boxes[row + KIND] > CROWN - 0.5:
        return crown_hit(boxes, row, atlas, ox, oy, oz, dx, dy, dz)
    return box_hit(boxes, row, ox, oy, oz, dx, dy, dz)


def _cast(boxes, row, circles, looks, look, atlas, x, y):
    """`cast_shadow` that asks only the boxes whose shadow may reach so far."""
    for k in range(len(circles)):
        if (x - circles[k, 0]) ** 2 + (y - circles[k, 1]) ** 2 > circles[k, 2]:
            continue
        if cast_shadow(boxes, row + k * BOX_STRIDE, 1, looks, look, atlas, x, y) > 0.5:
            return 1.0
    return 0.0


def _draw(cameras, arcs, looks, boxes, atlas, frames_per_scene, arcs_per_scene, boxes_per_frame, frames):
    for f in prange(frames.shape[0]):
        height, width = frames.shape[2], frames.shape[3]
        camera = cameras[f]
        focal = camera[FOCAL] * width
        centre_x, centre_y = principal_point(camera, 0, height, width)
        depth = np.full((height, width), NOTHING, np.float32)
        owner = np.full((height, width), -1, np.int32)
        for k in range(int(camera[BOX_COUNT])):
            row = (f * boxes_per_frame + k) * BOX_STRIDE
            r0, r1, c0, c1, nearest = box_rectangle(boxes, row, camera, focal, height, width)
            for i in range(r0, r1):
                ox, oy, oz, r = _row_pose(camera, (i + 0.5) / height - 0.5)
                for j in range(c0, c1):
                    if depth[i, j] < nearest:
                        continue
                    x, y = pinhole(camera, 0, (j + 0.5 - centre_x) / focal, (i + 0.5 - centre_y) / focal)
                    dx, dy, dz = r[0] * x + r[1] * y + r[2], r[3] * x + r[4] * y + r[5], r[6] * x + r[7] * y + r[8]
                    z = _hit(boxes, row, atlas, ox, oy, oz, dx, dy, dz)
                    if z < depth[i, j]:
                        depth[i, j], owner[i, j] = z, row
        scene = f // frames_per_scene
        first, look = scene * arcs_per_scene * ARC_STRIDE, scene * LOOK_STRIDE
        seen, shading = int(camera[BOX_COUNT]), int(camera[SHADOW_COUNT])
        casting = (f * boxes_per_frame + seen) * BOX_STRIDE
        circles = shadow_circles(boxes, casting, shading, looks, look)
        noise_u, noise_v, drops_seed = camera[NOISE_U], camera[NOISE_V], camera[DROPS_SEED]
        wet = looks[look + STREAKS] + looks[look + DROPS] > 0.0
        skyline_top = 2.0 * (looks[look + SKYLINE_BASE] + 1.3 * looks[look + SKYLINE_AMPLITUDE])
        for i in range(height):
            ox, oy, oz, r = _row_pose(camera, (i + 0.5) / height - 0.5)
            for j in range(width):
                x, y = pinhole(camera, 0, (j + 0.5 - centre_x) / focal, (i + 0.5 - centre_y) / focal)
                dx, dy, dz = r[0] * x + r[1] * y + r[2], r[3] * x + r[4] * y + r[5], r[6] * x + r[7] * y + r[8]
                z, ground = float(depth[i, j]), ground_hit(looks, look, ox, oy, oz, dx, dy, dz)
                bonnet = y - looks[look + BONNET_TOP] - looks[look + BONNET_CURVE] * x * x
                if bonnet > 0.0:
                    z = 0.0
                    red, green, blue = bonnet_colour(looks, look, atlas, x, y, bonnet, 1.0 / focal)
                elif ground < min(z, FAR):
                    z = ground
                    px, py = ox + z * dx, oy + z * dy
                    cast = _cast(boxes, casting, circles, looks, look, atlas, px, py)
                    beam = headlight(looks, look, x, z, 0.0)
                    down = climb(looks, look, px, py, dx, dy, dz)
                    red, green, blue = ground_colour(
                        arcs, first, looks, look, atlas, px, py, dx, dy, down, z / focal, cast, beam
                    )
                elif z < NOTHING:
                    row = owner[i, j]
                    above = oz + z * dz - ground_height(looks, look, ox + z * dx, oy + z * dy)
                    beam = headlight(looks, look, x, z, above)
                    red, green, blue = box_colour(
                        boxes, row, looks, look, atlas, ox, oy, oz, dx, dy, dz, z, z / focal, beam
                    )
                else:
                    z = 0.0
                    red, green, blue = sky_colour(looks, look, atlas, dx, dy, dz, 1.0 / focal)
                    if dz < skyline_top:
                        red, green, blue = skyline(looks, look, atlas, dx, dy, dz, 1.0 / focal, red, green, blue)
                red, green, blue = haze(looks, look, red, green, blue, z, dx, dy, dz)
                if wet:
                    px, py = (j + 0.5) / width, (i + 0.5) / width
                    red, green, blue = rain(
                        looks, look, atlas, px, py, 1.0 / width, noise_u, noise_v, drops_seed, red, green, blue
                    )
                red, green, blue = expose(looks, look, atlas, j, i, noise_u, noise_v, red, green, blue)
                frames[f, 0, i, j], frames[f, 1, i, j], frames[f, 2, i, j] = (
                    int(red + 0.5),
                    int(green + 0.5),
                    int(blue + 0.5),
                )


def _first_hit(boxes, f, boxes_per_frame, looks, look, atlas, camera, ox, oy, oz, dx, dy, dz):
    """Depth and box row (-1: ground or sky) of what a ray meets first."""
    nearest, owner = float(NOTHING), -1
    ground = ground_hit(looks, look, ox, oy, oz, dx, dy, dz)
    if ground < FAR:
        nearest = ground
    for k in range(int(camera[BOX_COUNT])):
        row = (f * boxes_per_frame + k) * BOX_STRIDE
        z = _hit(boxes, row, atlas, ox, oy, oz, dx, dy, dz)
        if z < nearest:
            nearest, owner = z, row
    return nearest, owner


def _trace(
    cameras, looks, boxes, atlas, frames_per_scene, boxes_per_frame, height, width, stride, target, visible, depth
):
    columns = width // stride
    for f in prange(cameras.shape[0]):
        camera = cameras[f]
        scene, step = f // frames_per_scene, f % frames_per_scene
        look = scene * LOOK_STRIDE
        focal = camera[FOCAL] * width
        centre_x, centre_y = principal_point(camera, 0, height, width)
        for n in range(depth.shape[1]):
            x = ((n % columns + 0.5) * stride - centre_x) / focal
            row = (n // columns + 0.5) * stride
            x, y = pinhole(camera, 0, x, (row - centre_y) / focal)
            ox, oy, oz, dx, dy, dz = row_ray(camera, 0, row / height - 0.5, x, y)
            z, owner = _first_hit(boxes, f, boxes_per_frame, looks, look, atlas, camera, ox, oy, oz, dx, dy, dz)
            sky = z >= NOTHING
            bonnet = looks[look + BONNET_TOP], looks[look + BONNET_CURVE]
            hidden = y > bonnet[0] + bonnet[1] * x * x
            depth[f, n] = 0.0 if hidden else z
            if hidden or step == frames_per_scene - 1:
                continue
            ahead = cameras[f + 1]
            px, py, pz, near = dx, dy, dz, 0.0
            if not sky:
                px, py, pz, near = ox + z * dx, oy + z * dy, oz + z * dz, 1.0
                if owner >= 0:  # the point goes with its box
                    px, py, pz = carried(boxes, owner, px, py, pz)
                px, py, pz = px - ahead[POSITION], py - ahead[POSITION + 1], pz - ahead[POSITION + 2]
            share = share_of_sight(ahead, 0, px, py, pz, near, focal, centre_x, centre_y, height)
            sx, sy, sz = row_shift(ahead, 0, share)
            px, py, pz = px - near * sx, py - near * sy, pz - near * sz
            cx, cy, cz = in_row(ahead, 0, share, px, py, pz)
            deep = max(cz, 0.01)
            u, v = picture_place(camera[DISTORTION], focal, centre_x, centre_y, cx, cy, deep)
            s = scene * (frames_per_scene - 1) + step
            target[s, n, 0], target[s, n, 1] = u, v
            seen = cy / deep < bonnet[0] + bonnet[1] * (cx / deep) ** 2
            if seen and cz > NEAR and 0.0 <= u < width and 0.0 <= v < height:
                ox, oy, oz = ahead[POSITION] + sx, ahead[POSITION + 1] + sy, ahead[POSITION + 2] + sz
                dx, dy, dz = px / cz, py / cz, pz / cz
                first, _ = _first_hit(boxes, f + 1, boxes_per_frame, looks, look, atlas, ahead, ox, oy, oz, dx, dy, dz)
                visible[s, n] = first >= NOTHING if sky else first > cz * 0.985 - 0.05


# Workers that draw are forked, and OpenMP does not survive that: numba ends them.
numba.config.THREADING_LAYER = "forksafe"


def _compile() -> dict[str, Any]:
    scope = {"np": np, "math": math, "prange": prange, **{k: v for k, v in vars(tables).items() if k.isupper()}}
    plain = numba.njit(fastmath=True, error_model="numpy")
    for module in (ops, *SHADING):
        compile_copies(scope, functions_of(module), plain)
    compile_copies(scope, [*functions_of(bounds), _row_pose, _hit, _first_hit, _cast], plain)
    # numba's cache on disk watches this file alone; a digest of all the sources in the name keeps it from going stale.
    sources = "".join(inspect.getsource(m) for m in (tables, ops, bounds, *SHADING, sys.modules[__name__]))
    digest = hashlib.sha256(sources.encode()).hexdigest()[:10]
    parallel = numba.njit(fastmath=True, error_model="numpy", parallel=True, cache=True)
    compile_copies(scope, [_draw, _trace], parallel, version=f"_{digest}")
    return scope


_compiled = _compile()


def render(clips: Clips, height: int, width: int) -> np.ndarray:
    """Draw all frames: `frames_BTCHW`, uint8 RGB."""
    B, T = clips.stamps_ns_BT.shape
    frames = np.empty((B * T, 3, height, width), np.uint8)
    _compiled["_draw"](
        clips.cameras_BTC.reshape(B * T, -1), clips.arcs_BAC.ravel(), clips.looks_BC.ravel(), clips.boxes_BTKC.ravel(),
        texture_atlas(), T, clips.arcs_BAC.shape[1], clips.boxes_BTKC.shape[2], frames,
    )  # fmt: skip
    return frames.reshape(B, T, 3, height, width)


def trace_flow(clips: Clips, height: int, width: int, stride: int = 16) -> FlowGrid:
    """Exact flow of the world points at the centres of stride x stride cells, row by row (N of them)."""
    B, T = clips.stamps_ns_BT.shape
    N = (height // stride) * (width // stride)
    target = np.zeros((B * (T - 1), N, 2), np.float32)
    visible = np.zeros((B * (T - 1), N), np.bool_)
    depth = np.empty((B * T, N), np.float32)
    _compiled["_trace"](
        clips.cameras_BTC.reshape(B * T, -1), clips.looks_BC.ravel(), clips.boxes_BTKC.ravel(), texture_atlas(), T,
        clips.boxes_BTKC.shape[2], height, width, stride, target, visible, depth,
    )  # fmt: skip
    depth[depth >= NOTHING] = np.inf
    depth[depth == 0.0] = np.nan
    return FlowGrid(target.reshape(B, T - 1, N, 2), visible.reshape(B, T - 1, N), depth.reshape(B, T, N))
