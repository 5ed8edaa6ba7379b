"""The Triton kernel, run by Triton's interpreter, draws what numba draws."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lapose_core.world import render_cpu
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig

HEIGHT, WIDTH, STRIDE = 32, 64, 4

# In a process of its own: Triton decides when it is first imported whether it interprets.
_INTERPRETED = f"""
import sys
import numpy as np
from test_renderers_agree import few_clips
from lapose_core.world.render_triton import render_with_flow, trace_flow
clips = few_clips()
frames, trained_on = render_with_flow(clips, {HEIGHT}, {WIDTH}, {STRIDE}, "cpu", tile=(32, 64))
flow = trace_flow(clips, {HEIGHT}, {WIDTH}, {STRIDE}, "cpu")
assert trained_on.depth_BTN is None
assert (trained_on.target_BSN2 == flow.target_BSN2).all() and (trained_on.visible_BSN == flow.visible_BSN).all()
np.savez(sys.argv[1], frames=frames.numpy(), **{{name: value.numpy() for name, value in vars(flow).items()}})
"""


def few_clips() -> Clips:
    # A seed with all kinds of weather, and a motorway.
    config = WorldConfig(
        bonnet_share=0.3, max_boxes=12, place_shares=(0.3, 0.2, 0.0, 0.5), weather_shares=(0.4, 0.1, 0.25, 0.25),
        slope_share=0.5, rolling_share=0.5,
    )  # fmt: skip
    clips = sample_clips(np.random.default_rng(15), 4, config, frames=2)
    for clip, distortion in ((0, -0.3), (1, 0.1)):
        clips.cameras_BTC[clip, :, t.DISTORTION] = distortion
    return clips


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "triton")):
        pytest.skip("the Triton renderer needs torch and triton: pip install 'lapose[train]'")
    path = tmp_path_factory.mktemp("interpreted") / "drawn.npz"
    here = Path(__file__).parent
    search = os.pathsep.join(map(str, (here, here.parents[1], os.environ.get("PYTHONPATH", ""))))
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": search}
    subprocess.run([sys.executable, "-c", _INTERPRETED, path], env=environment, check=True)
    return dict(np.load(path))


def test_all_kinds_of_weather_are_compared():
    looks = few_clips().looks_BC
    for column in (t.CAST, t.GLARE, t.HEADLIGHT, t.LAMPS, t.WET, t.STREAKS, t.DROPS, t.NOISE, t.OTHER_ROAD, t.HATCHED):
        assert (looks[:, column] != 0).any(), column
    assert few_clips().cameras_BTC[..., t.SHADOW_COUNT].max() > 0
    for some in (looks[:, t.HILL_HALF] > 0, np.abs(few_clips().cameras_BTC[:, 0, t.SHIFT :]).max(1) > 0):
        assert some.any() and not some.all()


def test_same_picture(interpreted: dict[str, np.ndarray]):
    """Tolerance: 0.5 grey levels on average, 99.5 % of the values within 3."""
    expected = render_cpu.render(few_clips(), HEIGHT, WIDTH).astype(int)
    difference = np.abs(interpreted["frames"].astype(int) - expected)
    assert difference.mean() < 0.5
    assert (difference <= 3).mean() > 0.995


def test_same_flow(interpreted: dict[str, np.ndarray]):
    expected = render_cpu.trace_flow(few_clips(), HEIGHT, WIDTH, STRIDE)
    visible = interpreted["visible_BSN"]
    assert (visible == expected.visible_BSN).mean() > 0.99
    both = visible & expected.visible_BSN
    np.testing.assert_allclose(interpreted["target_BSN2"][both], expected.target_BSN2[both], atol=0.05)
    depth = interpreted["depth_BTN"]
    np.testing.assert_array_equal(np.isinf(depth), np.isinf(expected.depth_BTN))
    np.testing.assert_array_equal(np.isnan(depth), np.isnan(expected.depth_BTN))
