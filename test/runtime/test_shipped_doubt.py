"""The shipped model's doubt on a rendered drive: more where less is seen, little where the vehicle stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lapose_core.data.source import Frame
from lapose_core.geometry import chain_motions
from lapose_core.models import find_model
from lapose_core.motion import Odometry
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.odometer import Odometer, OdometerConfig
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.conditions import CONDITIONS
from lapose_core.world.drive import sample_drive
from lapose_core.world.render_cpu import render

HZ = 4.0
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def shipped() -> OnnxRuntimeBackend:
    return OnnxRuntimeBackend(find_model("compact"))


@pytest.fixture(scope="module")
def drive() -> Clips:
    """Eight seconds from rest."""
    return sample_drive(7, 8.0, HZ)


@pytest.fixture(scope="module")
def images(drive: Clips) -> list[np.ndarray]:
    return [np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in render(drive, 224, 480)[0]]


def noisy(image: np.ndarray, rng: np.random.Generator = RNG) -> np.ndarray:
    seen = np.clip(image + rng.normal(0, 4.0, image.shape), 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_COLOR)


def run(backend: OnnxRuntimeBackend, images: list[np.ndarray], seconds: float = 1 / HZ) -> list[Odometry]:
    odometer = Odometer(backend, OdometerConfig(max_gap_s=60.0))
    return [odometer.register_frame(Frame(image, round(i * seconds * 1e9))) for i, image in enumerate(images)]


def doubt(odometries: list[Odometry]) -> np.ndarray:
    """Median standard deviations of translation (m) and rotation (rad), of the newer half."""
    motions = [odometry.motion for odometry in odometries[len(odometries) // 2 :]]
    variance_S6 = np.array([motion.variance for motion in motions if motion is not None])
    return np.sqrt([np.median(variance_S6[:, :3].sum(1)), np.median(variance_S6[:, 3:].sum(1))])


def dark(image: np.ndarray) -> np.ndarray:
    return np.clip(0.05 * image + RNG.normal(0, 1.0, image.shape), 0, 255).astype(np.uint8)


def half_covered(image: np.ndarray) -> np.ndarray:
    covered = image.copy()
    covered[:, : image.shape[1] // 2] = 90
    return covered


@pytest.mark.parametrize(
    ("spoil", "factor"),
    [
        (dark, 1.2),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 7.0), 1.2),
        (half_covered, 1.2),
        (lambda image: np.full_like(image, 90), 10.0),
        (lambda image: RNG.integers(0, 256, image.shape, np.uint8), 3.0),
    ],
    ids=["dark", "blurred", "half covered", "covered", "noise"],
)
def test_doubt_grows_where_less_is_seen(
    spoil: Callable, factor: float, shipped: OnnxRuntimeBackend, images: list[np.ndarray]
) -> None:
    moving = images[12:26]
    clear, spoilt = doubt(run(shipped, moving)), doubt(run(shipped, [spoil(image) for image in moving]))
    assert np.all(spoilt > factor * clear)


def test_doubt_grows_with_motion_beyond_that_of_training(shipped: OnnxRuntimeBackend, images: list[np.ndarray]) -> None:
    """Three seconds between frames, at 10 m/s: training has one at most."""
    usual, rare = doubt(run(shipped, images[12:28])), doubt(run(shipped, images[8::12], seconds=3.0))
    assert rare[0] > 5 * usual[0]
    assert rare[1] > 2 * usual[1]


def test_a_standing_car_stays_where_it_is_and_starts_at_once(
    shipped: OnnxRuntimeBackend, drive: Clips, images: list[np.ndarray]
) -> None:
    standing = 16
    seen = [noisy(image) for image in [images[0]] * standing + images[:12]]
    odometries = run(shipped, seen)
    parked = odometries[standing]
    assert np.linalg.norm(parked.pose_odom_camera[:3, 3]) < 0.01
    assert np.all(np.linalg.eigvalsh(parked.covariance) > 0)
    assert np.sqrt(parked.covariance[:3, :3].diagonal().max()) < 0.05
    for odometry, truth in zip(odometries[standing + 1 :], drive.motions_BS44[0], strict=False):
        assert odometry.motion is not None
        if np.linalg.norm(truth[:3, 3]) > 0.05:  # 0.2 m/s
            assert np.linalg.norm(odometry.motion.pose_from_to[:3, 3]) > 0


@pytest.mark.parametrize("seed", [11, 12])
def test_a_path_ends_where_its_covariance_says(shipped: OnnxRuntimeBackend, seed: int) -> None:
    """Sixteen seconds; the errors of many steps go together, and the covariance of the pose knows it."""
    driven = sample_drive(seed, 16.0, HZ)
    pictures = [np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in render(driven, 224, 480)[0]]
    end = run(shipped, pictures)[-1]
    error = end.pose_odom_camera[:3, 3] - chain_motions(driven.motions_BS44[0])[-1][:3, 3]
    assert error @ np.linalg.solve(end.covariance[:3, :3], error) < 16.3  # all but one of a thousand Gaussians
    assert np.sqrt(np.trace(end.covariance[:3, :3])) < 0.4 * np.linalg.norm(end.pose_odom_camera[:3, 3])


def test_a_car_that_is_parked_in_the_rain_stays_where_it_is(shipped: OnnxRuntimeBackend) -> None:
    """Streaks, and drops on the windscreen that change: here and there a step that the pictures do not tell.

    With this noise the model takes one of them for 18 cm.
    """
    world = replace(CONDITIONS["rain"], rate_hz=(HZ, HZ), standing_share=1.0, stopping_share=0.0)
    clips = sample_clips(np.random.default_rng([77, 1]), 1, world, frames=40)
    rng = np.random.default_rng(2)
    seen = [noisy(np.ascontiguousarray(frame.transpose(1, 2, 0)), rng) for frame in render(clips, 224, 480)[0]]
    parked = run(shipped, seen)[-1]
    assert np.linalg.norm(parked.pose_odom_camera[:3, 3]) < 0.005
