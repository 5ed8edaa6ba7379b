"""The road tells the scale: drives over a plane, seen by a camera whose height we know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lapose_core.adjustment.camera import KnownCamera
from lapose_core.adjustment.window import adjust_window
from lapose_core.geometry import invert_pose, quaternion_of
from lapose_core.model.config import preset
from lapose_core.runtime.backends.backend import DecodedMotions

CONFIG = preset("compact")
STEPS, FOCAL = 15, 430.0
CAMERA = KnownCamera(FOCAL, (0.0, 0.0))


def drive(height: float = 1.6, *, road: str = "seen", seed: int = 0) -> tuple[DecodedMotions, np.ndarray]:
    """The head's true motions, and matches. Its steps are 1 m; the camera's pitch trembles.

    Args:
        road: what is matched on it: `seen` where it is, `still` half of it where it was, `hidden` by what is nearer.
    """
    rng = np.random.default_rng(seed)
    angles = np.stack([np.cumsum(rng.normal(0, 0.02, STEPS + 1)), rng.normal(0, 0.004, STEPS + 1)], axis=-1)
    poses = np.tile(np.eye(4), (STEPS + 1, 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("YX", angles).as_matrix()
    poses[1:, :3, 3] = np.cumsum(Rotation.from_euler("Y", angles[:-1, :1]).as_matrix() @ [0, 0, 1.0], axis=0)
    motions_S44 = invert_pose(poses[:-1]) @ poses[1:]
    cells_N2 = np.stack(np.meshgrid(np.arange(8.0, 480, 16), np.arange(8.0, 224, 16)), axis=-1).reshape(-1, 2)
    rays_N3 = np.concatenate([(cells_N2 - [240, 112]) / FOCAL, np.ones((len(cells_N2), 1))], axis=-1)
    above_T = rng.uniform(8.0, 40.0, (STEPS + 1, len(cells_N2)))
    matches = np.zeros((STEPS, 2, len(cells_N2), 5), np.float32)
    for step in range(STEPS):
        for way, (here, there) in enumerate(((step, step + 1), (step + 1, step))):
            down_N = rays_N3 @ poses[here, 1, :3]
            depth_N = height / np.maximum(down_N, 1e-6)
            depth_N = np.where(depth_N < above_T[here], depth_N, above_T[here])
            if road == "hidden":
                depth_N = np.minimum(depth_N, rng.uniform(2.0, 8.0, len(cells_N2)))
            points = rays_N3 * depth_N[:, None]
            carry = invert_pose(poses[there]) @ poses[here]
            carried = points @ carry[:3, :3].T + carry[:3, 3]
            target = carried[:, :2] / np.maximum(carried[:, 2:], 0.1) * FOCAL + [240, 112]
            if road == "still":
                stands = (down_N > 0) & (rng.random(len(cells_N2)) < 0.5)
                target[stands] = cells_N2[stands]
            target += rng.normal(0, 0.3, target.shape)
            matches[step, way] = np.concatenate([target, np.tile([0.8, 0.5, 0.8], (len(target), 1))], axis=-1)
    head = DecodedMotions(
        motions_S44[:, :3, 3], quaternion_of(motions_S44), np.full((STEPS, 6), 1e-4),
        np.full(STEPS, 2 * np.arctan(240 / FOCAL)), 1.0,
    )  # fmt: skip
    return head, matches


def longer(head: DecodedMotions, factor: float) -> DecodedMotions:
    return replace(head, translation_S3=head.translation_S3 * factor, scale_m=factor)


@pytest.mark.parametrize("wrong", [0.6, 0.9, 1.5])
@pytest.mark.parametrize("height", [1.3, 2.4])
def test_a_camera_whose_height_is_known_has_the_scale_of_the_road(wrong: float, height: float) -> None:
    head, matches = drive(height)
    adjusted = adjust_window(longer(head, wrong), matches, CONFIG, replace(CAMERA, height=height))
    assert adjusted.scale_m == pytest.approx(1.0, rel=0.04)
    assert adjusted.scale_deviation < 0.06


def test_heights_that_no_car_has_are_not_believed() -> None:
    head, matches = drive()
    for wrong in (0.5, 0.7, 1.7):
        adjusted = adjust_window(longer(head, wrong), matches, CONFIG, CAMERA)
        assert abs(np.log(adjusted.scale_m)) < 0.6 * abs(np.log(wrong))


def test_a_height_that_the_drive_has_told_keeps_the_scale_where_one_window_errs() -> None:
    head, matches = drive()
    camera = unknown = replace(CAMERA, focal=None)
    for _ in range(60):
        camera = replace(camera, learned=adjust_window(head, matches, CONFIG, camera).learned)
    for wrong in (0.85, 1.2):
        alone, learned = (
            adjust_window(longer(head, wrong), matches, CONFIG, each).scale_m for each in (unknown, camera)
        )
        assert abs(np.log(learned)) < 0.75 * abs(np.log(alone))


def test_where_the_height_may_be_right_the_heads_scale_stays() -> None:
    head, matches = drive()
    for right in (0.95, 1.0, 1.05):
        adjusted = adjust_window(longer(head, right), matches, CONFIG, CAMERA)
        assert adjusted.scale_m == pytest.approx(right, rel=0.06)


def test_half_a_road_that_is_matched_where_it_was_does_not_matter() -> None:
    head, matches = drive(road="still")
    adjusted = adjust_window(longer(head, 0.8), matches, CONFIG, replace(CAMERA, height=1.6))
    assert adjusted.scale_m == pytest.approx(1.0, rel=0.06)


def test_without_a_road_the_scale_is_the_heads_and_doubted() -> None:
    head, matches = drive(road="hidden")
    hidden = adjust_window(longer(head, 1.2), matches, CONFIG, replace(CAMERA, height=1.6))
    assert hidden.scale_m == pytest.approx(1.2, rel=0.05)
    seen = adjust_window(longer(head, 1.2), drive()[1], CONFIG, replace(CAMERA, height=1.6))
    assert hidden.scale_deviation > 2 * seen.scale_deviation
