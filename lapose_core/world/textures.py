"""The texture atlas: eight tiling grey textures with their mip levels, made once from a fixed seed."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from lapose_core.world.tables import ATLAS_BITS, ATLAS_SIZE, LAYER_STRIDE, LAYERS


def _spectrum_noise(rng: np.random.Generator, slope: float, stretch: float = 1.0, low: float = 0.0) -> np.ndarray:
    """Tiling noise of unit variance whose amplitude falls as frequency**-slope, nothing below `low` cycles a tile."""
    fy = np.fft.fftfreq(ATLAS_SIZE)[:, None] * ATLAS_SIZE * stretch
    fx = np.fft.rfftfreq(ATLAS_SIZE)[None] * ATLAS_SIZE
    radius = np.hypot(fx, fy)
    gain = np.where(radius > low, np.maximum(radius, 1.0) ** -slope, 0.0)
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((ATLAS_SIZE, ATLAS_SIZE))) * gain, s=(ATLAS_SIZE,) * 2)
    return (noise - noise.mean()) / noise.std()


def _cracks(rng: np.random.Generator, count: int, step: float, width: int) -> np.ndarray:
    """1 on the lines of random walks across the tile, 0 elsewhere; drawn nine times over so that it tiles."""
    canvas = np.zeros((ATLAS_SIZE, ATLAS_SIZE), np.float32)
    for _ in range(count):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 60))
        walk = rng.uniform(0, ATLAS_SIZE, 2) + np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], 1), axis=0)
        for shift in np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 2) * ATLAS_SIZE:
            cv2.polylines(canvas, [np.round((walk + shift) * 8).astype(np.int32)], False, 1.0, width, cv2.LINE_AA, 3)
    return canvas


def _cells(rng: np.random.Generator, count: int) -> np.ndarray:
    """Blobs: distance to the nearest of `count` random points, tiling, unit variance, bright at the points."""
    points = rng.uniform(0, ATLAS_SIZE, (count, 2)).astype(int)
    tiled = np.full((3 * ATLAS_SIZE, 3 * ATLAS_SIZE), 255, np.uint8)
    for dy in range(3):
        for dx in range(3):
            tiled[points[:, 1] + dy * ATLAS_SIZE, points[:, 0] + dx * ATLAS_SIZE] = 0
    distance = cv2.distanceTransform(tiled, cv2.DIST_L2, 5)[ATLAS_SIZE:-ATLAS_SIZE, ATLAS_SIZE:-ATLAS_SIZE]
    return -(distance - distance.mean()) / distance.std()


def _slabs(rng: np.random.Generator, rows: int, columns: int, joint: int, shift: bool) -> np.ndarray:
    """Rows of slabs or bricks of random brightness with dark joints; `shift` moves every other row by half a slab."""
    y, x = np.mgrid[:ATLAS_SIZE, :ATLAS_SIZE]
    height, width = ATLAS_SIZE // rows, ATLAS_SIZE // columns
    row = y // height
    x = (x + shift * (row % 2) * (width // 2)) % ATLAS_SIZE
    shade = rng.standard_normal((rows, columns))[row, x // width]
    joints = (y % height < joint) | (x % width < joint)
    return np.where(joints, -2.5, 0.7 * shade)


def _layers() -> list[np.ndarray]:
    rng = np.random.default_rng(20240611)
    fine, middle = _spectrum_noise(rng, 0.25), _spectrum_noise(rng, 1.0, low=3)
    white = rng.uniform(-1.75, 1.75, (ATLAS_SIZE, ATLAS_SIZE))
    asphalt = 0.8 * fine + 0.6 * middle - 4.0 * _cracks(rng, 8, 6.0, 1) - 2.0 * _cracks(rng, 3, 7.0, 3)
    gravel = 0.7 * _cells(rng, 5000) + 0.6 * _spectrum_noise(rng, 0.9, low=2)
    grass = 0.6 * _cells(rng, 2500) + 0.9 * _spectrum_noise(rng, 0.9, low=2)
    foliage = 0.7 * _cells(rng, 5000) + 0.7 * _cells(rng, 900) + 0.5 * _cells(rng, 120) + 0.4 * fine
    masonry = _slabs(rng, 32, 16, 1, True) * 0.5 + 0.8 * _spectrum_noise(rng, 1.2, low=1) + 0.3 * fine
    paving = _slabs(rng, 16, 16, 1, False) * 0.6 + 0.6 * middle + 0.4 * fine
    return [asphalt, gravel, grass, foliage, masonry, paving, _spectrum_noise(rng, 1.6), white]


@lru_cache(maxsize=1)
def texture_atlas() -> np.ndarray:
    """All layers with their mip levels, flat uint8 (LAYERS * LAYER_STRIDE); the mean is 128, a deviation 36."""
    atlas = []
    for layer in _layers():
        level = np.clip(128.0 + 36.0 * (layer - layer.mean()) / layer.std(), 0, 255)
        for _ in range(ATLAS_BITS + 1):
            atlas.append(np.rint(level).astype(np.uint8).ravel())
            half = level.shape[0] // 2
            level = level.reshape(half, 2, half, 2).mean(axis=(1, 3)) if half else level
    flat = np.concatenate(atlas)
    assert flat.size == LAYERS * LAYER_STRIDE
    return flat
