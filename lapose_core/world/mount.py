"""Cameras on the vehicle: where each frame's is, and how it moves while the picture is read out."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from lapose_core.geometry import ROTATION_BODY_OPTICAL
from lapose_core.world.config import WorldConfig
from lapose_core.world.slopes import Slopes
from lapose_core.world.vehicle import SOON_S, Drive

#: Point of the body that pitch and roll turn about, from the rear axle on the ground: between the axles, where the
#: ground is as steep as the line from axle to axle.
_PIVOT = np.array([1.35, 0.0, 0.5])


def mount_cameras(
    rng: np.random.Generator, aside: np.random.Generator, drive: Drive, slopes: Slopes, config: WorldConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses (B, T, 4, 4) in the world, on the vehicle (B, 4, 4), and motion (B, T, 6) of cameras that read row by row.

    That motion is what the cameras' table has from `SHIFT` on. `aside` draws what `rng` did not before there was any.
    """
    B, T = drive.time_BT.shape
    tail = rng.random(B) < config.tail_share
    height = np.where(
        tail,
        rng.uniform(*config.camera_height_tail, B),
        rng.triangular(config.camera_height[0], 1.6, config.camera_height[1], B),
    )
    ahead, left = rng.uniform(*config.camera_ahead, B), rng.uniform(*config.camera_aside, B)
    spread = np.deg2rad([config.mount_yaw_deg, config.mount_pitch_deg, config.mount_roll_deg])
    mount = Rotation.from_euler("ZYX", np.clip(rng.normal(0, 1, (B, 3)), -2.5, 2.5) * spread).as_matrix()
    base_camera = np.tile(np.eye(4), (B, 1, 1))
    base_camera[:, :3, :3] = mount @ ROTATION_BODY_OPTICAL
    base_camera[:, 2, 3] = height
    lever = np.stack([ahead, left, height], -1) - _PIVOT
    steady = _poses(drive, slopes, base_camera, lever)
    world_camera = steady.copy()
    world_camera[..., :3, :3] = steady[..., :3, :3] @ _shake(rng, config, B, T)
    rolling = aside.random(B) < config.rolling_share
    readout_s = rolling * aside.uniform(*config.readout_s, B)
    motion = np.zeros((B, T, 6))
    if drive.soon is not None and rolling.any():
        # How the mount shakes between frames nobody knows.
        soon = _poses(drive.soon, slopes, base_camera, lever)
        turn = Rotation.from_matrix((soon[..., :3, :3] @ steady[..., :3, :3].swapaxes(-1, -2)).reshape(-1, 3, 3))
        turn = world_camera[..., :3, :3].swapaxes(-1, -2) @ turn.as_rotvec().reshape(B, T, 3, 1)
        motion = np.concatenate([soon[..., :3, 3] - steady[..., :3, 3], turn[..., 0]], -1)
        motion *= (readout_s / SOON_S)[:, None, None]
    return world_camera, base_camera, motion


def _poses(drive: Drive, slopes: Slopes, base_camera_B44: np.ndarray, lever_B3: np.ndarray) -> np.ndarray:
    """Poses (B, T, 4, 4) of cameras `lever_B3` metres from the body's pivot that do not shake."""
    B, T = drive.time_BT.shape
    angles = np.stack([drive.yaw_BT, drive.pitch_BT, drive.roll_BT], -1).reshape(-1, 3)
    body = Rotation.from_euler("ZYX", angles).as_matrix().reshape(B, T, 3, 3)
    on_springs = Rotation.from_euler("YX", angles[:, 1:]).as_matrix().reshape(B, T, 3, 3)
    cos, sin = np.cos(drive.yaw_BT), np.sin(drive.yaw_BT)
    x, y = drive.x_BT + _PIVOT[0] * cos, drive.y_BT + _PIVOT[0] * sin
    axes = slopes.ground_axes(x, y, drive.yaw_BT)
    body = np.where(slopes.sloped_B[:, None, None, None], axes @ on_springs, body)
    pivot = np.stack([x, y, slopes.height(x, y)], -1) + axes[..., 2] * (_PIVOT[2] + drive.heave_BT)[..., None]
    poses = np.tile(np.eye(4), (B, T, 1, 1))
    poses[..., :3, :3] = body @ base_camera_B44[:, None, :3, :3]
    poses[..., :3, 3] = pivot + (body @ lever_B3[:, None, :, None])[..., 0]
    return poses


def _shake(rng: np.random.Generator, config: WorldConfig, B: int, T: int) -> np.ndarray:
    """Rotations (B, T, 3, 3) of the camera on its mount: roads and vehicles alone hardly roll it."""
    if config.shake_share == 0:
        return np.eye(3)
    lowest, highest = np.log(np.deg2rad(config.shake_deg))
    spread = np.exp(rng.uniform(lowest, highest, B)) * (rng.random(B) < config.shake_share)
    turns = spread[:, None, None] * rng.normal(0, 1, (B, T, 3))
    return Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(B, T, 3, 3)
