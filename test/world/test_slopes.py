"""Hills: pictures, flow, poses and boxes agree on where the ground is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lapose_core.geometry import invert_pose
from lapose_core.world import relief
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.render_cpu import render, trace_flow
from lapose_core.world.slopes import Slopes

from .flow_fit import assert_flow_fits, cell_centres, differences

HEIGHT, WIDTH, STRIDE = 112, 240, 4

_FLAT = WorldConfig(
    rate_hz=(4.0, 8.0), shake_share=0.0, standing_share=0.0, bonnet_share=0.0, weather_shares=(1.0, 0.0, 0.0, 0.0)
)
_HILLY = replace(_FLAT, slope_share=1.0)


def _clips(config: WorldConfig, count: int = 24, frames: int = 6) -> Clips:
    return sample_clips(np.random.default_rng(8), count, config, frames)


@pytest.fixture(scope="module")
def hilly() -> Clips:
    return _clips(_HILLY)


@pytest.fixture(scope="module")
def flat() -> Clips:
    return _clips(_FLAT)


def _slopes(clips: Clips) -> Slopes:
    return Slopes(clips.looks_BC[:, t.HILL_X : t.HILL_HALF + 1].astype(np.float64))


def _along_curve(clips: Clips) -> np.ndarray:
    """Metres (B, T) from the middle of the vertical curve to the camera, along its direction."""
    look_B1C = clips.looks_BC[:, None]
    from_middle = clips.pose_world_camera_BT44[..., :2, 3] - look_B1C[..., [t.HILL_X, t.HILL_Y]]
    return (from_middle * look_B1C[..., [t.HILL_COS, t.HILL_SIN]]).sum(-1)


def test_a_share_of_the_clips_has_slopes_and_all_else_stays_what_it_was(flat: Clips, hilly: Clips):
    assert not flat.looks_BC[:, t.HILL_X :].any() and not flat.boxes_BTKC[..., t.SHEAR_X :].any()
    assert (hilly.looks_BC[:, t.HILL_HALF] > 0).all()
    np.testing.assert_array_equal(flat.looks_BC[:, : t.HILL_X], hilly.looks_BC[:, : t.HILL_X])
    np.testing.assert_array_equal(flat.arcs_BAC, hilly.arcs_BAC)
    np.testing.assert_array_equal(flat.stamps_ns_BT, hilly.stamps_ns_BT)
    assert np.abs(flat.pose_world_camera_BT44 - hilly.pose_world_camera_BT44)[..., :2, 3].max() < 0.3
    half = _clips(replace(_FLAT, slope_share=0.5), 200, 2).looks_BC[:, t.HILL_HALF] > 0
    assert 0.4 < half.mean() < 0.6


def test_a_hill_without_height_is_flat_ground(flat: Clips):
    level = replace(flat, looks_BC=flat.looks_BC.copy())
    level.looks_BC[:, t.HILL_HALF], level.looks_BC[:, t.HILL_COS] = 50.0, 1.0
    pictures = [render(some.frames(0, 1), HEIGHT, WIDTH).astype(int) for some in (flat, level)]
    assert (np.abs(pictures[0] - pictures[1]) <= 1).mean() > 0.999


def test_grades_and_curves_are_those_of_roads():
    clips = _clips(_HILLY, 300, 2)
    looks_CB = clips.looks_BC.T.astype(float)
    radius = 1 / np.abs(looks_CB[t.HILL_CURVATURE])
    assert radius.min() > 790 and radius.max() < 20100
    grade = looks_CB[t.GRADE_X] * looks_CB[t.HILL_COS] + looks_CB[t.GRADE_Y] * looks_CB[t.HILL_SIN]
    ends = grade + np.array([[-1], [1]]) * looks_CB[t.HILL_CURVATURE] * looks_CB[t.HILL_HALF]
    assert 0.022 < ends.std() < 0.035 and np.abs(ends).max() < 0.121


def test_the_camera_stays_as_high_above_the_ground(flat: Clips, hilly: Clips):
    slopes = _slopes(hilly)
    poses = hilly.pose_world_camera_BT44
    above = poses[..., 2, 3] - slopes.height(poses[..., 0, 3], poses[..., 1, 3])
    np.testing.assert_allclose(above, flat.pose_world_camera_BT44[..., 2, 3], atol=0.03)
    bases = poses @ invert_pose(hilly.pose_base_camera_B44)[:, None]
    assert np.abs(bases[..., 2, 3] - slopes.height(bases[..., 0, 3], bases[..., 1, 3])).max() < 0.1
    grade_x, grade_y = slopes.gradient(bases[..., 0, 3], bases[..., 1, 3])
    away = np.stack([-grade_x, -grade_y, np.ones_like(grade_x)], -1)
    upright = (bases[..., :3, 2] * away).sum(-1) / np.linalg.norm(away, axis=-1)
    assert np.degrees(np.arccos(np.minimum(upright, 1))).max() < 4.0  # the springs' part


def test_over_a_crest_the_nose_goes_down_by_the_distance_over_the_radius():
    flat, hilly = (_clips(replace(some, rate_hz=(2.0, 4.0)), 160, 12) for some in (_FLAT, _HILLY))
    turns = (some.motions_BS44[..., :3, :3].reshape(-1, 3, 3) for some in (flat, hilly))
    pitch_up = [Rotation.from_matrix(turn).as_rotvec()[:, 0] for turn in turns]
    pitch_up = (pitch_up[1] - pitch_up[0]).reshape(hilly.stamps_ns_BT[:, 1:].shape)
    along, look_B1C = _along_curve(hilly), hilly.looks_BC[:, None]
    # The ground turns between the axles, a little behind most cameras.
    on_curve = np.abs(along) < look_B1C[..., t.HILL_HALF] - 3.0
    forward = hilly.pose_world_camera_BT44[..., :2, 2]
    straight = np.abs((forward * look_B1C[..., [t.HILL_COS, t.HILL_SIN]]).sum(-1)) > 0.995
    use = (on_curve & straight)[:, 1:] & (on_curve & straight)[:, :-1]
    expected = np.diff(along, axis=1) * look_B1C[..., t.HILL_CURVATURE]
    assert use.sum() > 50 and np.abs(expected[use]).max() > 2e-3
    assert (expected[use] < 0).any() and (expected[use] > 0).any()
    np.testing.assert_allclose(pitch_up[use], expected[use], rtol=0.05, atol=2e-4)


def test_depth_puts_the_ground_where_it_is(hilly: Clips):
    depth_BTN = trace_flow(hilly, HEIGHT, WIDTH, STRIDE).depth_BTN
    cameras = hilly.cameras_BTC[:, :, None]
    principal = np.array([WIDTH / 2, HEIGHT / 2]) + WIDTH * cameras[..., [t.PRINCIPAL_X, t.PRINCIPAL_Y]]
    places = (cell_centres(HEIGHT, WIDTH, STRIDE) - principal) / (WIDTH * cameras[..., [t.FOCAL]])
    rays = np.concatenate([places, np.ones_like(places[..., :1])], -1)
    near = np.isfinite(depth_BTN) & (depth_BTN < 60)
    poses = hilly.pose_world_camera_BT44[:, :, None]
    points = (poses[..., :3, :3] @ (rays * np.where(near, depth_BTN, 0)[..., None])[..., None])[..., 0] + poses[
        ..., :3, 3
    ]
    above = (points[..., 2] - _slopes(hilly).height(points[..., 0], points[..., 1]))[near]
    assert above.min() > -0.01
    assert (np.abs(above) < 0.02).mean() > 0.3


def test_flow_fits_pictures_of_hills(hilly: Clips):
    assert_flow_fits(render(hilly, HEIGHT, WIDTH), trace_flow(hilly, HEIGHT, WIDTH, STRIDE), STRIDE)


def test_others_follow_the_ground_and_carry_their_points_along():
    config = replace(_HILLY, standing_share=1.0, reversing_share=0.0, traffic=20.0)
    clips = sample_clips(np.random.default_rng(1), 16, config, frames=2)
    boxes, slopes = clips.boxes_BTKC.astype(float), _slopes(clips)
    shown = np.arange(boxes.shape[2]) < clips.cameras_BTC[:, :, None, t.BOX_COUNT]
    now, after = (slopes.height(boxes[..., x], boxes[..., y]) for x, y in ((0, 1), (t.NEXT_X, t.NEXT_Y)))
    np.testing.assert_allclose(boxes[..., t.NEXT_RISE][shown], (after - now)[shown], atol=0.05)
    car = shown & (boxes[..., t.KIND] == t.CAR_BODY)
    foot = boxes[..., t.CENTRE_Z] - boxes[..., t.HALF_Z] - now
    assert np.abs(foot[car] - 0.2).max() < 0.05
    clips.cameras_BTC[..., t.SHADOW_COUNT] = 0  # shadows move over ground that does not
    flow = trace_flow(clips, HEIGHT, WIDTH, STRIDE)
    moved = np.linalg.norm(flow.target_BSN2 - cell_centres(HEIGHT, WIDTH, STRIDE), axis=-1) > 0.5
    assert np.ptp(boxes[..., t.NEXT_RISE][car]) > 0.05 and moved.any()
    some = moved.any((1, 2))
    flow = replace(flow, target_BSN2=flow.target_BSN2[some], visible_BSN=(flow.visible_BSN & moved)[some])
    still, warped = differences(render(clips, HEIGHT, WIDTH)[some], flow, STRIDE)
    assert warped < 0.4 * still


@pytest.mark.parametrize("curvature", [-1 / 900, 1 / 900])
def test_rays_meet_the_ground_first_where_stepping_along_them_does(curvature: float):
    look = np.zeros(t.LOOK_STRIDE)
    look[t.HILL_X : t.HILL_HALF + 1] = 70.0, -5.0, np.cos(0.3), np.sin(0.3), 0.02, -0.01, curvature, 45.0
    rng = np.random.default_rng(0)
    depth = np.arange(0.0, 600.0, 0.01)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        along = (x - 70.0) * np.cos(0.3) + (y + 5.0) * np.sin(0.3)
        outside = np.maximum(np.abs(along) - 45.0, 0.0)
        bent = 0.5 * curvature * (along**2 - outside**2)
        return 0.02 * (x - 70.0) - 0.01 * (y + 5.0) + bent

    hits = 0
    for _ in range(300):
        ox, oy, yaw = rng.uniform(-60, 200), rng.uniform(-80, 80), rng.uniform(-np.pi, np.pi)
        oz = height(ox, oy) + rng.uniform(1.0, 2.5)
        dx, dy, dz = np.cos(yaw), np.sin(yaw), rng.uniform(-0.12, 0.08)
        x, y = ox + depth * dx, oy + depth * dy
        np.testing.assert_allclose(relief.ground_height(look, 0, x[7], y[7]), height(x[7], y[7]), atol=1e-9)
        below = oz + depth * dz < height(x, y)
        found = relief.ground_hit(look, 0, ox, oy, oz, dx, dy, dz)
        if below.any():
            assert found == pytest.approx(depth[below.argmax()], abs=0.02)
            hits += 1
        else:
            assert found > 599.0
    assert 50 < hits < 290
