"""Everything that is measured, on drives that the model never saw."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError
from lapose_core.evaluation.conditions import ConditionsReport, evaluate_conditions
from lapose_core.evaluation.measure import Measured, measure
from lapose_core.runtime.backends.backend import Backend
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.odometer import Odometer
from lapose_core.world.bag import write_drive_bag
from lapose_core.world.conditions import CONDITIONS

RATES_HZ = (9.6, 4.8, 1.9, 1.0)
CONDITIONS_HZ = (4.0, 2.0)
#: Metres above the road, by KITTI's own description of its cameras.
KITTI_HEIGHT_M = 1.65
#: Seeds of rendered drives that no training draws; a window starts at every third of their frames.
DRIVES, DRIVE_STRIDE = (101, 102, 103), 3
#: A GPS says little about the speed of a vehicle that hardly moves.
_SLOWEST_M_S = 3.0


@dataclass(frozen=True)
class WorstWindow:
    """A window of a real sequence, its first, middle and last picture, and the model's errors."""

    source: str
    rate_hz: float
    first_frame: int
    images: tuple[np.ndarray, ...]
    auc_signed: float
    rotation_deg: float
    log_scale: float


@dataclass(frozen=True)
class SpeedCheck:
    """Speeds of the model against those of a GPS, m/s, at the GPS' seconds; the lag of the GPS is taken out."""

    name: str
    estimated_N: np.ndarray
    gps_N: np.ndarray
    lag_s: float

    @property
    def log_error_N(self) -> np.ndarray:
        """Logarithm of estimated over GPS speed, where the vehicle moves."""
        moving = self.gps_N > _SLOWEST_M_S
        return np.log(np.maximum(self.estimated_N[moving], 0.01) / self.gps_N[moving])


@dataclass(frozen=True)
class Findings:
    """All of it.

    Attributes:
        backend: what ran the model.
        real, rendered: what was measured, by source and rate.
        worst: the windows of the real sequences with the smallest signed AUC, the worst first.
        conditions: by rate.
        speed: on a clip with a GPS; None where there is none.
    """

    backend: str
    real: dict[tuple[str, float], Measured]
    rendered: dict[tuple[str, float], Measured]
    worst: list[WorstWindow]
    conditions: dict[float, ConditionsReport]
    speed: SpeedCheck | None


def measure_all(model_dir: Path, data: Path, *, backend: str, clips: int, seconds: float, jobs: int) -> Findings:
    """Measure on the sequences and clips of a data folder, on rendered drives, and on rendered clips by condition.

    Args:
        backend: see `open_backend`.
        clips: of each condition.
        seconds: that each rendered drive lasts.
        jobs: processes that share the work.

    Raises LaposeError where the folder has no sequences.
    """
    sequences = sorted((data / "kitti_odometry" / "sequences").glob("*"))
    if not sequences:
        raise LaposeError(f"{data} has no kitti_odometry/sequences: give the data folder with --data")
    clip = data / "garmin_calgary"
    # Here an error is one line; in the pool's processes it breaks the pool.
    ran_on = open_backend(model_dir, backend).name
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Not forked: the parent draws, and numba's threads do not survive that.
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(jobs, get_context("spawn"), _open, (model_dir, backend, threads)) as pool,
    ):
        asked_real = [pool.submit(_measure_source, *at, None, KITTI_HEIGHT_M) for at in _at_rates(sequences)]
        asked_speed = pool.submit(_check_speed, clip) if (clip / "gps.csv").exists() else None
        asked_conditions = {
            rate_hz: [pool.submit(_measure_condition, name, rate_hz, clips) for name in CONDITIONS]
            for rate_hz in CONDITIONS_HZ
        }
        drives = [_draw_drive(Path(folder) / f"drive{seed}", seed, seconds) for seed in DRIVES]
        asked_drives = [pool.submit(_measure_source, *at, DRIVE_STRIDE) for at in _at_rates(drives)]
        real, rendered = (
            {key: value for key, value in (one.result() for one in asked) if value is not None}
            for asked in (asked_real, asked_drives)
        )
        conditions = {
            rate_hz: reduce(_joined, [one.result() for one in asked]) for rate_hz, asked in asked_conditions.items()
        }
        speed = asked_speed.result() if asked_speed else None
    worst = _worst_windows(real, {path.name: path for path in sequences})
    return Findings(ran_on, real, rendered, worst, conditions, speed)


#: Of a process that measures.
_backend: Backend


def _open(model_dir: Path, name: str, threads: int) -> None:
    global _backend
    _backend = open_backend(model_dir, name, threads)


