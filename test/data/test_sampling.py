"""Which frames are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.data.sampling import FrameSampler
from lapose_core.errors import LaposeError


def kept(stamps_s: np.ndarray, rate_hz: float) -> np.ndarray:
    """Stamps, in seconds, of the frames that are kept."""
    sampler = FrameSampler(rate_hz)
    return np.array([stamp_s for stamp_s in stamps_s if sampler.takes(round(stamp_s * 1e9))])


@pytest.mark.parametrize(("rate_hz", "stride"), [(9.6, 1), (4.8, 2), (1.9, 5), (1.0, 10), (50.0, 1)])
def test_a_steady_camera_gives_every_nth_frame_always(rate_hz: float, stride: int) -> None:
    stamps_s = np.arange(500) * 0.10368  # KITTI

    np.testing.assert_allclose(kept(stamps_s, rate_hz), stamps_s[::stride], atol=1e-9)


@pytest.mark.parametrize("camera_hz", [10.0, 15.0, 25.0, 30.0])
def test_jitter_neither_slows_nor_hastens_the_steps(camera_hz: float) -> None:
    rng = np.random.default_rng(0)
    stamps_s = np.arange(3000) / camera_hz + rng.uniform(-0.2, 0.2, 3000) / camera_hz
    ideal = np.array([np.floor(camera_hz / 4.0), np.ceil(camera_hz / 4.0)]) / camera_hz

    steps = np.diff(kept(stamps_s, 4.0))

    assert ideal[0] - 0.02 <= steps.mean() <= ideal[1] + 0.02
    assert np.abs(steps - 0.25).max() <= 1.0 / camera_hz


def test_a_camera_just_slower_than_asked_loses_no_frame_to_jitter() -> None:
    stamps_s = np.arange(300) * 0.25 + np.random.default_rng(1).uniform(-0.03, 0.03, 300)

    assert len(kept(stamps_s, 4.0)) == 300


@given(st.lists(st.integers(1_000_000, 400_000_000), min_size=2, max_size=60), st.floats(0.5, 20.0))
def test_steps_are_never_much_shorter_than_asked(gaps_ns: list[int], rate_hz: float) -> None:
    stamps_s = np.cumsum(gaps_ns) * 1e-9

    steps = np.diff(kept(stamps_s, rate_hz))

    assert np.all(steps >= 0.66 / rate_hz - 1e-9)


def test_repeated_and_older_stamps_are_dropped_and_counted() -> None:
    sampler = FrameSampler(10.0)

    taken = [sampler.takes(stamp_ms * 1_000_000) for stamp_ms in (0, 100, 100, 50, 200, 300)]

    assert taken == [True, True, False, False, True, True]
    assert sampler.out_of_order == 2


def test_the_frame_after_a_bad_one_takes_its_place() -> None:
    sampler = FrameSampler(1.0)
    sampler.keep(0)
    sampler.wants(0)
    assert not sampler.wants(500_000_000)
    assert sampler.wants(1_000_000_000)  # proves bad: not kept
    assert sampler.wants(1_100_000_000)


@pytest.mark.parametrize("rate_hz", [0.0, -4.0, float("nan")])
def test_an_impossible_rate_is_told(rate_hz: float) -> None:
    with pytest.raises(LaposeError, match="rate"):
        FrameSampler(rate_hz)
