"""Each condition of the rendered test set is what its name says, and always the same."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.errors import LaposeError
from lapose_core.world import tables as t
from lapose_core.world.conditions import CONDITIONS, condition_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import MOTORWAY, lay_roads


def test_a_conditions_clips_are_the_same_every_time_and_more_of_them_begin_alike():
    few, more = (list(condition_clips("rain", count, 2.0, frames=3)) for count in (2, 3))
    for first, second in zip(few, more, strict=False):
        for name in vars(first):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(more[1].pose_world_camera_BT44, more[2].pose_world_camera_BT44)
    np.testing.assert_allclose(few[0].intervals_BS, 0.5)


def test_conditions_do_not_share_their_drives():
    starts = [next(condition_clips(name, 1, 4.0, frames=2)).pose_world_camera_BT44[0, 0, :3, 3] for name in CONDITIONS]
    assert len(np.unique(np.round(starts, 6), axis=0)) == len(CONDITIONS)


def test_an_unknown_condition_is_told_with_those_there_are():
    with pytest.raises(LaposeError, match="no condition 'hail': choose from clear, fog, rain, night"):
        next(condition_clips("hail", 1, 4.0))


def _motions(name: str) -> np.ndarray:
    return np.concatenate([clips.motions_BS44 for clips in condition_clips(name, 25, 2.0)])


def test_reversing_sharp_turns_motorways_and_shaking_are_driven_so():
    assert (_motions("reversing")[..., 2, 3].sum(1) < 0).all()
    clear, sharp = _motions("clear"), _motions("sharp_turns")
    assert (clear[..., 2, 3].sum(1) > 0).all()

    def turned_deg(motions_BS44: np.ndarray) -> np.ndarray:
        return np.degrees(np.abs(np.arctan2(motions_BS44[..., 0, 2], motions_BS44[..., 2, 2])).max(1))

    assert np.median(turned_deg(sharp)) > 2 * np.median(turned_deg(clear))
    assert np.median(_motions("motorway")[..., 2, 3]) * 2.0 > 12  # m/s
    roll = [np.median(np.abs(_motions(name)[..., 1, 0])) for name in ("shaking", "clear")]
    assert roll[0] > 1.5 * roll[1]


def test_dense_traffic_surrounds_us_and_much_of_it_seems_to_stand_still():
    def paced(name: str) -> float:
        """Vehicles a clip within 40 m that come or go by less than a metre in half a second."""
        counts = []
        for clips in condition_clips(name, 25, 2.0, frames=2):
            boxes, seen = clips.boxes_BTKC[0, 0], int(clips.cameras_BTC[0, 0, t.BOX_COUNT])
            bodies = boxes[:seen][boxes[:seen, t.KIND] == t.CAR_BODY]
            here, then = (clips.pose_world_camera_BT44[0, frame, :2, 3] for frame in (0, 1))
            now = bodies[:, [t.CENTRE_X, t.CENTRE_Y]] - here
            after = bodies[:, [t.NEXT_X, t.NEXT_Y]] - then
            drives = np.linalg.norm(bodies[:, [t.NEXT_X, t.NEXT_Y]] - bodies[:, [t.CENTRE_X, t.CENTRE_Y]], axis=1) > 0.3
            near = np.linalg.norm(now, axis=1) < 40
            counts.append((drives & near & (np.linalg.norm(after - now, axis=1) < 1.0)).sum())
        return float(np.mean(counts))

    assert paced("dense_traffic") > max(1.5, 3 * paced("clear"))


def test_nobody_reverses_with_us():
    for clips in condition_clips("reversing", 25, 2.0, frames=4):
        for boxes, seen in zip(clips.boxes_BTKC[0], clips.cameras_BTC[0, :, t.BOX_COUNT].astype(int), strict=True):
            bodies = boxes[:seen][boxes[:seen, t.KIND] == t.CAR_BODY]
            dx, dy = bodies[:, t.NEXT_X] - bodies[:, t.CENTRE_X], bodies[:, t.NEXT_Y] - bodies[:, t.CENTRE_Y]
            assert (dx * bodies[:, t.BOX_COS] + dy * bodies[:, t.BOX_SIN]).min(initial=0.0) > -0.05


def test_vehicles_do_not_drive_through_each_other():
    for clips in condition_clips("dense_traffic", 15, 4.0, frames=6):
        for boxes, seen in zip(clips.boxes_BTKC[0], clips.cameras_BTC[0, :, t.BOX_COUNT].astype(int), strict=True):
            bodies = boxes[:seen][boxes[:seen, t.KIND] == t.CAR_BODY]
            moves = np.abs(bodies[:, t.NEXT_X] - bodies[:, t.CENTRE_X]) + np.abs(
                bodies[:, t.NEXT_Y] - bodies[:, t.CENTRE_Y]
            )
            bodies = bodies[moves > 1e-3]
            between = np.linalg.norm(bodies[:, None, :2] - bodies[None, :, :2], axis=-1)
            assert (between + 10 * np.eye(len(bodies))).min(initial=10) > 1.2


def test_motorways_have_a_second_carriageway_that_nothing_stands_on():
    config = WorldConfig(place_shares=(0.0, 0.0, 0.0, 1.0))
    roads = lay_roads(np.random.default_rng(0), 40, config)
    assert (roads.place_B == MOTORWAY).all() and (np.abs(roads.apart_B) > 2 * roads.half_width_B).all()
    along = np.full((40, 1), 30.0)
    x, y, _ = roads.point(along, roads.apart_B[:, None])
    edge, _ = roads.edge(x, y)
    np.testing.assert_allclose(edge[:, 0], -roads.half_width_B, atol=1e-3)
    x, y, _ = roads.point(along, 0.5 * roads.apart_B[:, None])
    assert (roads.edge(x, y)[0] > 0).all()
