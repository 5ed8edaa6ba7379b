"""What stands along motorways: barriers that do not end, banks of grass, bridges and gantries across."""

from __future__ import annotations

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.boxes import make_boxes
from lapose_core.world.roads import COUNTRY, MOTORWAY, Roads

_PIECE_M = 12.0  # of a barrier: straight, where a motorway bends by a hand's breadth
_POST_M = 4.0
_POSTS_WITHIN_M = 260.0
_CONCRETE, _RAIL, _NONE = range(3)
_BANKED_SHARE = np.array([0.0, 0.05, 0.35, 0.5])  # by place: sides with a bank of grass
_SPANNED_SHARE = np.array([0.08, 0.04, 0.06, 0.45])  # clips with a bridge or gantry across the road


def barriers(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, end_B: np.ndarray) -> np.ndarray:
    """Concrete walls and guard rails on their posts (B, K, BOX_STRIDE), on both sides of a motorway's carriageway."""
    length = float((end_B - begin_B).max())
    B, count, posts = len(begin_B), int(length / _PIECE_M) + 1, int(min(length, _POSTS_WITHIN_M) / _POST_M) + 1
    rows = []
    for side in (-1.0, 1.0):
        # Width of the strip in the middle, where it is on this side.
        strip = roads.beyond(side)[:, 0] - 2 * roads.half_width_B
        middle = strip > 0
        inner, outer = rng.choice(3, B, p=[0.45, 0.45, 0.1]), rng.choice(3, B, p=[0.15, 0.5, 0.35])
        kind = np.where(middle, inner, outer)
        kind = np.where(roads.place_B == MOTORWAY, kind, _NONE)[:, None]
        away = rng.uniform(0.4, 1.5, (B, 1))
        away = np.where(middle[:, None], np.minimum(away, 0.5 * strip[:, None]), away)
        left = side * (roads.half_width_B[:, None] + away)
        concrete, there = kind == _CONCRETE, kind != _NONE
        x, y, heading = roads.point(begin_B[:, None] + _PIECE_M * (np.arange(count) + 0.5), left + np.zeros((B, count)))
        reach = np.hypot(np.diff(x, axis=1, append=x[:, -1:]), np.diff(y, axis=1, append=y[:, -1:]))
        reach[:, -1] = _PIECE_M
        height = np.where(concrete, rng.uniform(0.8, 1.2, (B, 1)), 0.31)
        grey = np.where(concrete, rng.uniform(0.3, 0.65, (B, 1)), rng.uniform(0.35, 0.6, (B, 1)))[..., None]
        seed = rng.random((B, 1)) + np.zeros((B, count))
        rows.append(
            make_boxes(
                x, y, heading, np.where(concrete, 0.0, 0.43), 0.5 * reach + 0.05, np.where(concrete, 0.15, 0.05),
                height * there, t.PLAIN, seed, grey * np.array([1.0, 0.99, 0.95]),
                np.where(concrete, t.PAVING, t.FRACTAL), np.where(concrete, rng.uniform(0.04, 0.15, (B, 1)), 0.06),
            )
        )  # fmt: skip
        x, y, heading = roads.point(
            begin_B[:, None] + _POST_M * (np.arange(posts) + 0.5), left + side * 0.1 + np.zeros((B, posts))
        )
        rows.append(
            make_boxes(
                x, y, heading, 0.0, 0.05, 0.06, np.where(kind == _RAIL, 0.72, 0.0) + np.zeros((B, posts)), t.PLAIN, 0.5,
                grey * np.ones(3) * 0.8, t.FRACTAL, 0.1,
            )
        )  # fmt: skip
    return np.concatenate(rows, 1)


