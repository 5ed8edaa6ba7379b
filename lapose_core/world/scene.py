"""What stands beside the roads: buildings, parked cars, trees, poles, street lamps, signs, walls."""

from __future__ import annotations

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.boxes import make_boxes, make_cars
from lapose_core.world.motorways import banks, barriers, spans
from lapose_core.world.roads import COUNTRY, MOTORWAY, Roads

# By place (city, suburb, country, motorway).
_BUILDING_LENGTH_M = np.array([(8, 26), (7, 14), (8, 25), (12, 50)])
_BUILDING_GAP_M = np.array([(0, 6), (2, 12), (25, 150), (40, 250)])
_STOREYS = np.array([(3, 7.9), (1.6, 3.4), (1, 3.2), (2, 7)])
_SETBACK_M = np.array([(0.2, 4), (2, 8), (4, 30), (12, 60)])
_PARKED_SHARE = np.array([0.6, 0.45, 0.0, 0.0])
_TREE_SPACING_M = np.array([(10, 45), (6, 25), (4, 25), (6, 40)])
_WOODED_SHARE = np.array([0.0, 0.2, 0.45, 0.4])
_POLE_SPACING_M = np.array([(18, 45), (22, 50), (30, 80), (35, 70)])
_WALL_SHARE = np.array([0.25, 0.6, 0.3, 0.0])  # motorways have barriers


def _per_scene(rng: np.random.Generator, ranges_B2: np.ndarray, *shape: int) -> np.ndarray:
    low, high = (v.reshape(-1, *(1,) * len(shape)) for v in ranges_B2.T)
    return rng.uniform(low, high, (len(ranges_B2), *shape))


def place_boxes(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, end_B: np.ndarray) -> np.ndarray:
    """Boxes (B, K, BOX_STRIDE) along the roads between two distances along them; none stands on a street."""
    length = float((end_B - begin_B).max())
    parts = [
        _buildings(rng, roads, begin_B, int(length / 11) + 4),
        _buildings_on_crossings(rng, roads, 7),
        _parked_cars(rng, roads, begin_B, int(length / 6.5) + 1),
        _trees(rng, roads, begin_B, end_B, int(length / 7) + 4),
        _woods(rng, roads, begin_B, end_B, int(length / 6.5) + 1),
        _poles(rng, roads, begin_B, int(length / 24) + 2),
        _signs(rng, roads, begin_B, end_B, int(length / 45) + 2),
        _walls(rng, roads, begin_B, int(length / 7) + 2),
        barriers(rng, roads, begin_B, end_B),
        banks(rng, roads, begin_B, end_B),
        spans(rng, roads, begin_B, end_B),
    ]
    return np.concatenate(parts, axis=1)


def _off_streets(roads: Roads, rows: np.ndarray, margin: float) -> np.ndarray:
    """Leave out (height 0) the boxes whose corners, sides or centre come nearer than `margin` to a street."""
    cos, sin = rows[..., t.BOX_COS], rows[..., t.BOX_SIN]
    worst = np.full(rows.shape[:2], np.inf)
    for a, b in ((0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1)):
        dx, dy = a * rows[..., t.HALF_X], b * rows[..., t.HALF_Y]
        x, y = rows[..., t.CENTRE_X] + dx * cos - dy * sin, rows[..., t.CENTRE_Y] + dx * sin + dy * cos
        worst = np.minimum(worst, np.minimum(*roads.edge(x, y)))
    rows[..., t.HALF_Z] *= worst > margin
    return rows


def _rows_of_houses(begin, gaps, lengths):
    """Middle of each house of a row that starts at `begin`."""
    ends = begin + np.cumsum(gaps + lengths, axis=-1)
    return ends - 0.5 * lengths


