"""From what a running odometer has measured to what a vehicle's monitor shows: a few checks, each with a level."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

from lapose_core.runtime.statistics import FrameCounts, Statistics, TrackingState

#: True and predicted field of view may differ by this share before something is wrong.
_FOV_SHARE = 0.2
#: A camera this much slower than the asked rate is too slow.
_RATE_SHARE = 0.8
#: More dropped frames than this share of the wanted ones mean that the model does not keep up.
_DROPPED_SHARE = 0.1


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Check:
    """One line for a monitor, and the numbers behind it."""

    name: str
    level: Level
    message: str
    values: dict[str, str] = field(default_factory=dict)


class Health:
    """Checks a running odometer from time to time; problems are those since the check before."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._before = FrameCounts()

    def check_images(self, now_s: float, *, silence: str | None, wanted_hz: float) -> Check:
        """How the images come.

        Args:
            silence: why none come, in a sentence; None while they do.
            wanted_hz: frames a second that the model is to see.
        """
        counts, before = self._statistics.counts, self._before
        hz = self._statistics.images.hz(now_s)
        values = {
            "rate (Hz)": f"{hz:.2f}",
            "received": str(counts.received),
            "undecodable": str(counts.undecodable),
            "duplicate": str(counts.duplicate),
            "late": str(counts.late),
        }
        bad = {
            "undecodable": counts.undecodable - before.undecodable,
            "with a stamp seen before": counts.duplicate - before.duplicate,
            "late": counts.late - before.late,
        }
        complaints = [f"{count} {what}" for what, count in bad.items() if count > 0]
        if silence is not None:
            return Check("images", Level.ERROR, silence, values)
        if complaints:
            return Check("images", Level.WARN, f"images left out: {', '.join(complaints)}", values)
        if 0 < hz < _RATE_SHARE * wanted_hz:
            return Check("images", Level.WARN, f"the camera gives {hz:.1f} Hz, less than the rate asked for", values)
        return Check("images", Level.OK, f"{hz:.1f} Hz", values)

    def check_odometry(
        self, now_s: float, state: TrackingState, window_size: int, *, enough_hz: float = math.inf
    ) -> Check:
        """How the odometry goes, and whether the model keeps up; ends the time over which problems count.

        Args:
            enough_hz: odometry at this rate is enough, whatever is dropped: the window's, where the images between its
                steps are only measured.
        """
        statistics, counts, before = self._statistics, self._statistics.counts, self._before
        self._before = FrameCounts(**vars(counts))
        values = {
            "tracking": state.name.lower(),
            "rate (Hz)": f"{statistics.odometry.hz(now_s):.2f}",
            "latency, last (ms)": f"{1e3 * statistics.latency.last:.1f}",
            "latency, mean (ms)": f"{1e3 * statistics.latency.mean:.1f}",
            "latency, max (ms)": f"{1e3 * statistics.latency.max:.1f}",
            "preprocessing, mean (ms)": f"{1e3 * statistics.preprocessing.mean:.1f}",
            "inference, mean (ms)": f"{1e3 * statistics.inference.mean:.1f}",
            "window": f"{statistics.window_fill} of {window_size}",
            "processed": str(counts.processed),
            "left out for the rate": str(counts.left_out),
            "dropped": str(counts.dropped),
        }
        dropped, processed = counts.dropped - before.dropped, counts.processed - before.processed
        few_dropped = dropped <= _DROPPED_SHARE * (dropped + processed)
        keeps_up = few_dropped or statistics.odometry.hz(now_s) >= _RATE_SHARE * enough_hz
        if state in (TrackingState.WAITING, TrackingState.SILENT):
            return Check("odometry", Level.ERROR, "no images, no odometry", values)
        if state == TrackingState.UNCERTAIN:
            return Check("odometry", Level.WARN, "the model doubts its newest motion: see what the camera sees", values)
        if not keeps_up:
            line = f"the model does not keep up, {dropped} of {dropped + processed} frames dropped: lower rate_hz"
            return Check("odometry", Level.WARN, line, values)
        return Check("odometry", Level.OK, state.name.lower(), values)


def check_model(model: str, version: str, backend: str, gpu_memory_bytes: int | None, memory_bytes: int) -> Check:
    """What runs, where, and what it takes; `gpu_memory_bytes` is None without a GPU."""
    gpu = "none used" if gpu_memory_bytes is None else f"{gpu_memory_bytes / 2**20:.0f}"
    values = {
        "model": model,
        "version": version,
        "engine": backend,
        "GPU memory (MiB)": gpu,
        "memory (MiB)": f"{memory_bytes / 2**20:.0f}",
    }
    return Check("model", Level.OK, f"{model} {version} on {backend}", values)


def check_camera(fov_x_rad: float | None, predicted_fov_x_rad: float | None, trouble: str | None) -> Check:
    """Whether the model sees the camera as its calibration says.

    Args:
        fov_x_rad: of the calibrated camera; None without calibration.
        predicted_fov_x_rad: as the model sees it; None before the first motion.
        trouble: why the calibration cannot be used.
    """
    values = {}
    if predicted_fov_x_rad is not None:
        values["field of view, predicted (deg)"] = f"{math.degrees(predicted_fov_x_rad):.1f}"
    if fov_x_rad is not None:
        values["field of view, calibrated (deg)"] = f"{math.degrees(fov_x_rad):.1f}"
    if trouble is not None:
        return Check("camera", Level.WARN, f"images are not rectified: {trouble}", values)
    if fov_x_rad is None:
        return Check("camera", Level.OK, "no calibration, none needed", values)
    if predicted_fov_x_rad is not None and abs(predicted_fov_x_rad / fov_x_rad - 1) > _FOV_SHARE:
        line = (
            f"calibrated to see {math.degrees(fov_x_rad):.0f} degrees, and the model sees "
            f"{math.degrees(predicted_fov_x_rad):.0f}: check the camera_info, the lens and the mounting"
        )
        return Check("camera", Level.WARN, line, values)
    return Check("camera", Level.OK, "calibrated", values)
