"""Clips of the rendered world: true poses, cameras, and the tables that the renderers draw them from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.geometry import invert_pose
from lapose_core.world import tables as t
from lapose_core.world.config import WorldConfig
from lapose_core.world.lens import straightening
from lapose_core.world.look import draw_looks
from lapose_core.world.mount import mount_cameras
from lapose_core.world.roads import Roads, lay_roads
from lapose_core.world.scene import place_boxes
from lapose_core.world.slopes import Slopes, draw_slopes
from lapose_core.world.traffic import drive_traffic
from lapose_core.world.vehicle import Drive, drive_along

_VIEW_M = 150.0
_LONGEST_M = 420.0
_MOST_SHADOWS = 16


@dataclass(frozen=True)
class Clips:
    """B clips of T frames. Metres, radians; world axes x and y level, z up, flat ground at z = 0; cameras have optical
    axes.

    Attributes:
        pose_world_camera_BT44: true camera poses, float64.
        pose_base_camera_B44: the camera on `base_link`, which has REP-103 axes and lies on the ground below the camera.
        stamps_ns_BT: int64.
        fov_x_B: horizontal field of view, 2 atan(half a width / focal length); square pixels.
        cameras_BTC, arcs_BAC, looks_BC, boxes_BTKC: float32 tables, columns as in `tables`.
    """

    pose_world_camera_BT44: np.ndarray
    pose_base_camera_B44: np.ndarray
    stamps_ns_BT: np.ndarray
    fov_x_B: np.ndarray
    cameras_BTC: np.ndarray
    arcs_BAC: np.ndarray
    looks_BC: np.ndarray
    boxes_BTKC: np.ndarray

    @property
    def motions_BS44(self) -> np.ndarray:
        """Pose of each next camera in the camera before it."""
        poses = self.pose_world_camera_BT44
        return invert_pose(poses[:, :-1]) @ poses[:, 1:]

    @property
    def distortion_B(self) -> np.ndarray:
        """How far the lens bends: a point at the end of the picture's middle row lies where a pinhole would have it
        after dividing by 1 + that. Negative for a barrel, 0 for a pinhole."""
        cameras_BC = self.cameras_BTC[:, 0]
        return cameras_BC[:, t.DISTORTION] * (0.5 / cameras_BC[:, t.FOCAL]) ** 2

    @property
    def intervals_BS(self) -> np.ndarray:
        """Seconds between frames."""
        return np.diff(self.stamps_ns_BT, axis=1) * 1e-9

    def frames(self, begin: int, end: int) -> Clips:
        """The clips cut to frames begin to end - 1."""
        cut = slice(begin, end)
        return Clips(
            self.pose_world_camera_BT44[:, cut], self.pose_base_camera_B44, self.stamps_ns_BT[:, cut], self.fov_x_B,
            self.cameras_BTC[:, cut], self.arcs_BAC, self.looks_BC, self.boxes_BTKC[:, cut],
        )  # fmt: skip


def sample_clips(rng: np.random.Generator, count: int, config: WorldConfig | None = None, frames: int = 16) -> Clips:
    """Draw `count` clips of `frames` frames at random; the same generator state gives the same clips."""
    config = config or WorldConfig()
    slowest, fastest = np.log(config.rate_hz)
    rate = np.exp(rng.uniform(slowest, fastest, count))
    time = np.arange(frames) / rate[:, None]
    roads = lay_roads(rng, count, config)
    drive = drive_along(rng, roads, config, time)
    return build_clips(rng, roads, drive, config)


def build_clips(
    rng: np.random.Generator, roads: Roads, drive: Drive, config: WorldConfig, *, longest_m: float = _LONGEST_M
) -> Clips:
    """Furnish the roads, mount a camera on the vehicle, and write the tables."""
    begin = drive.along_BT.min(1) - 15.0
    end = np.minimum(drive.along_BT.max(1) + _VIEW_M, begin + longest_m)
    # Of a stream of its own, so that clips without slopes or rolling shutters stay what they were.
    aside = np.random.Generator(rng.bit_generator.jumped(2))
    slopes = draw_slopes(aside, roads, drive, config)
    static = place_boxes(rng, roads, begin, end)
    moving = drive_traffic(rng, roads, drive, config)
    for some in (static, moving):
        slopes.lift(some)
    fov = np.deg2rad(_fields_of_view(rng, len(begin), config))
    looks = draw_looks(rng, roads, config, fov)
    looks[:, t.HILL_X : t.HILL_HALF + 1] = slopes.table_BC
    world_camera, base_camera, row_motion = mount_cameras(rng, aside, drive, slopes, config)
    cameras = np.zeros((*drive.time_BT.shape, t.CAMERA_STRIDE), np.float32)
    cameras[..., t.ROTATION : t.ROTATION + 9] = world_camera[..., :3, :3].reshape(*drive.time_BT.shape, 9)
    cameras[..., t.POSITION : t.POSITION + 3] = world_camera[..., :3, 3]
    cameras[..., t.SHIFT : t.TURN + 3] = row_motion
    cameras[..., t.FOCAL] = 0.5 / np.tan(0.5 * fov)[:, None]
    offset = np.clip(rng.normal(0, 1, (len(fov), 2)), -2.5, 2.5) * config.principal_point
    cameras[..., t.PRINCIPAL_X], cameras[..., t.PRINCIPAL_Y] = offset[:, None].transpose(2, 0, 1)
    _draw_lens(rng, cameras, config)
    boxes = _boxes_in_view(cameras, static, moving, looks, slopes, config.max_boxes)
    stamps = np.rint(drive.time_BT * 1e9).astype(np.int64)
    arcs, looks[:, t.ARC_COUNT] = roads.table_between(begin, end)
    return Clips(world_camera, base_camera, stamps, fov, cameras, arcs, looks, boxes)


def _fields_of_view(rng: np.random.Generator, count: int, config: WorldConfig) -> np.ndarray:
    """Degrees (count,), within the range, a share of them drawn around the usual one as far as that lies in it."""
    narrowest, widest = config.fov_x_deg
    usual = rng.normal(*config.fov_x_usual_deg, count)
    taken = (rng.random(count) < config.fov_x_usual_share) & (usual > narrowest) & (usual < widest)
    return np.where(taken, usual, rng.uniform(narrowest, widest, count))


def _draw_lens(rng: np.random.Generator, cameras: np.ndarray, config: WorldConfig) -> None:
    """Write how the lens bends, where each frame's noise begins, and which drops it sees.

    Drops stay until the wiper passes, if it does.
    """
    B, T = cameras.shape[:2]
    cameras[..., t.NOISE_U : t.NOISE_V + 1] = rng.integers(0, t.ATLAS_SIZE, (B, T, 2))
    wiped = rng.random((B, T)) < rng.choice([0.0, 0.1, 0.3], (B, 1))
    cameras[..., t.DROPS_SEED] = (rng.integers(0, t.ATLAS_SIZE, (B, 1)) + 37 * np.cumsum(wiped, 1)) % t.ATLAS_SIZE
    if config.distortion or config.barrel_share:
        barrel = rng.random(B) < config.barrel_share
        bent = np.where(barrel, -rng.uniform(*config.barrel, B), rng.normal(0, config.distortion, B))
        cameras[..., t.DISTORTION] = bent[:, None] * (cameras[..., t.FOCAL] / 0.5) ** 2


def _boxes_in_view(
    cameras: np.ndarray, static: np.ndarray, moving: np.ndarray, looks: np.ndarray, slopes: Slopes, most: int
) -> np.ndarray:
    """Boxes (B, T, K, C) of each frame: up to `most` that look largest, then those whose shadows do.

    Writes their numbers into the cameras.
    """
    standing = static[..., t.HALF_Z] > 0
    order = np.argsort(~standing, axis=1, kind="stable")[:, : int(standing.sum(1).max())]
    static = np.take_along_axis(static, order[..., None], 1)
    size = np.concatenate([_apparent_size(cameras, static[:, None]), _apparent_size(cameras, moving)], axis=2)
    seen, seen_BT = _largest(size, most)
    sunny = np.flatnonzero(looks[:, t.CAST] > 0)
    on_hills = Slopes(slopes.table_BC[sunny])
    shadows = [_shadows(boxes[sunny], looks[sunny], on_hills) for boxes in (static[:, None], moving)]
    size = np.zeros_like(size)
    size[sunny] = np.concatenate([_apparent_size(cameras[sunny], some) for some in shadows], axis=2)
    casting, casting_BT = _largest(size, _MOST_SHADOWS)
    cameras[..., t.BOX_COUNT], cameras[..., t.SHADOW_COUNT] = seen_BT, casting_BT

    # The ones that cast shadows follow at once those that are seen.
    slots = np.arange(max(int((seen_BT + casting_BT).max()), 1))
    place = slots - seen_BT[..., None]
    first = np.take_along_axis(seen, np.minimum(slots, seen.shape[2] - 1) + np.zeros_like(place), 2)
    then = np.take_along_axis(casting, np.clip(place, 0, casting.shape[2] - 1), 2)
    chosen = np.where(place < 0, first, then)
    b, f = np.arange(len(cameras))[:, None, None], np.arange(cameras.shape[1])[None, :, None]
    fixed = chosen < static.shape[1]
    table = static[b, np.where(fixed, chosen, 0)]
    driving = moving[b, f, np.where(fixed, 0, chosen - static.shape[1])]
    table[~fixed] = driving[~fixed]
    return np.ascontiguousarray(table)


def _largest(size_BTK: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (B, T, most) of the largest, largest first, and how many of them (B, T) are larger than 0."""
    most = min(most, size_BTK.shape[2])
    chosen = np.argpartition(-size_BTK, most - 1, axis=2)[..., :most]
    value = np.take_along_axis(size_BTK, chosen, 2)
    return np.take_along_axis(chosen, np.argsort(-value, axis=2), 2), (value > 0).sum(2)


