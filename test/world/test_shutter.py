"""Cameras that read row by row: each row is what a camera at its own time sees, and the flow knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.render_cpu import render, trace_flow

from .flow_fit import assert_flow_fits, cell_centres

HEIGHT, WIDTH, STRIDE = 112, 240, 4

_AT_ONCE = WorldConfig(
    rate_hz=(8.0, 10.0), standing_share=0.0, bonnet_share=0.0, dense_share=0.0, weather_shares=(1.0, 0.0, 0.0, 0.0)
)
_ROLLING = replace(_AT_ONCE, rolling_share=1.0, slope_share=0.5)


def _clips(config: WorldConfig, count: int = 10, frames: int = 4) -> Clips:
    return sample_clips(np.random.default_rng(12), count, config, frames)


def _row_pose(camera_C: np.ndarray, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Position and rotation of the camera when it exposes what is `y` pixels from the top."""
    share = y / HEIGHT - 0.5
    turn = Rotation.from_rotvec(share * camera_C[t.TURN : t.TURN + 3]).as_matrix()
    position = camera_C[t.POSITION : t.POSITION + 3] + share * camera_C[t.SHIFT : t.SHIFT + 3]
    return position, camera_C[t.ROTATION : t.ROTATION + 9].reshape(3, 3) @ turn


def _exposed_with_row(clips: Clips, row: int) -> Clips:
    """The same clips by cameras that expose all rows when the given one was."""
    cameras, share = clips.cameras_BTC.astype(np.float64), (row + 0.5) / HEIGHT - 0.5
    shape = cameras.shape[:2]
    turn = Rotation.from_rotvec(share * cameras[..., t.TURN : t.TURN + 3].reshape(-1, 3)).as_matrix()
    rotation = cameras[..., t.ROTATION : t.ROTATION + 9].reshape(*shape, 3, 3) @ turn.reshape(*shape, 3, 3)
    cameras[..., t.ROTATION : t.ROTATION + 9] = rotation.reshape(*shape, 9)
    cameras[..., t.POSITION : t.POSITION + 3] += share * cameras[..., t.SHIFT : t.SHIFT + 3]
    cameras[..., t.SHIFT : t.TURN + 3] = 0
    return replace(clips, cameras_BTC=cameras.astype(np.float32))


def test_each_row_is_what_a_camera_at_its_time_sees():
    clips = _clips(_ROLLING)
    rolling = render(clips, HEIGHT, WIDTH).astype(int)
    for row in (0, HEIGHT // 2, HEIGHT - 1):
        same, other = (
            render(_exposed_with_row(clips, at), HEIGHT, WIDTH)[:, :, :, row] for at in (row, (row + 56) % HEIGHT)
        )
        off = np.abs(rolling[:, :, :, row] - same).mean()
        assert off < 0.3
        assert off < 0.2 * np.abs(rolling[:, :, :, row] - other).mean()


def test_flow_fits_pictures_read_row_by_row():
    clips = _clips(_ROLLING)
    assert_flow_fits(render(clips, HEIGHT, WIDTH), trace_flow(clips, HEIGHT, WIDTH, STRIDE), STRIDE)


def test_flow_leads_to_the_row_that_sees_the_point():
    """Tolerance: 0.05 pixels."""
    clips = _clips(replace(_ROLLING, traffic=0.0, rate_hz=(3.0, 6.0), readout_s=(0.03, 0.03)), 4)
    flow = trace_flow(clips, HEIGHT, WIDTH, STRIDE)
    known = flow.visible_BSN & np.isfinite(flow.depth_BTN[:, :-1])
    assert known.mean() > 0.1
    centres = cell_centres(HEIGHT, WIDTH, STRIDE)
    delayed = 0
    for b, s, n in np.argwhere(known)[::37]:
        now, after = clips.cameras_BTC[b, s : s + 2].astype(float)
        position, rotation = _row_pose(now, centres[n, 1])
        principal = np.array([WIDTH / 2, HEIGHT / 2]) + WIDTH * now[[t.PRINCIPAL_X, t.PRINCIPAL_Y]]
        ray = np.append((centres[n] - principal) / (WIDTH * now[t.FOCAL]), 1.0)
        point = position + rotation @ ray * flow.depth_BTN[b, s, n]
        target = flow.target_BSN2[b, s, n]
        position, rotation = _row_pose(after, target[1])
        seen = rotation.T @ (point - position)
        place = seen[:2] / seen[2] * WIDTH * now[t.FOCAL] + principal
        np.testing.assert_allclose(target, place, atol=0.05)
        position, rotation = _row_pose(after, HEIGHT / 2)
        seen = rotation.T @ (point - position)
        delayed += np.abs(seen[:2] / seen[2] * WIDTH * now[t.FOCAL] + principal - place).max() > 0.3
    assert delayed > 20


def test_the_camera_moves_during_the_readout_as_between_frames():
    clips = _clips(replace(_ROLLING, shake_share=0.0, readout_s=(0.02, 0.02)), 60)
    poses, cameras = clips.pose_world_camera_BT44, clips.cameras_BTC
    share = 0.02 / clips.intervals_BS[..., None]
    # Over a step, by the mean of what the cameras at its ends do.
    shift, turn = (0.5 * (v[:, 1:] + v[:, :-1]) for v in (cameras[..., t.SHIFT : t.TURN], cameras[..., t.TURN :]))
    np.testing.assert_allclose(shift, share * np.diff(poses[..., :3, 3], axis=1), atol=0.01)
    between = Rotation.from_matrix(clips.motions_BS44[..., :3, :3].reshape(-1, 3, 3)).as_rotvec()
    off = turn - share * between.reshape(turn.shape)
    assert np.abs(shift).max() > 0.3 and np.abs(turn).max() > 5e-3
    assert np.sqrt((off**2).mean()) < 0.25 * np.sqrt((turn**2).mean())


def test_a_share_of_the_cameras_and_no_parked_one_rolls_and_all_else_stays_what_it_was():
    at_once, rolling = _clips(_AT_ONCE), _clips(replace(_AT_ONCE, rolling_share=0.5))
    np.testing.assert_array_equal(at_once.cameras_BTC[..., : t.SHIFT], rolling.cameras_BTC[..., : t.SHIFT])
    np.testing.assert_array_equal(at_once.boxes_BTKC, rolling.boxes_BTKC)
    assert not at_once.cameras_BTC[..., t.SHIFT :].any()
    moves = rolling.cameras_BTC[..., t.SHIFT :].any((1, 2))
    assert moves.any() and not moves.all()
    parked = _clips(replace(_ROLLING, reversing_share=0.0, standing_share=1.0))
    assert np.abs(parked.cameras_BTC[..., t.SHIFT :]).max() < 1e-3
