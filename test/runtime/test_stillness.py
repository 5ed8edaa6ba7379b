"""A standing car has not moved, whatever drives past; a creeping one has."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lapose_core.data.preprocess import grey_of, prepare_frame
from lapose_core.model.config import preset
from lapose_core.runtime.stillness import Stillness, judge_stillness
from lapose_core.runtime.view import View, look
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.render_cpu import render

COMPACT = preset("compact")
#: Frames at 80 Hz that are said to come at 4 Hz: vehicles drive at a twentieth of their speed.
SLOWED = 20


def is_still(previous: View, current: View, interval_s: float) -> bool:
    return judge_stillness(previous, current, interval_s) is Stillness.STILL


def view_of(image_HWC: np.ndarray) -> View:
    return look(image_HWC, grey_of(prepare_frame(image_HWC, COMPACT)))


def views(clips: Clips, noise: float = 4.0) -> Iterator[list[View]]:
    """What a noisy camera with changing exposure and JPEG shows of each clip."""
    rng = np.random.default_rng(0)
    for frames_TCHW in render(clips, COMPACT.image_height, COMPACT.image_width):
        seen = []
        for frame_CHW in frames_TCHW:
            exposed = frame_CHW.transpose(1, 2, 0) * rng.uniform(0.97, 1.03)
            noisy = np.clip(exposed + rng.normal(0, noise, exposed.shape), 0, 255).astype(np.uint8)
            packed = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
            seen.append(view_of(cv2.imdecode(packed, cv2.IMREAD_COLOR)))
        yield seen


def test_a_parked_car_is_still_with_traffic_about() -> None:
    world = WorldConfig(rate_hz=(4, 4), standing_share=1.0, stopping_share=0.0, reversing_share=0.0, traffic=6.0)
    world = replace(world, weather_shares=(1.0, 0.0, 0.0, 0.0), dense_share=0.0)
    clips = sample_clips(np.random.default_rng(1), 6, WorldConfig(**{**vars(world), "shake_share": 0.0}), frames=6)
    assert np.linalg.norm(clips.motions_BS44[..., :3, 3], axis=-1).max() < 1e-6
    still = [is_still(a, b, 0.25) for seen in views(clips) for a, b in itertools.pairwise(seen)]
    assert np.mean(still) > 0.95


@pytest.mark.parametrize("bonnet_share", [0.0, 1.0])
def test_creeping_is_never_taken_for_standing(bonnet_share: float) -> None:
    rate = 4.0 * SLOWED
    world = WorldConfig(rate_hz=(rate, rate), standing_share=0.0, stopping_share=0.0, shake_share=0.0)
    world = WorldConfig(**{**vars(world), "bonnet_share": bonnet_share})
    clips = sample_clips(np.random.default_rng(2), 8, world, frames=6)
    step_BS = np.linalg.norm(clips.motions_BS44[..., :3, 3], axis=-1)
    still_BS = np.array([[is_still(a, b, 0.25) for a, b in itertools.pairwise(v)] for v in views(clips)])
    creeping_BS = step_BS > 0.05  # 0.2 m/s
    assert creeping_BS.sum() > 10
    assert not np.any(still_BS & creeping_BS)


def test_rain_and_drops_that_change_do_not_make_a_parked_car_move() -> None:
    world = WorldConfig(rate_hz=(4, 4), standing_share=1.0, stopping_share=0.0, shake_share=0.0)
    world = replace(world, weather_shares=(0.0, 0.0, 1.0, 0.0), dense_share=0.0)
    clips = sample_clips(np.random.default_rng(5), 8, world, frames=8)
    judged = [judge_stillness(a, b, 0.25) for seen in views(clips) for a, b in itertools.pairwise(seen)]
    assert np.mean([found is not Stillness.MOVING for found in judged]) > 0.9
    assert np.mean([found is Stillness.STILL for found in judged]) > 0.6


def test_pictures_without_anything_to_hold_on_to_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    grey = view_of(np.full((224, 480, 3), 128, np.uint8))
    noise = [view_of(rng.integers(0, 256, (224, 480, 3), np.uint8)) for _ in range(2)]
    assert not is_still(grey, grey, 0.25)
    assert not is_still(*noise, 0.25)