def _shadows(boxes: np.ndarray, looks_BC: np.ndarray, slopes: Slopes) -> np.ndarray:
    """Boxes (B, T, K, C) that lie on the ground where the given ones throw their shadows."""
    sun_x, sun_y, sun_z = (looks_BC[:, column, None, None] for column in (t.SUN_X, t.SUN_Y, t.SUN_Z))
    x, y = boxes[..., t.CENTRE_X], boxes[..., t.CENTRE_Y]
    grade_x, grade_y = slopes.gradient(x, y)
    sun_z = np.maximum(sun_z - grade_x * sun_x - grade_y * sun_y, 0.02)  # over the ground there
    above = boxes[..., t.CENTRE_Z] - slopes.height(x, y)
    top, low = above + boxes[..., t.HALF_Z], np.maximum(above - boxes[..., t.HALF_Z], 0.0)
    middle, half = 0.5 * (top + low) / sun_z, 0.5 * (top - low) / sun_z
    shadows = boxes.copy()
    shadows[..., t.CENTRE_X] -= sun_x * middle
    shadows[..., t.CENTRE_Y] -= sun_y * middle
    shadows[..., t.CENTRE_Z] = slopes.height(shadows[..., t.CENTRE_X], shadows[..., t.CENTRE_Y])
    shadows[..., t.HALF_X] += half * np.hypot(sun_x, sun_y)
    shadows[..., t.HALF_Z] *= top > 0.3
    return shadows


def _apparent_size(cameras: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Rough angle (B, T, K) at which each box appears; 0 where it is absent, out of view or tiny."""
    eye = cameras[..., None, :]
    x, y, z = (boxes[..., t.CENTRE_X + i] - eye[..., t.POSITION + i] for i in range(3))
    right, deep = (
        eye[..., t.ROTATION + i] * x + eye[..., t.ROTATION + 3 + i] * y + eye[..., t.ROTATION + 6 + i] * z
        for i in (0, 2)
    )
    radius = np.sqrt(boxes[..., t.HALF_X] ** 2 + boxes[..., t.HALF_Y] ** 2 + boxes[..., t.HALF_Z] ** 2)
    slope = (0.5 + np.abs(eye[..., t.PRINCIPAL_X])) / eye[..., t.FOCAL]
    slope = slope * np.maximum(straightening(eye[..., t.DISTORTION], slope, 0.6 * slope), 1.0)
    inside = (deep > -radius) & (np.abs(right) < slope * deep + radius * np.sqrt(1 + slope**2))
    size = radius / np.maximum(np.sqrt(x * x + y * y + z * z) - radius, 0.5)
    return np.where(inside & (boxes[..., t.HALF_Z] > 0) & (size > 2e-3), size, 0.0)
