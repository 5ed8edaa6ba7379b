"""The vehicle moves as vehicles do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from lapose_core.world import tables as t
from lapose_core.world.clips import sample_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.drive import sample_drive
from lapose_core.world.roads import lay_roads
from lapose_core.world.traffic import drive_traffic
from lapose_core.world.vehicle import Drive, drive_along

_PLAIN = WorldConfig(reversing_share=0.0, standing_share=0.0, stopping_share=0.0, shake_share=0.0)


def _drive(config: WorldConfig, count: int = 100, rate_hz: float = 10.0, frames: int = 40) -> Drive:
    rng = np.random.default_rng(1)
    time = np.tile(np.arange(frames) / rate_hz, (count, 1))
    return drive_along(rng, lay_roads(rng, count, config), config, time)


def test_lateral_acceleration_stays_within_the_drivers_limit():
    drive = _drive(replace(_PLAIN, lateral_acceleration=(3.0, 3.0)))
    assert np.abs(drive.lateral_acceleration_BT).max() < 3.0 * 1.1
    assert np.abs(drive.lateral_acceleration_BT).max() > 2.0


def test_positions_and_heading_agree_with_speed_as_of_a_bicycle():
    drive = _drive(_PLAIN)
    dx, dy = np.diff(drive.x_BT), np.diff(drive.y_BT)
    middle = 0.5 * (drive.speed_BT[:, 1:] + drive.speed_BT[:, :-1])
    assert np.abs(np.hypot(dx, dy) - middle / 10).max() < 0.1
    # The rear axle does not slip: it moves along the mean heading.
    heading = 0.5 * (drive.yaw_BT[:, 1:] + drive.yaw_BT[:, :-1])
    assert np.abs(dy * np.cos(heading) - dx * np.sin(heading)).max() < 0.02


def test_yaw_rates_reach_those_of_street_corners_and_not_of_spinning_tops():
    rate = np.degrees(np.abs(np.diff(_drive(_PLAIN, 300).yaw_BT))) * 10
    assert 30 < rate.max() < 75
    assert (rate.max(1) > 10).mean() > 0.25


def test_in_one_way_streets_one_drives_in_any_lane_and_nobody_comes_towards():
    config = replace(_PLAIN, place_shares=(0.5, 0.5, 0.0, 0.0), one_way_share=1.0, turning_share=0.0, traffic=12.0)
    rng = np.random.default_rng(3)
    roads = lay_roads(rng, 60, config)
    assert np.all(roads.own_lanes_B == roads.lanes_B) and set(roads.lanes_B) == {1, 2}
    time = np.tile(np.arange(8) / 4.0, (60, 1))
    drive = drive_along(rng, roads, config, time)
    cars = drive_traffic(rng, roads, drive, config)
    on_road = np.abs(roads.edge(cars[:, 0, :, t.CENTRE_X], cars[:, 0, :, t.CENTRE_Y])[1]) > 30  # far from any crossing
    present = on_road & (cars[:, 0, :, t.HALF_Z] > 0)
    cos, sin = cars[:, 0, :, t.BOX_COS], cars[:, 0, :, t.BOX_SIN]
    towards = cos * np.cos(drive.yaw_BT[:, :1]) + sin * np.sin(drive.yaw_BT[:, :1]) < -0.9
    assert present.any() and not np.any(present & towards)
    assert not lay_roads(np.random.default_rng(3), 60, replace(config, one_way_share=0.0)).one_way_B.any()


def test_standing_is_standing():
    poses = sample_clips(np.random.default_rng(0), 8, replace(_PLAIN, standing_share=1.0)).pose_world_camera_BT44
    np.testing.assert_allclose(poses, np.broadcast_to(poses[:, :1], poses.shape), atol=1e-9)


def test_reversing_goes_backwards():
    motions = sample_clips(np.random.default_rng(0), 20, replace(_PLAIN, reversing_share=1.0)).motions_BS44
    assert motions[..., 2, 3].sum(1).max() < 0.0
    assert np.median(motions[..., 2, 3]) < -0.1


def test_pitch_and_roll_are_smooth_and_small():
    drive = _drive(_PLAIN, rate_hz=40.0)
    for angle in (drive.pitch_BT, drive.roll_BT):
        assert 1e-3 < np.abs(angle).max() < 0.15
        steps = np.diff(angle)
        assert np.mean(steps[:, 1:] * steps[:, :-1]) / np.mean(steps**2) > 0.7  # white noise: -0.5


def test_a_long_drive_pulls_off_turns_both_ways_and_halts():
    drive = sample_drive(0, 45.0, 10.0)
    motions = drive.motions_BS44[0]
    speed = np.linalg.norm(motions[:, :3, 3], axis=1) * 10
    assert speed[0] < 1.0 and speed.max() > 7.0
    assert (speed[50:] < 0.05).sum() >= 38  # four seconds at the junction, at 10 Hz
    yaw_left = -np.degrees(Rotation.from_matrix(motions[:, :3, :3]).as_rotvec()[:, 1])
    turned = np.cumsum(yaw_left)
    assert turned.min() < -70 and turned[-1] - turned.min() > 60
