"""What a clip says about itself is true."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.errors import LaposeError
from lapose_core.geometry import chain_motions, invert_pose
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig


def test_same_seed_same_clips():
    first, second = (sample_clips(np.random.default_rng(7), 3) for _ in range(2))
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_motions_chain_to_the_poses(clips: Clips):
    poses = clips.pose_world_camera_BT44
    for b in range(len(poses)):
        np.testing.assert_allclose(chain_motions(clips.motions_BS44[b]), invert_pose(poses[b, 0]) @ poses[b], atol=1e-9)


def test_tables_hold_the_same_cameras(clips: Clips):
    poses = clips.pose_world_camera_BT44
    np.testing.assert_allclose(clips.cameras_BTC[..., t.POSITION : t.POSITION + 3], poses[..., :3, 3], atol=1e-4)
    rotation = clips.cameras_BTC[..., t.ROTATION : t.ROTATION + 9].reshape(*poses.shape[:2], 3, 3)
    np.testing.assert_allclose(rotation, poses[..., :3, :3], atol=1e-6)
    np.testing.assert_allclose(0.5 / clips.cameras_BTC[:, 0, t.FOCAL], np.tan(0.5 * clips.fov_x_B), rtol=1e-6)


def test_cameras_keep_to_the_configured_ranges():
    config = WorldConfig(rate_hz=(2.0, 4.0), fov_x_deg=(60.0, 70.0))
    clips = sample_clips(np.random.default_rng(0), 50, config)
    assert clips.intervals_BS.min() >= 0.25 - 1e-9 and clips.intervals_BS.max() <= 0.5 + 1e-9
    assert np.degrees(clips.fov_x_B.min()) >= 60.0 and np.degrees(clips.fov_x_B.max()) <= 70.0
    height = clips.pose_world_camera_BT44[..., 2, 3]
    assert height.min() > 0.9 and height.max() < 2.8
    # base_link lies on the ground below the camera, level but for the body's own pitch and roll.
    bases = clips.pose_world_camera_BT44 @ invert_pose(clips.pose_base_camera_B44)[:, None]
    assert np.abs(bases[..., 2, 3]).max() < 0.3
    assert bases[..., 2, 2].min() > 0.98


def test_clips_cover_what_the_network_must_learn():
    clips = sample_clips(np.random.default_rng(2), 300)
    forward = clips.motions_BS44[..., 2, 3].mean(1)
    right, ahead = clips.motions_BS44[..., 0, 2], clips.motions_BS44[..., 2, 2]
    turned = np.degrees(np.abs(np.arctan2(right, ahead).sum(1)))
    assert 0.02 < (forward < -0.05).mean() < 0.15
    assert 0.02 < (np.abs(forward) < 0.005).mean() < 0.12
    assert (turned > 15).mean() > 0.3


def test_nothing_stands_or_drives_where_the_vehicle_is():
    clips = sample_clips(np.random.default_rng(4), 200)
    boxes = clips.boxes_BTKC
    shown = np.arange(boxes.shape[2]) < clips.cameras_BTC[..., t.BOX_COUNT, None]
    # Trees may hang over the road: what counts is what begins below the roof.
    low = boxes[..., t.CENTRE_Z] - boxes[..., t.HALF_Z] < 1.0
    crown = boxes[..., t.KIND] == t.CROWN
    dx = clips.cameras_BTC[:, :, None, t.POSITION] - boxes[..., t.CENTRE_X]
    dy = clips.cameras_BTC[:, :, None, t.POSITION + 1] - boxes[..., t.CENTRE_Y]
    forward = np.abs(dx * boxes[..., t.BOX_COS] + dy * boxes[..., t.BOX_SIN]) - boxes[..., t.HALF_X]
    aside = np.abs(dy * boxes[..., t.BOX_COS] - dx * boxes[..., t.BOX_SIN]) - boxes[..., t.HALF_Y]
    within = shown & low & ~crown & (np.maximum(forward, aside) < 0.4)
    assert within.any((1, 2)).mean() == 0.0


def test_cameras_that_shake_roll_where_others_hardly_do():
    still, shaken = (
        sample_clips(np.random.default_rng(5), 40, WorldConfig(shake_share=share, shake_deg=(0.5, 1.0)))
        for share in (0.0, 1.0)
    )

    def roll_deg(clips: Clips) -> np.ndarray:
        return np.degrees(np.abs(clips.motions_BS44[..., 1, 0]))

    assert np.median(roll_deg(still)) < 0.25
    assert np.median(roll_deg(shaken)) > 0.4


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5, 0.0), (1.5, -0.5, 0.0, 0.0), (1.0, 0.0)])
def test_shares_that_do_not_add_up_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(LaposeError, match=r"weather_shares: .* are no shares: give four numbers"):
        WorldConfig(weather_shares=shares)


def test_all_cameras_can_have_the_same_field_of_view() -> None:
    clips = sample_clips(np.random.default_rng(0), 3, WorldConfig(fov_x_deg=(60.0, 60.0)), frames=2)
    np.testing.assert_allclose(np.rad2deg(clips.fov_x_B), [60.0, 60.0, 60.0])