def banks(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, end_B: np.ndarray) -> np.ndarray:
    """Long low ellipsoids beside the road, smooth and grassy, that hide what is behind them."""
    length = float((end_B - begin_B).max())
    count = int(length / 50) + 2
    rows = []
    for side in (-1.0, 1.0):
        shape = (len(begin_B), count)
        half_x, half_y = rng.uniform(35, 80, shape), rng.uniform(6, 16, shape)
        along = begin_B[:, None] + 50 * (np.arange(count) + rng.uniform(-0.3, 0.3, shape))
        away = rng.uniform(1.5, 8.0, (len(begin_B), 1)) + roads.beyond(side)
        x, y, heading = roads.point(along, side * (roads.half_width_B[:, None] + away + half_y))
        banked = rng.random((len(begin_B), 1)) < _BANKED_SHARE[roads.place_B, None]
        present = banked & (rng.random(shape) < 0.85)
        for share in (-1.0, -0.5, 0.0, 0.5, 1.0):  # of its length: nowhere on a road, where that bends
            reach_x, reach_y = share * half_x, half_y * np.sqrt(1 - share**2)
            for across in (-1.0, 1.0):
                px = x + reach_x * np.cos(heading) - across * reach_y * np.sin(heading)
                py = y + reach_x * np.sin(heading) + across * reach_y * np.cos(heading)
                present &= np.minimum(*roads.edge(px, py)) > 0.5
        height = rng.uniform(1.0, 6.0, (len(begin_B), 1)) * rng.uniform(0.6, 1.2, shape)
        grass = np.where(rng.random((len(begin_B), 1, 1)) < 0.6, [[[0.27, 0.32, 0.14]]], [[[0.5, 0.42, 0.26]]])
        colour = grass * rng.uniform(0.7, 1.2, (len(begin_B), 1, 1)) * rng.uniform(0.92, 1.08, (*shape, 1))
        rows.append(
            make_boxes(
                x, y, heading, -height, half_x, half_y, 2 * height * present, t.CROWN, rng.random(shape), colour,
                np.exp(rng.uniform(np.log(0.05), np.log(0.3), (len(begin_B), 1))),
            )
        )  # fmt: skip
    return np.concatenate(rows, 1)


def spans(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, end_B: np.ndarray) -> np.ndarray:
    """A bridge with its piers across the road, or gantries with signs."""
    B, most = len(begin_B), 2
    shape = (B, most)
    share = _SPANNED_SHARE[roads.place_B, None]
    there = rng.random(shape) < share
    bridge = rng.random(shape) < np.where(roads.place_B[:, None] < COUNTRY, 0.9, 0.5)
    along = begin_B[:, None] + (np.arange(most) + rng.uniform(0.15, 0.85, shape)) / most * (end_B - begin_B)[:, None]
    # From beyond our kerb to beyond the other carriageway's.
    middle, half = 0.5 * roads.apart_B[:, None], (roads.half_width_B + 0.5 * np.abs(roads.apart_B))[:, None]
    x, y, heading = roads.point(along, middle + np.zeros(shape))
    turn = heading + 0.5 * np.pi + np.where(bridge, rng.normal(0, 0.15, shape), 0.0)
    long = half + np.where(bridge, rng.uniform(6, 25, shape), 1.5)
    deep = np.where(bridge, rng.uniform(2.5, 7, shape), 0.3)
    foot, height = rng.uniform(4.9, 6.2, shape), np.where(bridge, rng.uniform(0.9, 1.8, shape), 0.5)
    grey = (rng.uniform(0.25, 0.6, shape))[..., None] * np.array([1.0, 0.98, 0.94])
    beam = make_boxes(
        x, y, turn, foot, long, deep, height * there, t.PLAIN, rng.random(shape), grey,
        np.where(bridge, t.PAVING, t.FRACTAL), 0.1,
    )  # fmt: skip
    parts = [beam]
    for side in (-1.0, 1.0):
        left = middle + side * (half + np.where(bridge, rng.uniform(1.0, 4.0, shape), 1.2))
        px, py, heading = roads.point(along, left)
        thick = np.where(bridge, rng.uniform(0.3, 0.6, shape), 0.15)
        pier = make_boxes(
            px, py, heading, 0.0, thick, np.where(bridge, 2 * thick, thick), foot * there, t.PLAIN, 0.5, 0.9 * grey,
            t.FRACTAL, 0.1,
        )  # fmt: skip
        clear = np.minimum(*roads.edge(px, py)) > 0.9
        pier[..., t.HALF_Z] *= clear
        parts.append(pier)
        board = there & ~bridge & (rng.random(shape) < 0.8)
        half_y = rng.uniform(1.0, 2.4, shape)
        own = -roads.right_hand_B[:, None] * rng.uniform(0, 1, shape) * (roads.half_width_B[:, None] - half_y) * side
        px, py, heading = roads.point(along - 0.35, own)
        colour = np.array([[0.12, 0.25, 0.6], [0.1, 0.42, 0.25], [0.8, 0.8, 0.78]])[rng.integers(0, 3, shape)]
        parts.append(
            make_boxes(
                px, py, heading, foot - 0.8, 0.05, half_y, rng.uniform(1.5, 2.6, shape) * board, t.PLAIN,
                rng.random(shape), colour, t.PAVING, 0.3,
            )
        )  # fmt: skip
    return np.concatenate(parts, 1)
