"""What the baselines' rows promise: right where they are told the camera, honest where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapose_core.data.source import Intrinsics
from lapose_core.evaluation.baselines import baselines
from lapose_core.evaluation.baselines.orb import GUESSED_SPEED_M_S, five_point_motion
from lapose_core.evaluation.method import Method
from lapose_core.geometry import direction_angle, invert_pose, rotation_angle
from lapose_core.world.config import WorldConfig
from lapose_core.world.drive import sample_drive
from lapose_core.world.render_cpu import render

HEIGHT, WIDTH = 224, 480
CAMERA = np.array([[300.0, 0, 240], [0, 300, 112], [0, 0, 1]])
turns = st.floats(-0.1, 0.1)
ways = st.floats(-0.5, 0.5)


@settings(deadline=None, max_examples=30)
@given(turns, turns, turns, ways, ways, st.sampled_from([-1.0, 1.0]))
def test_five_points_give_the_motion_of_a_rigid_scene(pitch, yaw, roll, right, down, ahead) -> None:
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec([pitch, yaw, roll]).as_matrix()
    motion[:3, 3] = np.array([right, down, ahead]) / np.linalg.norm([right, down, ahead])
    # As many as ORB finds: RANSAC is content with any motion within a pixel of all of them.
    points_N3 = np.random.default_rng(0).uniform([-8, -3, 6], [8, 3, 30], (1000, 3))
    seen = [points_N3, (points_N3 - motion[:3, 3]) @ motion[:3, :3]]
    places = [(points @ CAMERA.T)[:, :2] / points[:, 2:] for points in seen]
    found = five_point_motion(np.stack(places, axis=1), CAMERA)
    assert rotation_angle(invert_pose(motion) @ found) < 0.01
    assert direction_angle(found[:3, 3], motion[:3, 3]) < 0.05


def estimate(method: Method, images: np.ndarray, intervals_S: np.ndarray, truth_S44: np.ndarray) -> np.ndarray:
    seen = [method.describe(image) for image in images]
    steps = [method.compare(seen[i], seen[i + 1], intervals_S[i]) for i in range(len(truth_S44))]
    return method.estimate(steps, intervals_S, truth_S44).motions_S44


def test_orb_is_right_where_it_is_told_the_camera_and_says_what_it_was_told() -> None:
    quiet = WorldConfig(
        traffic=0.0,
        bonnet_share=0.0,
        shake_share=0.0,
        principal_point=(0.0, 0.0),
        dense_share=0.0,
        weather_shares=(1.0, 0.0, 0.0, 0.0),
    )
    drive = sample_drive(7, 16.0, 10.0, config=quiet)
    # From where it turns most.
    first = int(np.argmax(np.convolve(rotation_angle(drive.motions_BS44[0]), np.ones(15), "valid")))
    images = render(drive, HEIGHT, WIDTH)[0, first : first + 16].transpose(0, 2, 3, 1)
    truth_S44, intervals_S = drive.motions_BS44[0, first : first + 15], drive.intervals_BS[0, first : first + 15]
    focal = WIDTH / (2 * np.tan(drive.fov_x_B[0] / 2))
    known = Intrinsics(focal, focal, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT)
    rows = {method.name: estimate(method, images, intervals_S, truth_S44) for method in baselines(known)}
    assert list(rows) == [
        "straight ahead, true step lengths",
        "ORB + five-point, known camera, true step lengths",
        "ORB + five-point, known camera",
        "ORB + five-point, nothing known",
    ]
    error = {name: np.degrees(rotation_angle(invert_pose(truth_S44) @ found)) for name, found in rows.items()}
    turned = np.median(error["straight ahead, true step lengths"])
    assert turned > 1.0
    assert np.median(error["ORB + five-point, known camera"]) < 0.2 * turned
    true_lengths = np.linalg.norm(truth_S44[:, :3, 3], axis=-1)
    lengths = {name: np.linalg.norm(found[:, :3, 3], axis=-1) for name, found in rows.items()}
    assert lengths["ORB + five-point, known camera, true step lengths"] == pytest.approx(true_lengths)
    assert lengths["ORB + five-point, nothing known"] == pytest.approx(GUESSED_SPEED_M_S * intervals_S)


def test_pictures_without_features_give_straight_ahead() -> None:
    images = np.zeros((3, 64, 128, 3), np.uint8)
    truth_S44 = np.tile(np.eye(4), (2, 1, 1))
    truth_S44[:, 2, 3] = 3.0
    for method in baselines(None):
        found = estimate(method, images, np.full(2, 0.5), truth_S44)
        np.testing.assert_allclose(found[:, :3, :3], np.tile(np.eye(3), (2, 1, 1)))
        assert (found[:, 2, 3] > 0).all()


def test_without_a_camera_no_row_claims_to_know_it() -> None:
    assert not [method.name for method in baselines(None) if "known camera" in method.name]
