"""Rows of the box table, put together from named columns; a car is three of them."""

from __future__ import annotations

import numpy as np

from lapose_core.world import tables as t


def make_boxes(
    x, y, heading, foot, half_x, half_y, height, kind, seed, colour, detail_a=0.0, detail_b=0.0
) -> np.ndarray:
    """Boxes (..., BOX_STRIDE) standing at height `foot`; `colour` has RGB last, the rest broadcasts. Height 0: none."""
    shape = np.broadcast_shapes(*(np.shape(v) for v in (x, y, heading, foot, half_x, half_y, height)))
    rows = np.zeros((*shape, t.BOX_STRIDE), np.float32)
    columns = {
        t.CENTRE_X: x, t.CENTRE_Y: y, t.CENTRE_Z: np.asarray(foot) + 0.5 * np.asarray(height),
        t.BOX_COS: np.cos(heading), t.BOX_SIN: np.sin(heading), t.HALF_X: half_x, t.HALF_Y: half_y,
        t.HALF_Z: 0.5 * np.asarray(height), t.KIND: kind, t.SEED: seed, t.DETAIL_A: detail_a, t.DETAIL_B: detail_b,
    }  # fmt: skip
    for column, value in columns.items():
        rows[..., column] = value
    rows[..., t.RED : t.BLUE + 1] = colour
    rows[..., t.NEXT_X], rows[..., t.NEXT_Y] = x, y
    rows[..., t.NEXT_COS], rows[..., t.NEXT_SIN] = rows[..., t.BOX_COS], rows[..., t.BOX_SIN]
    return rows


def car_colours(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Paint: mostly white, silver, grey and black, some red, blue and others."""
    grey = rng.choice([0.85, 0.6, 0.4, 0.2, 0.08], shape, p=[0.28, 0.22, 0.2, 0.15, 0.15])[..., None] * np.ones(3)
    bright = rng.uniform(0.03, 0.65, (*shape, 3))
    return np.where((rng.random(shape) < 0.75)[..., None], grey, bright)


def make_cars(rng: np.random.Generator, x, y, heading, present, lorries: float) -> np.ndarray:
    """Vehicles (..., 3, BOX_STRIDE): body, cabin or load, and the dark ground below.

    Poses may have a time axis before the last, (B, T, N); sizes and colours are then the same at all times.
    """
    shape = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
    lorry, van = rng.random(shape) < lorries, rng.random(shape) < 0.15
    half_x = np.where(
        lorry, rng.uniform(3.2, 7.5, shape), np.where(van, rng.uniform(2.3, 2.8, shape), rng.uniform(1.8, 2.4, shape))
    )
    half_y = np.where(lorry, rng.uniform(1.15, 1.28, shape), rng.uniform(0.82, 0.95, shape))
    waist = np.where(lorry, 1.1, np.where(van, 1.15, rng.uniform(0.78, 0.95, shape)))
    height = np.where(
        lorry,
        rng.uniform(2.6, 3.7, shape),
        np.where(van, rng.uniform(1.85, 2.4, shape), rng.uniform(1.38, 1.65, shape)),
    )
    cabin_half_x = np.where(lorry, half_x, np.where(van, 0.88 * half_x, half_x * rng.uniform(0.5, 0.64, shape)))
    back = np.where(lorry, 0.0, np.where(van, 0.1, 0.14) * half_x)
    colour, seed = car_colours(rng, shape), rng.random(shape)
    load = np.where(lorry[..., None] & (rng.random(shape) < 0.6)[..., None], rng.uniform(0.3, 0.9, (*shape, 3)), colour)
    on = np.asarray(present, float)
    body = make_boxes(x, y, heading, 0.2, half_x, half_y, on * (waist - 0.2), t.CAR_BODY, seed, colour)
    cabin = make_boxes(
        x - back * np.cos(heading), y - back * np.sin(heading), heading, waist, cabin_half_x, half_y * 0.93,
        on * (height - waist), np.where(lorry, t.PLAIN, t.CAR_CABIN), seed, load, t.FRACTAL, 0.04,
    )  # fmt: skip
    shade = make_boxes(
        x, y, heading, 0.0, half_x * 1.01, half_y * 1.02, on * 0.015, t.PLAIN, seed, 0.03, t.ASPHALT, 0.1
    )
    return np.stack([body, cabin, shade], axis=-2)