def _facades(rng: np.random.Generator, place: np.ndarray, shape: tuple[int, ...]):
    warm = rng.uniform(0.25, 0.85, shape)[..., None] * (
        1 + rng.normal(0, 1, (*shape, 1)) * np.array([0.09, 0.02, -0.09])
    )
    brick = rng.uniform(0.2, 0.45, shape)[..., None] * np.array([1.5, 0.85, 0.65])
    colour = np.clip(np.where((rng.random(shape) < 0.25)[..., None], brick, warm), 0.05, 0.95)
    storey = rng.uniform(2.8, 3.4, shape)
    pitch = np.where(rng.random(shape) < 0.93, rng.uniform(1.5, 3.8, shape), 0.0)
    height = storey * np.floor(_per_scene(rng, _STOREYS[place], *shape[1:])) + rng.uniform(0.4, 1.6, shape)
    return colour, storey, pitch, height


def _buildings(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, count: int) -> np.ndarray:
    rows = []
    for side in (-1, 1):
        shape = (len(begin_B), count)
        lengths = _per_scene(rng, _BUILDING_LENGTH_M[roads.place_B], count)
        along = _rows_of_houses(begin_B[:, None], _per_scene(rng, _BUILDING_GAP_M[roads.place_B], count), lengths)
        depth = rng.uniform(6, 14, shape)
        setback = _per_scene(rng, _SETBACK_M[roads.place_B], 1) + rng.exponential(0.8, shape)
        pavement = np.where(roads.place_B < COUNTRY, 2.0, 1.0)[:, None]
        away = roads.half_width_B[:, None] + roads.beyond(side) + pavement + setback + 0.5 * depth
        x, y, heading = roads.point(along, side * away)
        colour, storey, pitch, height = _facades(rng, roads.place_B, shape)
        heading = heading + rng.normal(0, 0.03, shape)
        rows.append(
            make_boxes(
                x,
                y,
                heading,
                0,
                0.5 * lengths,
                0.5 * depth,
                height,
                t.BUILDING,
                rng.random(shape),
                colour,
                storey,
                pitch,
            )
        )
    return _off_streets(roads, np.concatenate(rows, 1), 0.8)


def _buildings_on_crossings(rng: np.random.Generator, roads: Roads, count: int) -> np.ndarray:
    streets = roads.arcs_BAC[:, roads.chain :]
    B, X = streets.shape[:2]
    shape = (B, X, 4, count)
    lengths = rng.uniform(8, 20, shape)
    gaps = rng.uniform(0, 1, shape) * np.where(roads.place_B < COUNTRY, 8, 60)[:, None, None, None]
    near = 0.5 * roads.half_width_B[:, None, None, None] + 4.0
    out = _rows_of_houses(near, gaps, lengths) * np.array([1, 1, -1, -1])[:, None]
    depth = rng.uniform(6, 12, shape)
    left = np.array([1, -1, 1, -1])[:, None] * (
        streets[..., t.HALF_WIDTH, None, None] + rng.uniform(2, 5, (B, X, 4, 1)) + 0.5 * depth
    )
    street = streets[:, :, None, None]
    cos, sin, on = street[..., t.START_COS], street[..., t.START_SIN], out - street[..., t.ALONG]
    x, y = street[..., t.START_X] + on * cos - left * sin, street[..., t.START_Y] + on * sin + left * cos
    present = (on > -5) & (on < street[..., t.LENGTH] + 5) & (street[..., t.LENGTH] > 0)
    colour, storey, pitch, height = _facades(rng, roads.place_B, shape)
    heading = np.arctan2(sin, cos) + 0 * x
    rows = make_boxes(
        x,
        y,
        heading,
        0,
        0.5 * lengths,
        0.5 * depth,
        height * present,
        t.BUILDING,
        rng.random(shape),
        colour,
        storey,
        pitch,
    )
    return _off_streets(roads, rows.reshape(B, -1, t.BOX_STRIDE), 0.8)