def _measure_condition(name: str, rate_hz: float, clips: int) -> ConditionsReport:
    print(f"{name} at {rate_hz:g} Hz", flush=True)
    return evaluate_conditions(_backend, rate_hz, [name], clips=clips, progress=False)


def _joined(one: ConditionsReport, other: ConditionsReport) -> ConditionsReport:
    return replace(one, conditions=one.conditions | other.conditions)


def _at_rates(paths: list[Path]) -> Iterator[tuple[Path, float]]:
    return ((path, rate_hz) for path in paths for rate_hz in RATES_HZ)


def _draw_drive(path: Path, seed: int, seconds: float) -> Path:
    write_drive_bag(path, seed=seed, seconds=seconds, rate_hz=9.6, supersample=1)
    return path


def _measure_source(
    path: Path, rate_hz: float, stride: int | None, camera_height_m: float | None = None
) -> tuple[tuple[str, float], Measured | None]:
    """None where the source is too short for a window at that rate."""
    print(f"{path.name} at {rate_hz:g} Hz", flush=True)
    source = open_source(path)
    try:
        measured = measure(source, _backend, rate_hz, stride=stride, camera_height_m=camera_height_m, progress=False)
    except LaposeError as error:
        print(f"  left out: {error}", flush=True)
        return (path.name, rate_hz), None
    return (path.name, rate_hz), measured


def _worst_windows(real: dict[tuple[str, float], Measured], paths: dict[str, Path], count: int = 10):
    """Of windows that overlap by more than half only the worst is kept."""
    ranked = sorted(
        (score.auc_signed, name, rate_hz, number)
        for (name, rate_hz), measured in real.items()
        if rate_hz in (4.8, 1.9)
        for number, score in enumerate(measured.methods[0].scores)
    )
    chosen: list[tuple[float, str, float, int]] = []
    for item in ranked:
        _, name, rate_hz, number = item
        frames_N = real[name, rate_hz].windows[number]
        taken = [real[n, r].windows[k] for _, n, r, k in chosen if (n, r) == (name, rate_hz)]
        if all(abs(int(frames_N[0]) - int(other_N[0])) > (frames_N[-1] - frames_N[0]) / 2 for other_N in taken):
            chosen.append(item)
        if len(chosen) == count:
            break
    return [_with_pictures(real[name, rate_hz], paths[name], number, name) for _, name, rate_hz, number in chosen]


def _with_pictures(measured: Measured, path: Path, number: int, name: str) -> WorstWindow:
    frames_N = measured.windows[number]
    wanted = [int(frames_N[i]) for i in (0, len(frames_N) // 2, -1)]
    posed = (frame for frame, has in zip(open_source(path), measured.posed_F, strict=True) if has)
    seen = {i: frame.image_HWC for i, frame in enumerate(posed) if i in wanted}
    score = measured.methods[0].scores[number]
    return WorstWindow(
        name,
        measured.rate_hz,
        wanted[0],
        tuple(seen[i] for i in wanted),
        score.auc_signed,
        float(np.degrees(np.median(score.rotation_errors_S))),
        score.log_scale_error,
    )


def _check_speed(clip: Path, rate_hz: float = 4.0) -> SpeedCheck:
    """The odometer's speed beside the GPS'; the lag between 0 and 2 seconds that fits best is taken out."""
    with (clip / "gps.csv").open() as file:
        rows = [(float(row["sec"]), float(row["kmh"]) / 3.6) for row in csv.DictReader(file)]
    seconds_N, gps_N = np.array(rows).T
    odometer = Odometer(_backend)
    print(f"{clip.name} at {rate_hz:g} Hz", flush=True)
    times, speeds, start_ns = [], [], None
    for frame in open_source(next(clip.glob("*.mp4")), rate_hz=rate_hz):
        start_ns = frame.stamp_ns if start_ns is None else start_ns
        motion = odometer.register_frame(frame).motion
        if motion is not None:
            times.append((0.5 * (motion.stamp_from_ns + motion.stamp_to_ns) - start_ns) * 1e-9)
            speeds.append(np.linalg.norm(motion.pose_from_to[:3, 3]) / motion.interval_s)
    smooth_N = np.convolve(speeds, np.ones(4) / 4, "same")

    def at(lag_s: float) -> np.ndarray:
        return np.interp(seconds_N - lag_s, times, smooth_N)

    moving = gps_N > _SLOWEST_M_S
    lags = np.arange(0.0, 2.01, 0.25)
    spread = [np.std(np.log(np.maximum(at(lag), 0.01)[moving] / gps_N[moving])) for lag in lags]
    lag_s = float(lags[int(np.argmin(spread))])
    return SpeedCheck(clip.name, at(lag_s), gps_N, lag_s)
