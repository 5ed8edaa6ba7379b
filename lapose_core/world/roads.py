"""Roads: a chain of circular arcs to drive along, and straight streets that cross it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.config import WorldConfig

CITY, SUBURB, COUNTRY, MOTORWAY = range(4)

_PIECES = 6  # arcs of a random road
# By place (city, suburb, country, motorway).
_LENGTH_M = np.array([(35, 110), (25, 90), (40, 140), (120, 350)])  # of one arc
_BEND_RADIUS_M = np.array([(40, 400), (30, 250), (40, 500), (350, 3000)])
_BENT = np.array([0.35, 0.5, 0.75, 0.7])  # share of arcs that are not straight
_LANES = np.array([(2, 4), (2, 2), (2, 2), (3, 6)])
_LANE_WIDTH_M = np.array([(2.7, 3.6), (2.3, 3.4), (2.5, 3.6), (3.3, 3.75)])
_PARKING = np.array([0.6, 0.5, 0.0, 0.0])
_CROSSINGS = np.array([2.0, 1.6, 0.5, 0.0])
_SLIP_ROADS = 0.3  # share of motorway clips


@dataclass(frozen=True)
class Roads:
    """The streets of B scenes.

    Attributes:
        place_B: CITY, SUBURB, COUNTRY or MOTORWAY.
        lanes_B, lane_width_B, parking_B, half_width_B: cross-section of the road driven, parking (or a shoulder) on
            each side; metres.
        right_hand_B: +1 where traffic keeps right, -1 where it keeps left.
        one_way_B: whether all of its lanes go our way; motorways' do.
        apart_B: metres to the left of the middle of a motorway's other carriageway, as wide as ours; 0 for none.
        arcs_BAC: arc table, columns as in `tables`; the first `chain` rows are the road driven, the others cross it.
        count_B: rows in use.
        starts_BA: distance along the road at which each of its arcs begins.
        sharp_B: distance along the road of the middle of a sharp turn, nan where there is none.
        crossing_along_BX: distances along the road of the crossing streets, nan where there is none.
    """

    place_B: np.ndarray
    lanes_B: np.ndarray
    lane_width_B: np.ndarray
    parking_B: np.ndarray
    half_width_B: np.ndarray
    right_hand_B: np.ndarray
    one_way_B: np.ndarray
    apart_B: np.ndarray
    arcs_BAC: np.ndarray
    count_B: np.ndarray
    starts_BA: np.ndarray
    sharp_B: np.ndarray
    crossing_along_BX: np.ndarray
    chain: int

    @property
    def own_lanes_B(self) -> np.ndarray:
        """How many of the lanes go our way, counted from the kerb on the side one drives on."""
        return np.where(self.one_way_B, self.lanes_B, np.maximum(self.lanes_B // 2, 1))

    def lane_offset(self, lane_B: np.ndarray) -> np.ndarray:
        """Metres to the left of the road's middle of a lane, counted from 0 at the kerb on the side one drives on."""
        return -self.right_hand_B * (0.5 * self.lanes_B - 0.5 - lane_B) * self.lane_width_B

    def beyond(self, side_BN: np.ndarray | float) -> np.ndarray:
        """Metres (B, N or 1) by which what stands on a side, left positive, is farther off: the other carriageway's."""
        return np.where(self.apart_B[:, None] * side_BN > 0, np.abs(self.apart_B)[:, None], 0.0)

    def point(
        self, along_BN: np.ndarray, left_BN: np.ndarray | float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y (metres) and heading (radians, not wrapped within an arc) `left_BN` to the left of the road driven."""
        rows = np.arange(len(along_BN))[:, None]
        arc = (along_BN[:, :, None] >= self.starts_BA[:, None, 1:]).sum(-1)
        a = self.arcs_BAC[rows, arc].astype(np.float64)
        s = along_BN - self.starts_BA[rows, arc]
        inside = np.clip(s, 0.0, a[..., t.LENGTH])
        angle = a[..., t.CURVATURE] * inside
        chord = inside * np.sinc(angle / (2 * np.pi))
        heading = np.arctan2(a[..., t.START_SIN], a[..., t.START_COS])
        x = a[..., t.START_X] + chord * np.cos(heading + 0.5 * angle)
        y = a[..., t.START_Y] + chord * np.sin(heading + 0.5 * angle)
        heading = heading + angle
        beyond = s - inside
        x += beyond * np.cos(heading) - left_BN * np.sin(heading)
        y += beyond * np.sin(heading) + left_BN * np.cos(heading)
        return x, y, heading

    def edge(self, x_BN: np.ndarray, y_BN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance to the kerb of the road driven and of the nearest crossing street; negative on the street."""
        a = self.arcs_BAC[:, :, None, :]
        px, py = x_BN[:, None] - a[..., t.START_X], y_BN[:, None] - a[..., t.START_Y]
        forward = px * a[..., t.START_COS] + py * a[..., t.START_SIN]
        left = py * a[..., t.START_COS] - px * a[..., t.START_SIN]
        ex, ey = x_BN[:, None] - a[..., t.END_X], y_BN[:, None] - a[..., t.END_Y]
        beyond = ex * a[..., t.END_COS] + ey * a[..., t.END_SIN]
        q = a[..., t.CURVATURE] * (forward**2 + left**2) - 2 * left
        lateral = -q / (1 + np.sqrt(np.maximum(1 + a[..., t.CURVATURE] * q, 0)))
        before, after = (forward < 0) & (a[..., t.OPEN_START] > 0), (beyond > 0) & (a[..., t.OPEN_END] > 0)
        lateral = np.where(before, left, np.where(after, ey * a[..., t.END_COS] - ex * a[..., t.END_SIN], lateral))
        apart = np.where(a[..., t.IS_CROSSING] > 0, 0.0, self.apart_B[:, None, None])
        edge = np.minimum(np.abs(lateral), np.abs(lateral - apart)) - a[..., t.HALF_WIDTH]
        edge = np.where(((forward >= 0) & (beyond <= 0)) | before | after, edge, 1e3)
        edge = np.where(np.arange(edge.shape[1])[:, None] < self.count_B[:, None, None], edge, 1e3)
        return edge[:, : self.chain].min(1), edge[:, self.chain :].min(1, initial=1e3)

    def table_between(self, begin_B: np.ndarray, end_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Arc table (float32) with only the arcs met between two distances along the road, and how many they are."""
        arcs = self.arcs_BAC.copy()
        starts = self.starts_BA
        used = np.arange(arcs.shape[1]) < self.count_B[:, None]
        used[:, 1 : self.chain] &= starts[:, 1:] < end_B[:, None]
        used[:, : self.chain - 1] &= starts[:, 1:] > begin_B[:, None]
        along = self.crossing_along_BX
        used[:, self.chain :] &= (along > begin_B[:, None] - 60) & (along < end_B[:, None] + 60)
        scene = np.arange(len(arcs))
        arcs[scene, used[:, : self.chain].argmax(1), t.OPEN_START] = 1.0
        arcs[scene, self.chain - 1 - used[:, : self.chain][:, ::-1].argmax(1), t.OPEN_END] = 1.0
        order = np.argsort(~used, axis=1, kind="stable")
        count = used.sum(1)
        return np.take_along_axis(arcs, order[..., None], 1)[:, : count.max()].astype(np.float32), count


def _uniform(rng: np.random.Generator, ranges_B2: np.ndarray, *shape: int) -> np.ndarray:
    low, high = np.moveaxis(ranges_B2.reshape(len(ranges_B2), *(1,) * len(shape), 2), -1, 0)
    return rng.uniform(low, high, (len(ranges_B2), *shape))


def _log_uniform(rng: np.random.Generator, ranges_B2: np.ndarray, *shape: int) -> np.ndarray:
    return np.exp(_uniform(rng, np.log(ranges_B2), *shape))


def lay_roads(
    rng: np.random.Generator,
    count: int,
    config: WorldConfig,
    *,
    crossings: int = 4,
    itinerary: np.ndarray | None = None,
) -> Roads:
    """Lay the streets of `count` scenes, with up to `crossings` streets across the road driven.

    `itinerary` (pieces, 2), radius (metres, left positive, inf for straight) and length, fixes the road of every scene,
    in a city.
    """
    B = count
    place = rng.choice(4, B, p=config.place_shares)
    if itinerary is None:
        curvature, length, sharp = _random_road(rng, place, config)
    else:
        place[:] = CITY
        curvature, length = np.tile(1.0 / itinerary[:, 0], (B, 1)), np.tile(itinerary[:, 1], (B, 1))
        sharp = np.abs(curvature) > 1 / 30
    # Drawn aside: the drives of a seed stay what they were where there are no slip roads.
    aside = np.random.Generator(rng.bit_generator.jumped())
    slip = (aside.random(B) < _SLIP_ROADS) * (place == MOTORWAY) * aside.choice([-1.0, 1.0], B)
    radius = np.exp(aside.uniform(np.log(45), np.log(250), curvature.shape))
    curvature = np.where(slip[:, None] != 0, slip[:, None] / radius, curvature)
    length = np.where(slip[:, None] != 0, 0.45 * radius, length)
    chain = curvature.shape[1]
    turning = sharp.any(1)

    parking = np.where(rng.random(B) < _PARKING[place], 2.1, 0.0)
    lanes = np.floor(_uniform(rng, _LANES[place] + np.array([0, 0.999]))).astype(int)
    lanes = np.where((place == CITY) & (rng.random(B) < 0.55), 2, lanes)
    lanes = np.where(turning, np.minimum(lanes, 3), lanes)
    lane_width = _uniform(rng, _LANE_WIDTH_M[place])
    # Motorways have shoulders in its place, and another carriageway beyond a strip, mostly a narrow one. Slip roads
    # have few lanes, wide shoulders, and the carriageway farther off, outside their bend.
    motorway = place == MOTORWAY
    shoulder = np.where(slip != 0, aside.uniform(0.5, 6.0, B), aside.uniform(0.5, 2.8, B))
    strip = np.where(slip != 0, aside.uniform(12, 40, B), np.exp(aside.uniform(np.log(1.5), np.log(15.0), B)))
    parking = np.where(motorway, shoulder, parking)
    lanes = np.where(slip != 0, aside.integers(1, 4, B), lanes)
    # Streets of one lane may be wide ones.
    one_way = (aside.random(B) < config.one_way_share) & (place < COUNTRY) & (itinerary is None)
    lanes = np.where(one_way, aside.integers(1, 3, B), lanes)
    lane_width = np.where(one_way & (lanes == 1), aside.uniform(2.8, 5.5, B), lane_width)
    half_width = 0.5 * lanes * lane_width + parking

    table = np.zeros((B, chain + crossings, t.ARC_STRIDE))
    table[:, :chain] = _arc_rows(curvature, length)
    table[:, :chain, t.HALF_WIDTH] = half_width[:, None]
    starts = table[:, :chain, t.ALONG].copy()
    middle = starts + 0.5 * length
    right_hand = rng.choice([1.0, -1.0], B, p=[0.72, 0.28])
    roads = Roads(
        place_B=place,
        lanes_B=lanes,
        lane_width_B=lane_width,
        parking_B=parking,
        half_width_B=half_width,
        right_hand_B=right_hand,
        one_way_B=one_way | motorway,
        apart_B=np.where(motorway, np.where(slip != 0, -slip, right_hand) * (2 * half_width + strip), 0.0),
        arcs_BAC=table,
        count_B=np.full(B, chain),
        starts_BA=starts,
        sharp_B=np.where(turning, middle[np.arange(B), sharp.argmax(1)], np.nan),
        crossing_along_BX=np.full((B, crossings), np.nan),
        chain=chain,
    )
    return _cross(rng, roads, sharp, length)


def _random_road(
    rng: np.random.Generator, place_B: np.ndarray, config: WorldConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curvature and length of the pieces of each road, and which of them are sharp turns."""
    shape = (len(place_B), _PIECES)
    straight = rng.random(shape) > _BENT[place_B][:, None]
    radius = _log_uniform(rng, _BEND_RADIUS_M[place_B], _PIECES)
    curvature = np.where(straight, 0.0, rng.choice([-1.0, 1.0], shape) / radius)
    length = _uniform(rng, _LENGTH_M[place_B], _PIECES)
    length = np.where(straight, length, np.minimum(length, 1.3 * radius))

    # A sharp turn in the middle, sometimes another after a piece of road; motorways have none.
    share = config.turning_share / max(1 - config.place_shares[MOTORWAY], 1e-6)
    turning = (rng.random(len(place_B)) < share) & (place_B != MOTORWAY)
    sharp = np.zeros(shape, bool)
    sharp[:, _PIECES // 2] = turning
    sharp[:, _PIECES // 2 + 2 :: 2] = (turning & (rng.random(len(place_B)) < 0.6))[:, None]
    radius = np.where(rng.random(shape) < 0.7, rng.uniform(6, 15, shape), rng.uniform(15, 35, shape))
    angle = np.clip(rng.normal(1.5, 0.25, shape), 0.7, 2.1)
    curvature = np.where(sharp, rng.choice([-1.0, 1.0], shape) / radius, curvature)
    return curvature, np.where(sharp, angle * radius, length), sharp


def _arc_rows(curvature_BA: np.ndarray, length_BA: np.ndarray) -> np.ndarray:
    """Arc table of pieces laid end to end from the origin, along x; both ends run on."""
    zero = np.zeros((len(curvature_BA), 1))
    turn = curvature_BA * length_BA
    heading = np.concatenate([zero, np.cumsum(turn, 1)], 1)
    chord, along = length_BA * np.sinc(turn / (2 * np.pi)), np.concatenate([zero, np.cumsum(length_BA, 1)], 1)
    middle = heading[:, :-1] + 0.5 * turn
    x = np.concatenate([zero, np.cumsum(chord * np.cos(middle), 1)], 1)
    y = np.concatenate([zero, np.cumsum(chord * np.sin(middle), 1)], 1)
    road = np.zeros((*curvature_BA.shape, t.ARC_STRIDE))
    road[..., t.START_X], road[..., t.START_Y] = x[:, :-1], y[:, :-1]
    road[..., t.START_COS], road[..., t.START_SIN] = np.cos(heading[:, :-1]), np.sin(heading[:, :-1])
    road[..., t.END_X], road[..., t.END_Y] = x[:, 1:], y[:, 1:]
    road[..., t.END_COS], road[..., t.END_SIN] = np.cos(heading[:, 1:]), np.sin(heading[:, 1:])
    road[..., t.CURVATURE], road[..., t.LENGTH], road[..., t.ALONG] = curvature_BA, length_BA, along[:, :-1]
    road[:, 0, t.OPEN_START] = road[:, -1, t.OPEN_END] = 1.0
    return road


def _cross(rng: np.random.Generator, roads: Roads, sharp_BA: np.ndarray, length_BA: np.ndarray) -> Roads:
    """Add the crossing streets: both arms straight on at sharp turns, and here and there across straight stretches."""
    B, chain = sharp_BA.shape
    crossings = roads.crossing_along_BX.shape[1]
    a = roads.arcs_BAC
    slot = np.zeros(B, int)
    along_BX = roads.crossing_along_BX.copy()

    def add(use_B: np.ndarray, x, y, heading, back, ahead, along) -> None:
        b = np.flatnonzero(use_B & (slot < crossings))
        row, cos, sin = chain + slot[b], np.cos(heading[b]), np.sin(heading[b])
        x0, y0 = x[b] - back[b] * cos, y[b] - back[b] * sin
        a[b, row, t.START_X], a[b, row, t.START_Y], a[b, row, t.START_COS], a[b, row, t.START_SIN] = x0, y0, cos, sin
        a[b, row, t.END_X], a[b, row, t.END_Y] = x[b] + ahead[b] * cos, y[b] + ahead[b] * sin
        a[b, row, t.END_COS], a[b, row, t.END_SIN] = cos, sin
        a[b, row, t.LENGTH], a[b, row, t.ALONG] = back[b] + ahead[b], -back[b]
        a[b, row, t.HALF_WIDTH] = rng.uniform(2.6, 4.5, len(b))
        a[b, row, t.IS_CROSSING] = 1.0
        along_BX[b, slot[b]] = along[b]
        slot[b] += 1

    for arc in np.flatnonzero(sharp_BA.any(0)):
        start = roads.starts_BA[:, arc] + 0.0
        middle = start + 0.5 * length_BA[:, arc]
        for s, back, ahead in ((start, 0, 1), (start + length_BA[:, arc], 1, 0)):
            x, y, heading = (v[:, 0] for v in roads.point(s[:, None]))
            arm = np.where(rng.random(B) < 0.75, rng.uniform(60, 160, B), 0.0)
            add(sharp_BA[:, arc] & (arm > 0), x, y, heading, back * arm, ahead * arm, middle)
    wanted = rng.poisson(_CROSSINGS[roads.place_B])
    calm = np.abs(a[:, :chain, t.CURVATURE]) < 1 / 150
    for number in range(crossings):
        arc = np.where(calm, rng.random((B, chain)), -1.0).argmax(1)
        share = rng.uniform(0.1, 0.9, B)
        s = roads.starts_BA[np.arange(B), arc] + share * length_BA[np.arange(B), arc]
        clash = (np.abs(along_BX - s[:, None]) < 45).any(1) | ~calm[np.arange(B), arc]
        clash |= (np.abs(roads.starts_BA - s[:, None])[:, 1:] < 12).any(1)
        x, y, heading = (v[:, 0] for v in roads.point(s[:, None]))
        heading = heading + np.pi / 2 + rng.normal(0, 0.12, B)
        arms = np.where(rng.random((2, B)) < 0.8, rng.uniform(60, 160, (2, B)), 0.0)
        add((number < wanted) & ~clash, x, y, heading, arms[0], arms[1], s)
    # Rows not in use must not be met: the renderers stop at the count.
    return Roads(**{**roads.__dict__, "count_B": chain + slot, "crossing_along_BX": along_BX})
