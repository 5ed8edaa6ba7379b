"""Which frames make up the windows."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest

from lapose_core.errors import LaposeError
from lapose_core.evaluation.windows import MOST_WINDOWS, sample_sequence, sample_windows

KITTI_NS = np.round(np.arange(150) / 9.645 * 1e9).astype(np.int64)


def test_windows_at_half_the_rate_take_every_second_frame_from_every_phase() -> None:
    windows = sample_windows(np.arange(40) * 100_000_000, 5.0)
    np.testing.assert_array_equal(windows.indices_WN, np.arange(10)[:, None] + 2 * np.arange(16))
    assert windows.left_out_gaps == 0


@pytest.mark.parametrize(("rate_hz", "step"), [(9.6, 1), (4.8, 2), (1.9, 5)])
def test_rates_that_do_not_divide_the_sources_take_the_nearest_frames(rate_hz: float, step: int) -> None:
    indices = sample_windows(KITTI_NS, rate_hz).indices_WN
    assert set(np.unique(np.diff(indices))) <= {step, step + 1}
    wanted_ns = KITTI_NS[indices[:, :1]] + np.arange(16) * 1e9 / rate_hz
    assert np.abs(KITTI_NS[indices] - wanted_ns).max() <= np.diff(KITTI_NS).max() / 2 + 1


def test_a_long_source_is_thinned_out_without_losing_a_phase() -> None:
    windows = sample_windows(np.arange(4541) * 103_680_000, 1.9)
    assert len(windows.indices_WN) <= MOST_WINDOWS
    assert gcd(windows.stride, 5) == 1
    assert set(windows.indices_WN[:, 0] % 5) == set(range(5))


def test_windows_across_missing_frames_are_left_out_and_counted() -> None:
    stamps_ns = np.delete(np.arange(100), range(50, 55)) * 100_000_000
    windows = sample_windows(stamps_ns, 10.0)
    # All but 2 x 15 of the 80 places for a window see the gap in none of their steps.
    assert len(windows.indices_WN) + windows.left_out_gaps == 80
    assert len(windows.indices_WN) == 35 + 30
    assert np.all(np.diff(stamps_ns[windows.indices_WN]) == 100_000_000)


def test_one_dropped_frame_of_a_fast_source_does_no_harm() -> None:
    stamps_ns = np.delete(np.arange(100), 40) * 100_000_000
    windows = sample_windows(stamps_ns, 2.0)
    assert windows.left_out_gaps == 0


def test_a_source_that_is_too_short_is_told_how_long_it_must_be() -> None:
    with pytest.raises(LaposeError, match=r"16 frames at 2 Hz need 7.5 s, but there are 3.9 s"):
        sample_windows(np.arange(40) * 100_000_000, 2.0)


@pytest.mark.parametrize(("rate_hz", "message"), [(20.0, "frames come at 10 Hz"), (0.0, "must be positive")])
def test_a_rate_that_cannot_be_is_refused(rate_hz: float, message: str) -> None:
    with pytest.raises(LaposeError, match=message):
        sample_windows(np.arange(40) * 100_000_000, rate_hz)


def test_a_stride_below_one_is_refused() -> None:
    with pytest.raises(LaposeError, match="stride must be at least 1"):
        sample_windows(np.arange(40) * 100_000_000, 10.0, stride=0)


def test_a_sequence_goes_over_the_whole_source_and_repeats_no_frame() -> None:
    indices = sample_sequence(KITTI_NS + 1_795_392_000_123_456_789, 4.8)
    assert indices[0] == 0
    assert indices[-1] >= len(KITTI_NS) - 2
    assert set(np.diff(indices)) <= {2, 3}
