"""Pictures, depth and flow say the same."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.flow import FlowGrid
from lapose_core.world.render_cpu import render, trace_flow

from .flow_fit import assert_flow_fits, cell_centres

HEIGHT, WIDTH, STRIDE = 112, 240, 4

_PARKED = WorldConfig(
    reversing_share=0.0,
    standing_share=1.0,
    shake_share=0.0,
    traffic=0.0,
    dense_share=0.0,
    bonnet_share=0.0,
    weather_shares=(1.0, 0.0, 0.0, 0.0),
)


@pytest.fixture(scope="module")
def frames_BTCHW(clips: Clips) -> np.ndarray:
    return render(clips, HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def flow(clips: Clips) -> FlowGrid:
    return trace_flow(clips, HEIGHT, WIDTH, STRIDE)


def test_the_next_frame_warped_by_the_flow_looks_like_this_one(frames_BTCHW: np.ndarray, flow: FlowGrid):
    assert_flow_fits(frames_BTCHW, flow, STRIDE)


def test_flow_fits_pictures_through_a_lens_that_bends():
    config = WorldConfig(barrel_share=1.0, barrel=(0.1, 0.2), weather_shares=(1.0, 0.0, 0.0, 0.0))
    clips = sample_clips(np.random.default_rng(3), 8, config, frames=4)
    assert_flow_fits(render(clips, HEIGHT, WIDTH), trace_flow(clips, HEIGHT, WIDTH, STRIDE), STRIDE)


@pytest.mark.parametrize("distortion", [-0.2, 0.06])
def test_a_lens_bends_what_a_pinhole_sees(distortion: float):
    clips = sample_clips(np.random.default_rng(4), 4, _PARKED, frames=1)
    bent = replace(clips, cameras_BTC=clips.cameras_BTC.copy())
    bent.cameras_BTC[..., t.DISTORTION] = distortion * (2 * clips.cameras_BTC[..., t.FOCAL]) ** 2
    np.testing.assert_allclose(bent.distortion_B, distortion, rtol=1e-5)
    warped, still = [], []
    straight_BCHW, bent_BCHW = (render(some, HEIGHT, WIDTH)[:, 0] for some in (clips, bent))
    for straight_CHW, bent_CHW, centre in zip(straight_BCHW, bent_BCHW, _principal_points(clips)[:, 0], strict=True):
        places_2HW = np.mgrid[:HEIGHT, :WIDTH][::-1] + 0.5 - centre[:, None, None]
        pinhole_2HW = places_2HW / (1 + distortion * (places_2HW**2).sum(0) / (WIDTH / 2) ** 2) + centre[:, None, None]
        inside = (pinhole_2HW > 4).all(0) & (pinhole_2HW[0] < WIDTH - 4) & (pinhole_2HW[1] < HEIGHT - 4)
        x, y = pinhole_2HW.astype(np.float32) - 0.5
        blurred = [cv2.GaussianBlur(image.transpose(1, 2, 0), (0, 0), 2.0) for image in (straight_CHW, bent_CHW)]
        moved = cv2.remap(blurred[0], x, y, cv2.INTER_LINEAR).astype(int)
        warped.append(np.abs(moved - blurred[1])[inside].mean())
        still.append(np.abs(blurred[0].astype(int) - blurred[1])[inside].mean())
    assert np.mean(warped) < 0.3 * np.mean(still)


def _principal_points(clips: Clips) -> np.ndarray:
    """(B, T, 2) in pixels."""
    return np.array([WIDTH / 2, HEIGHT / 2]) + WIDTH * clips.cameras_BTC[..., [t.PRINCIPAL_X, t.PRINCIPAL_Y]]


def test_cameras_differ_in_their_principal_point():
    clips = sample_clips(np.random.default_rng(0), 100, frames=2)
    x, y = np.unique(_principal_points(clips).reshape(-1, 2), axis=0).T
    assert len(x) == len(clips.fov_x_B)
    assert 0.010 * WIDTH < x.std() < 0.014 * WIDTH
    assert 0.006 * WIDTH < y.std() < 0.010 * WIDTH


def test_depth_puts_the_ground_at_height_zero(clips: Clips, flow: FlowGrid):
    focal = WIDTH * clips.cameras_BTC[:, :, None, t.FOCAL]
    centres = cell_centres(HEIGHT, WIDTH, STRIDE)
    principal = _principal_points(clips)[:, :, None]
    x, y = (centres[:, 0] - principal[..., 0]) / focal, (centres[:, 1] - principal[..., 1]) / focal
    ray = np.stack([x, y, np.ones_like(x)], -1) * np.where(np.isfinite(flow.depth_BTN), flow.depth_BTN, 0)[..., None]
    poses = clips.pose_world_camera_BT44[:, :, None]
    height = (poses[..., :3, :3] @ ray[..., None])[..., 2, 0] + poses[..., 2, 3]
    near = np.isfinite(flow.depth_BTN) & (flow.depth_BTN < 60)
    assert height[near].min() > -0.01
    assert (np.abs(height[near]) < 0.02).mean() > 0.3


def test_sky_moves_by_rotation_alone(clips: Clips, flow: FlowGrid):
    sky = np.isinf(flow.depth_BTN[:, :-1]) & flow.visible_BSN
    assert sky.mean() > 0.05
    for b, s, n in np.argwhere(sky)[::97]:
        focal = WIDTH * clips.cameras_BTC[b, s, t.FOCAL]
        centre = _principal_points(clips)[b, s]
        ray = np.append((cell_centres(HEIGHT, WIDTH, STRIDE)[n] - centre) / focal, 1.0)
        turned = clips.motions_BS44[b, s, :3, :3].T @ ray
        np.testing.assert_allclose(flow.target_BSN2[b, s, n], turned[:2] / turned[2] * focal + centre, atol=0.02)


def test_a_parked_camera_sees_no_flow_but_that_of_others():
    clips = sample_clips(np.random.default_rng(0), 2, _PARKED, frames=2)
    grid = trace_flow(clips, HEIGHT, WIDTH, STRIDE)
    centres = np.broadcast_to(cell_centres(HEIGHT, WIDTH, STRIDE), grid.target_BSN2.shape)
    np.testing.assert_allclose(grid.target_BSN2, centres, atol=1e-2)
    frames = render(clips, HEIGHT, WIDTH)
    assert np.abs(frames[:, 0].astype(int) - frames[:, 1]).mean() < 0.1


def test_traffic_carries_its_points_along():
    config = replace(_PARKED, traffic=20.0, rate_hz=(5.0, 10.0))
    clips = sample_clips(np.random.default_rng(1), 6, config, frames=2)
    clips.cameras_BTC[..., t.SHADOW_COUNT] = 0  # shadows move over ground that does not
    grid = trace_flow(clips, HEIGHT, WIDTH, STRIDE)
    moved = np.linalg.norm(grid.target_BSN2 - cell_centres(HEIGHT, WIDTH, STRIDE), axis=-1) > 0.5
    assert moved.any()
    frames = render(clips, HEIGHT, WIDTH).astype(int)
    change = np.abs(frames[:, 1] - frames[:, 0]).max(1)
    centres = cell_centres(HEIGHT, WIDTH, STRIDE).astype(int)
    assert change[:, centres[:, 1], centres[:, 0]][(~moved & grid.visible_BSN)[:, 0]].mean() < 1.0


def test_the_own_bonnet_is_neither_followed_nor_measured():
    config = replace(WorldConfig(), bonnet_share=1.0)
    clips = sample_clips(np.random.default_rng(5), 6, config, frames=3)
    grid = trace_flow(clips, HEIGHT, WIDTH, STRIDE)
    bonnet = np.isnan(grid.depth_BTN)
    assert bonnet.any() and not (grid.visible_BSN & bonnet[:, :-1]).any()


def test_pictures_have_contrast_and_are_neither_black_nor_white(frames_BTCHW: np.ndarray):
    brightness = frames_BTCHW.mean((1, 2, 3, 4))
    assert brightness.min() > 25 and brightness.max() < 215
    assert frames_BTCHW.std((3, 4)).mean() > 25
