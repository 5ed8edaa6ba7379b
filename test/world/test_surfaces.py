"""Geometry that both renderers share, run as plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.world import ground, surfaces
from lapose_core.world import tables as t
from lapose_core.world.boxes import make_boxes
from lapose_core.world.clips import sample_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import lay_roads
from lapose_core.world.textures import texture_atlas


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(-4, 4))
def test_a_point_beside_the_road_is_found_where_it_was_put(seed: int, share: float, left: float):
    roads = lay_roads(np.random.default_rng(seed), 1, WorldConfig())
    along = share * (roads.starts_BA[0, -1] + roads.arcs_BAC[0, roads.chain - 1, t.LENGTH])
    x, y, heading = (float(v[0, 0]) for v in roads.point(np.array([[along]]), np.array([[left]])))
    arcs, count = roads.arcs_BAC.ravel(), int(roads.count_B[0])
    edge, lateral, row, _, _, _ = surfaces.nearest_streets(arcs, 0, count, x, y)
    found_along, tx, ty = surfaces.arc_along(arcs, row, x, y)
    # Inside a bend another piece of the road may be nearer; never is the edge farther than where it was put.
    assert edge <= abs(left) - roads.half_width_B[0] + 1e-6
    if abs(found_along - along) < 1.0:
        assert lateral == pytest.approx(left, abs=1e-6)
        assert found_along == pytest.approx(along, abs=0.05)  # 1e-5 rad on a radius of 3 km
        assert (tx, ty) == pytest.approx((math.cos(heading), math.sin(heading)), abs=1e-4)


def test_a_road_without_crossings_is_no_crossing_street_and_has_its_lines():
    config = WorldConfig(place_shares=(0.0, 0.0, 0.0, 1.0), weather_shares=(1.0, 0.0, 0.0, 0.0))  # motorways
    clips = sample_clips(np.random.default_rng(0), 8, config, frames=2)
    edges = clips.looks_BC[:, t.EDGE_PAINT] > 0.0
    assert edges.any()
    atlas = texture_atlas().astype(int)
    for b in np.flatnonzero(edges):
        arcs, look = clips.arcs_BAC[b].astype(float).ravel(), clips.looks_BC[b].astype(float)
        x, y = clips.cameras_BTC[b, 0, t.POSITION : t.POSITION + 2].astype(float)
        count = int(look[t.ARC_COUNT])
        _, lateral, row, side_edge, _, _ = surfaces.nearest_streets(arcs, 0, count, x, y)
        assert side_edge == t.NOTHING
        _, tx, ty = surfaces.arc_along(arcs, row, x, y)
        line = 0.5 * look[t.LANES] * look[t.LANE_WIDTH] - 0.2
        px, py = x - (line - lateral) * ty, y + (line - lateral) * tx
        bare = look.copy()
        bare[t.EDGE_PAINT] = 0.0
        red, without = (red_from_above(arcs, table, atlas, px, py) for table in (look, bare))
        assert red > 1.2 * without


def test_a_road_that_traffic_drew_out_varies_less_along_it_than_across():
    clips = sample_clips(np.random.default_rng(1), 6, WorldConfig(turning_share=0.0), frames=2)
    atlas = texture_atlas().astype(int)
    steps = np.arange(-20, 20) * 0.03
    rough = {}
    for stretch in (0.0, 10.0):
        ratios = []
        for b in range(6):
            arcs, look = clips.arcs_BAC[b].astype(float).ravel(), clips.looks_BC[b].astype(float)
            look[[t.ROAD_STRETCH, t.PATCHES, t.TRACKS, t.SEAM, t.GUTTER, t.WET, t.SHADOW]] = stretch, 0, 0, 0, 0, 0, 0
            look[[t.LANE_PAINT, t.EDGE_PAINT, t.CENTRE_PAINT]] = 0.0
            x, y = clips.cameras_BTC[b, 0, t.POSITION : t.POSITION + 2].astype(float)
            _, _, row, _, _, _ = surfaces.nearest_streets(arcs, 0, int(look[t.ARC_COUNT]), x, y)
            _, tx, ty = surfaces.arc_along(arcs, row, x, y)
            along, across = (
                np.array([red_from_above(arcs, look, atlas, x + s * dx, y + s * dy) for s in steps])
                for dx, dy in ((tx, ty), (-ty, tx))
            )
            ratios.append(np.abs(np.diff(along)).mean() / np.abs(np.diff(across)).mean())
        rough[stretch] = np.median(ratios)
    assert rough[0.0] > 0.6
    assert rough[10.0] < 0.5 * rough[0.0]


def red_from_above(arcs: np.ndarray, look: np.ndarray, atlas: np.ndarray, x: float, y: float) -> float:
    return ground.ground_colour(arcs, 0, look, 0, atlas, x, y, 0.0, 0.0, -1.0, 0.01, 0.0, 0.0)[0]


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_arctangent_is_atan2(y: float, x: float):
    if math.hypot(x, y) > 1e-3:
        assert abs(math.remainder(surfaces.arctangent(y, x) - math.atan2(y, x), math.tau)) < 2e-5


@given(st.floats(-3, 3), st.floats(1, 5), st.floats(0.1, 0.9), st.floats(0.01, 2))
def test_a_pulse_train_covers_its_share(x: float, period: float, duty: float, footprint: float):
    sample = np.linspace(x - footprint / 2, x + footprint / 2, 4001)
    expected = (sample % period <= duty * period).mean()
    assert surfaces.pulse(x, period, duty * period, footprint) == pytest.approx(expected, abs=2e-3)


def test_a_ray_meets_the_near_face_of_a_box():
    box = make_boxes(10.0, 0.0, 0.0, 0.0, 2.0, 1.0, 3.0, t.PLAIN, 0.5, 0.5).astype(float)
    assert surfaces.box_hit(box, 0, 0.0, 0.5, 1.5, 1.0, 0.0, 0.0) == pytest.approx(8.0)
    assert surfaces.box_hit(box, 0, 0.0, 0.5, 3.5, 1.0, 0.0, 0.0) == t.NOTHING
    assert surfaces.box_hit(box, 0, 0.0, 0.5, 1.5, -1.0, 0.0, 0.0) == t.NOTHING


def test_textures_are_grey_on_average_at_every_level():
    atlas = texture_atlas()
    assert atlas.size == t.LAYERS * t.LAYER_STRIDE
    for layer in range(t.LAYERS):
        far = surfaces.texture(atlas.astype(int), layer, 100.0, 37.0, 20.0)
        near = atlas[layer * t.LAYER_STRIDE :][: t.ATLAS_SIZE**2].astype(float)
        assert abs(far) < 0.25
        assert 110 < near.mean() < 146 and near.std() > 20