def _parked_cars(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, count: int) -> np.ndarray:
    B = len(begin_B)
    along = begin_B[:, None] + 6.5 * np.arange(count) + rng.uniform(-0.6, 0.6, (B, count))
    along = np.concatenate([along, along + 3.0], 1)
    side = np.repeat([-1, 1], count)
    lay_by = np.where(roads.parking_B > 0, -1.05, 1.6)[:, None]  # on the road's own strip, or on the drive of a house
    x, y, heading = roads.point(along, side * (roads.half_width_B[:, None] + lay_by))
    heading = heading + np.pi * (rng.random(heading.shape) < 0.3) + rng.normal(0, 0.02, heading.shape)
    share = _PARKED_SHARE[roads.place_B] * rng.uniform(0, 1.5, B) * np.where(roads.parking_B > 0, 1.0, 0.25)
    road, crossing = roads.edge(x, y)
    ahead = 3.0
    ends = [roads.edge(x + s * ahead * np.cos(heading), y + s * ahead * np.sin(heading)) for s in (-1, 1)]
    # Parked along a straight kerb only: both ends as far from it as the middle, and no street crossing near.
    straight = np.max([np.abs(e[0] - road) for e in ends], axis=0) < 0.25
    free = straight & (np.min([crossing, ends[0][1], ends[1][1]], axis=0) > 3.0)
    cars = make_cars(rng, x, y, heading, free & (rng.random(x.shape) < share[:, None]), 0.03)
    return cars.reshape(B, -1, t.BOX_STRIDE)


def _trees(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, end_B: np.ndarray, count: int) -> np.ndarray:
    B, shape = len(begin_B), (len(begin_B), 2 * count)
    spacing = _per_scene(rng, _TREE_SPACING_M[roads.place_B], 1)
    along = begin_B[:, None] + spacing * (np.tile(np.arange(count), 2) + rng.uniform(-0.4, 0.4, shape))
    side = np.repeat([-1, 1], count)
    away = np.where(roads.place_B < COUNTRY, 1.2, 3.0)[:, None] + rng.exponential(
        np.where(roads.place_B < COUNTRY, 3.0, 9.0)[:, None], shape
    )
    x, y, _ = roads.point(along, side * (roads.half_width_B[:, None] + roads.beyond(side) + away))
    bush = rng.random(shape) < 0.3
    height = np.where(bush, rng.uniform(0.8, 2.5, shape), rng.uniform(4, 13, shape))
    radius = height * np.where(bush, rng.uniform(0.5, 0.9, shape), rng.uniform(0.2, 0.42, shape))
    stem = np.where(bush, 0.0, height * rng.uniform(0.12, 0.3, shape))
    thick = 0.03 * height * rng.uniform(0.4, 0.9, shape)
    present = (rng.random(shape) < rng.uniform(0.3, 1.0, (B, 1))) & (along < end_B[:, None])
    present &= np.minimum(*roads.edge(x, y)) > np.where(bush, radius, thick) + 0.5
    turn = rng.uniform(0, 6.28, shape)
    dark = rng.uniform(0.35, 1.0, (*shape, 1)) * rng.uniform(0.6, 1.1, (B, 1, 1))
    green = dark * (np.array([0.24, 0.32, 0.14]) + rng.normal(0, 0.035, (*shape, 3)))
    trunk = make_boxes(
        x,
        y,
        turn,
        0,
        thick,
        thick,
        present * (stem + 0.15 * height) * ~bush,
        t.PLAIN,
        rng.random(shape),
        dark * np.array([0.3, 0.25, 0.2]),
        t.MASONRY,
        0.3,
    )
    crown = make_boxes(
        x, y, turn, stem, radius, radius * rng.uniform(0.7, 1.2, shape), present * (height - stem), t.CROWN,
        rng.random(shape), green, rng.uniform(0.25, 0.7, (B, 1)), rng.uniform(0.25, 0.7, shape),
    )  # fmt: skip
    # Most crowns are not round: a second, smaller one leans out of the first.
    second = crown.copy()
    lean, smaller = rng.uniform(0.4, 0.8, shape), rng.uniform(0.55, 0.85, shape)
    second[..., t.CENTRE_X] += lean * radius * np.cos(turn)
    second[..., t.CENTRE_Y] += lean * radius * np.sin(turn)
    second[..., t.CENTRE_Z] += rng.uniform(-0.35, 0.3, shape) * second[..., t.HALF_Z]
    for column in (t.HALF_X, t.HALF_Y, t.HALF_Z):
        second[..., column] *= smaller
    second[..., t.NEXT_X], second[..., t.NEXT_Y] = second[..., t.CENTRE_X], second[..., t.CENTRE_Y]
    second[..., t.SEED] = rng.random(shape)
    clear = np.minimum(*roads.edge(second[..., t.CENTRE_X], second[..., t.CENTRE_Y])) > np.where(bush, radius, -np.inf)
    second[..., t.HALF_Z] *= (rng.random(shape) < 0.6) & clear
    return np.concatenate([trunk, crown, second], 1)


