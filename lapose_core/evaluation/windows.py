"""Which frames make up which clips: those nearest to the instants of a regular grid at the rate asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lapose_core.errors import LaposeError

CLIP_LENGTH = 16

#: Windows are thinned out until there are no more than this many.
MOST_WINDOWS = 400


@dataclass(frozen=True)
class Windows:
    """Clips of a source.

    Attributes:
        indices_WN: frame numbers of each window, (W, 16).
        stride: a window starts at every stride-th frame.
        left_out_gaps: windows given up because frames are missing in the source.
    """

    indices_WN: np.ndarray
    stride: int
    left_out_gaps: int


def sample_windows(stamps_ns: np.ndarray, rate_hz: float, *, stride: int | None = None) -> Windows:
    """Choose the windows of 16 frames at `rate_hz` from frames with the given stamps (int64, increasing).

    Args:
        stamps_ns: (F,) stamps of the source's frames, nanoseconds.
        rate_hz: frames a second within a window.
        stride: start a window at every stride-th frame. By default every frame, or as many fewer as
            `MOST_WINDOWS` asks, without a common divisor with the step, so that all phases occur.

    Raises:
        LaposeError: the rate is higher than the source's, the source is too short for one window, or the stride is
            not positive.
    """
    period_ns = _check_rate(stamps_ns, rate_hz)
    if stride is not None and stride < 1:
        raise LaposeError(f"the stride must be at least 1, not {stride}")
    # The instants of a window from every start at once: (F, 16).
    wanted_ns = stamps_ns[:, None] + _grid_ns(CLIP_LENGTH, rate_hz)
    fits = wanted_ns[:, -1] <= stamps_ns[-1] + period_ns / 2
    if not np.any(fits):
        needed_s, length_s = (CLIP_LENGTH - 1) / rate_hz, (stamps_ns[-1] - stamps_ns[0]) * 1e-9
        raise LaposeError(
            f"too short: {CLIP_LENGTH} frames at {rate_hz:g} Hz need {needed_s:.1f} s, but there are {length_s:.1f} s; "
            "give a longer sequence or a higher rate"
        )
    if stride is None:
        stride = _default_stride(int(fits.sum()), round(1e9 / rate_hz / period_ns))
    wanted_ns = wanted_ns[fits][::stride]
    indices_WN = nearest(stamps_ns, wanted_ns)
    whole = _without_gaps(stamps_ns[indices_WN] - wanted_ns, indices_WN, rate_hz, period_ns)
    return Windows(indices_WN[whole], stride, int(np.sum(~whole)))


def sample_sequence(stamps_ns: np.ndarray, rate_hz: float) -> np.ndarray:
    """Numbers of the frames nearest to a grid of `rate_hz` from the first to the last, each once."""
    _check_rate(stamps_ns, rate_hz)
    count = int((stamps_ns[-1] - stamps_ns[0]) * 1e-9 * rate_hz) + 1
    return np.unique(nearest(stamps_ns, stamps_ns[0] + _grid_ns(count, rate_hz)))


def nearest(stamps_ns: np.ndarray, wanted_ns: np.ndarray) -> np.ndarray:
    """Index of the stamp nearest to each wanted instant."""
    after = np.clip(np.searchsorted(stamps_ns, wanted_ns), 1, max(len(stamps_ns) - 1, 1))
    before = after - 1
    return np.where(wanted_ns - stamps_ns[before] <= stamps_ns[after] - wanted_ns, before, after)


def _check_rate(stamps_ns: np.ndarray, rate_hz: float) -> float:
    """The source's period in nanoseconds; raises LaposeError if the rate is none, or higher than the source's."""
    if not rate_hz > 0:
        raise LaposeError(f"the rate must be positive, not {rate_hz:g} Hz")
    if len(stamps_ns) < 2:
        raise LaposeError(f"too short: there are only {len(stamps_ns)} frames with a true pose; give a longer sequence")
    period_ns = float(np.median(np.diff(stamps_ns)))
    # A camera that is called 30 Hz may run at 29.97.
    if rate_hz > 1.02e9 / period_ns:
        raise LaposeError(
            f"the frames come at {1e9 / period_ns:.3g} Hz: choose a rate of at most that, not {rate_hz:g}"
        )
    return period_ns


def _grid_ns(count: int, rate_hz: float) -> np.ndarray:
    return np.round(np.arange(count) * 1e9 / rate_hz).astype(np.int64)


def _default_stride(starts: int, step: int) -> int:
    stride = math.ceil(starts / MOST_WINDOWS)
    while math.gcd(stride, max(step, 1)) > 1:
        stride += 1
    return stride


def _without_gaps(offset_ns: np.ndarray, indices_WN: np.ndarray, rate_hz: float, period_ns: float) -> np.ndarray:
    """(W,) bool: all frames are distinct and near enough to their instants."""
    tolerance_ns = min(period_ns, 0.5e9 / rate_hz) * 1.05
    return np.all(np.diff(indices_WN, axis=1) > 0, axis=1) & np.all(np.abs(offset_ns) <= tolerance_ns, axis=1)
