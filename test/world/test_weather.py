"""Weather changes what is seen, and nothing of where things are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lapose_core.world import surfaces
from lapose_core.world import tables as t
from lapose_core.world.boxes import make_boxes
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.conditions import condition_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.render_cpu import render, trace_flow
from lapose_core.world.textures import texture_atlas

HEIGHT, WIDTH, STRIDE = 56, 120, 8


def _some(name: str, count: int = 6) -> list[Clips]:
    return list(condition_clips(name, count, 4.0, frames=2))


def _brightness(name: str) -> float:
    return float(np.mean([render(clips, HEIGHT, WIDTH).mean() for clips in _some(name, 12)]))


def test_shares_of_weather_are_those_asked_for():
    config = WorldConfig(weather_shares=(0.4, 0.3, 0.2, 0.1))
    looks = sample_clips(np.random.default_rng(0), 400, config, frames=2).looks_BC
    night, rain = looks[:, t.HEADLIGHT] > 0, looks[:, t.DROPS] > 0
    assert night.mean() == pytest.approx(0.1, abs=0.05)
    assert (rain & ~night).mean() == pytest.approx(0.2, abs=0.06)
    # In fog contrast is down to 2 % after 400 m at most, and there is no sun.
    dense = looks[:, t.FOG] > 3.8 / 400
    assert (dense & ~rain & ~night).mean() == pytest.approx(0.3, abs=0.07)
    assert (looks[rain | night | dense, t.SUN].max() < 0.3) and (looks[night, t.SUN] == 0).all()


def test_nights_are_darker_than_days_and_lit_ahead():
    assert _brightness("night") < 0.5 * _brightness("clear")
    look = np.zeros(t.LOOK_STRIDE)
    look[t.HEADLIGHT] = 1.0
    ahead = surfaces.headlight(look, 0, 0.0, 10.0, 0.0)
    assert ahead > 2 * surfaces.headlight(look, 0, 0.0, 40.0, 0.0) > 0
    assert ahead > 2 * surfaces.headlight(look, 0, 0.8, 10.0, 0.0)
    assert ahead > 2 * surfaces.headlight(look, 0, 0.0, 10.0, 3.0)
    look[t.HEADLIGHT] = 0.0
    assert surfaces.headlight(look, 0, 0.0, 10.0, 0.0) == 0.0


def test_fog_takes_the_contrast_of_what_is_far_away():
    def far_contrast(clips: Clips) -> float:
        grid = trace_flow(clips, HEIGHT, WIDTH, STRIDE)
        grey = render(clips, HEIGHT, WIDTH).astype(float).mean(2)[0, 0]
        centres = grey[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].ravel()
        far = np.isfinite(grid.depth_BTN[0, 0]) & (grid.depth_BTN[0, 0] > 40)
        return float(centres[far].std()) if far.sum() > 5 else np.nan

    contrasts = [np.nanmean([far_contrast(clips) for clips in _some(name, 10)]) for name in ("clear", "fog")]
    assert contrasts[1] < 0.5 * contrasts[0]


def _without_weather(clips: Clips) -> Clips:
    looks, cameras = clips.looks_BC.copy(), clips.cameras_BTC.copy()
    looks[:, [t.WET, t.STREAKS, t.DROPS, t.NOISE, t.HEADLIGHT, t.LAMPS, t.CAST, t.GLARE]] = 0.0
    cameras[..., t.SHADOW_COUNT] = 0
    return replace(clips, looks_BC=looks, cameras_BTC=cameras)


@pytest.mark.parametrize("name", ["clear", "rain", "night"])
def test_flow_and_depth_know_nothing_of_the_weather(name: str):
    changed = 0
    for clips in _some(name, 4):
        plain = _without_weather(clips)
        changed += (render(clips, HEIGHT, WIDTH) != render(plain, HEIGHT, WIDTH)).any()
        seen, expected = (trace_flow(some, HEIGHT, WIDTH, STRIDE) for some in (clips, plain))
        for column in vars(seen):
            np.testing.assert_array_equal(getattr(seen, column), getattr(expected, column))
    assert changed


def test_drops_stay_on_the_windscreen_and_streaks_do_not():
    def changed(clips: Clips, columns: list[int]) -> np.ndarray:
        """Where (frame, H, W) the weather of these columns shows."""
        looks = clips.looks_BC.copy()
        looks[:, columns] = 0.0
        plain = render(replace(clips, looks_BC=looks), HEIGHT, WIDTH).astype(int)
        return (np.abs(render(clips, HEIGHT, WIDTH) - plain).max(2) > 6)[0]

    same, other = [], []
    for clips in _some("rain", 8):
        clips.cameras_BTC[..., t.DROPS_SEED] = clips.cameras_BTC[:, :1, t.DROPS_SEED]  # no wiper in between
        clips.looks_BC[:, t.STREAKS] = 0.4
        first, second = changed(clips, [t.DROPS])
        same.append((first & second).sum() / max((first | second).sum(), 1))
        first, second = changed(clips, [t.STREAKS])
        other.append((first & second).sum() / max((first | second).sum(), 1))
    assert np.mean(same) > 0.6
    assert np.mean(other) < 0.3


def test_a_box_casts_its_shadow_away_from_the_sun():
    box = make_boxes(0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 4.0, t.PLAIN, 0.5, 0.5).astype(float)
    look = np.zeros(t.LOOK_STRIDE)
    look[[t.SUN_X, t.SUN_Z]] = np.sqrt(0.5)  # 45 degrees high, towards +x: the shadow ends 4 m behind the box
    atlas = texture_atlas()

    def shadow(x: float, y: float) -> float:
        return surfaces.cast_shadow(box, 0, 1, look, 0, atlas, x, y)

    assert [shadow(x, 0.0) for x in (-4.9, -2.0)] == [1.0, 1.0]
    assert [shadow(x, y) for x, y in ((-5.1, 0.0), (2.0, 0.0), (-2.0, 1.1))] == [0.0, 0.0, 0.0]


def test_shadows_darken_the_ground_in_the_picture():
    darker = []
    for clips in _some("clear", 8):
        if clips.cameras_BTC[0, 0, t.SHADOW_COUNT] == 0:
            continue
        plain = _without_weather(clips)
        plain.looks_BC[:, [t.CAST, t.GLARE]] = clips.looks_BC[:, [t.CAST, t.GLARE]]
        difference = render(plain, HEIGHT, WIDTH).astype(int) - render(clips, HEIGHT, WIDTH)
        assert difference.min() >= 0
        darker.append((difference > 10).mean())
    assert max(darker) > 0.02