def _woods(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, end_B: np.ndarray, count: int) -> np.ndarray:
    """Edge of a wood on one side of the road or both: crowns down to the ground, one beside the other."""
    B, shape = len(begin_B), (len(begin_B), 2 * count)
    along = begin_B[:, None] + 6.5 * (np.tile(np.arange(count), 2) + rng.uniform(-0.3, 0.3, shape))
    side = np.repeat([0, 1], count)
    away = rng.uniform(5, 14, (B, 2))[:, side] + rng.exponential(1.5, shape)
    side = 2 * side - 1
    x, y, heading = roads.point(along, side * (roads.half_width_B[:, None] + roads.beyond(side) + away))
    radius, height = rng.uniform(3.5, 5.5, shape), rng.uniform(0.8, 1.5, shape) * rng.uniform(4, 10, (B, 1))
    wooded = (rng.random((B, 2)) < _WOODED_SHARE[roads.place_B, None])[:, (side + 1) // 2]
    present = wooded & (rng.random(shape) < 0.92) & (along < end_B[:, None])
    present &= np.minimum(*roads.edge(x, y)) > radius + 0.5
    colour = rng.uniform(0.6, 1.0, (*shape, 1)) * (np.array([0.22, 0.28, 0.13]) + rng.normal(0, 0.03, (B, 1, 3)))
    return make_boxes(
        x, y, heading + rng.uniform(-0.5, 0.5, shape), -0.5 * height, radius, radius, 1.5 * height * present, t.CROWN,
        rng.random(shape), colour, rng.uniform(0.25, 0.75, (B, 1)), rng.uniform(0.3, 0.7, (B, 1)),
    )  # fmt: skip


def _poles(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, count: int) -> np.ndarray:
    B, shape = len(begin_B), (len(begin_B), 2 * count)
    spacing = _per_scene(rng, _POLE_SPACING_M[roads.place_B], 1)
    along = (
        begin_B[:, None]
        + spacing * np.tile(np.arange(count), 2)
        + rng.uniform(-2, 2, shape)
        + rng.uniform(0, 30, (B, 1))
    )
    side = np.repeat([-1, 1], count)
    x, y, heading = roads.point(along, side * (roads.half_width_B[:, None] + rng.uniform(0.5, 1.4, (B, 1))))
    thick = rng.uniform(0.06, 0.16, (B, 1))
    height = np.where(rng.random((B, 1)) < 0.3, rng.uniform(0.8, 1.2, (B, 1)), rng.uniform(4, 9, (B, 1)))
    present = rng.random((B, 2))[:, np.repeat([0, 1], count)] < 0.55
    grey = rng.uniform(0.1, 0.6, (B, 1, 1)) * np.array([1, 1, 0.97])
    poles = _off_streets(
        roads, make_boxes(x, y, heading, 0, thick, thick, height * present, t.PLAIN, 0.5, grey, t.FRACTAL, 0.1), 0.15
    )
    # Tall ones in built-up places and along motorways are street lamps, with an arm and a head over the road.
    arm = rng.uniform(0.4, 1.4, (B, 1))
    lamp = (poles[..., t.HALF_Z] > 1.5) & ((roads.place_B != COUNTRY) & (rng.random(B) < 0.8))[:, None]
    inward = -side * arm
    head = make_boxes(
        x - inward * np.sin(heading), y + inward * np.cos(heading), heading, height - 0.15, 0.14, arm, 0.15 * lamp,
        t.PLAIN, 0.5, np.array([0.75, 0.68, 0.5]), t.FRACTAL, 0.05,
    )  # fmt: skip
    head[..., t.BOX_GLOW] = 1.4
    return np.concatenate([poles, head], 1)


def _signs(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, end_B: np.ndarray, count: int) -> np.ndarray:
    shape = (len(begin_B), count)
    along = rng.uniform(begin_B[:, None], end_B[:, None], shape)
    big = (roads.place_B[:, None] == MOTORWAY) & (rng.random(shape) < 0.3)
    side = np.where(rng.random(shape) < 0.75, -roads.right_hand_B[:, None], roads.right_hand_B[:, None])
    half = np.where(big, rng.uniform(1, 2.2, shape), rng.uniform(0.25, 0.4, shape))
    x, y, heading = roads.point(along, side * (roads.half_width_B[:, None] + half + 0.45))
    palette = np.array([[0.85, 0.85, 0.83], [0.75, 0.1, 0.1], [0.12, 0.25, 0.65], [0.85, 0.7, 0.1], [0.1, 0.45, 0.25]])
    colour = palette[rng.integers(0, 5, shape)]
    foot = np.where(big, 2.5, rng.uniform(1.6, 2.3, shape))
    turn = heading + rng.normal(0, 0.08, shape)
    height = half * rng.uniform(1.2, 2.0, shape)
    board = make_boxes(x, y, turn, foot, 0.03, half, height, t.PLAIN, rng.random(shape), colour, t.PAVING, 0.3)
    post = make_boxes(
        x + 0.05 * np.cos(turn),
        y + 0.05 * np.sin(turn),
        turn,
        0,
        0.03,
        0.04,
        foot + height,
        t.PLAIN,
        0.5,
        0.45,
        t.FRACTAL,
        0.1,
    )
    board, post = _off_streets(roads, board, 0.1), _off_streets(roads, post, 0.1)
    return np.concatenate([board, post], 1)


def _walls(rng: np.random.Generator, roads: Roads, begin_B: np.ndarray, count: int) -> np.ndarray:
    """Walls, fences, hedges and guard rails in pieces that follow the road, in stretches with openings."""
    rows = []
    B = len(begin_B)
    for side in (-1, 1):
        shape = (B, count)
        along = begin_B[:, None] + 7.0 * (np.arange(count) + 0.5)
        kind = rng.integers(0, 3, (B, 1))  # wall, hedge, rail
        away = np.where(roads.place_B < COUNTRY, 2.1, 0.9)[:, None] + rng.exponential(0.6, (B, 1))
        x, y, heading = roads.point(along, side * (roads.half_width_B[:, None] + away))
        height = np.choose(
            kind, [rng.uniform(0.6, 2.2, (B, 1)), rng.uniform(0.7, 1.9, (B, 1)), rng.uniform(0.3, 0.35, (B, 1))]
        )
        foot = np.where(kind == 2, 0.45, 0.0)
        half_y = np.choose(kind, [0.12, 0.35, 0.05])
        stone = rng.uniform(0.25, 0.7, (B, 1, 1)) * np.array([1.0, 0.95, 0.88])
        leaf = rng.uniform(0.6, 1.0, (B, 1, 1)) * np.array([0.2, 0.27, 0.12])
        colour = np.where((kind == 1)[..., None], leaf, np.where((kind == 2)[..., None], 0.58, stone))
        layer = np.choose(kind, [t.MASONRY, t.FOLIAGE, t.FRACTAL])
        stretch = rng.random((B, count // 4 + 2))[:, (np.arange(count) + 1) // 4]
        present = (stretch < _WALL_SHARE[roads.place_B, None] * rng.uniform(0.3, 1.3, (B, 1))) & (
            rng.random(shape) < 0.93
        )
        rows.append(
            make_boxes(
                x,
                y,
                heading,
                foot,
                3.55,
                half_y,
                height * present,
                t.PLAIN,
                rng.random(shape),
                colour,
                layer,
                np.choose(kind, [0.2, 0.4, 0.1]),
            )
        )
    return _off_streets(roads, np.concatenate(rows, 1), 0.25)
