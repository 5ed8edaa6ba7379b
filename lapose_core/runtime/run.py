"""The offline run: a whole source through the odometer, and files from what it says."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lapose_core.data.open import open_source
from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Source
from lapose_core.errors import LaposeError
from lapose_core.files import write_atomically
from lapose_core.geometry import Trajectory
from lapose_core.models import DEFAULT_MODEL, find_model
from lapose_core.motion import Motion, Odometry
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.backends.recompute import RecomputingBackend
from lapose_core.runtime.odometer import Odometer, OdometerConfig
from lapose_core.runtime.output_bag import check_output_bag, write_output_bag
from lapose_core.runtime.outputs import write_motions_csv, write_trajectory_tum

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        output_dir: where `trajectory.tum`, `motions.csv` and `trajectory.png` are.
        frames: frames that went through the odometer.
        undecodable: frames left out because they could not be decoded, or the odometer refused them.
        out_of_order: frames left out because their stamp was not newer than the one before.
        distance_m: length of the estimated path.
        milliseconds_per_frame: mean time in the odometer.
        fov_x_rad: median horizontal field of view of the source image.
        interrupted: ended by Ctrl-C; the files hold what was there by then.
    """

    output_dir: Path
    frames: int
    undecodable: int
    out_of_order: int
    distance_m: float
    milliseconds_per_frame: float
    fov_x_rad: float
    interrupted: bool

    def __str__(self) -> str:
        return (
            f"{'interrupted after ' if self.interrupted else ''}{self.frames} frames"
            f" ({self.undecodable} undecodable, {self.out_of_order} out of order), {self.distance_m:.1f} m,"
            f" {self.milliseconds_per_frame:.1f} ms a frame, field of view {math.degrees(self.fov_x_rad):.1f} deg"
            f" -> {self.output_dir}"
        )


def run(
    source_path: Path | str,
    output_dir: Path | str,
    *,
    rate_hz: float | None = 4.0,
    backend: str = "auto",
    model: str | Path = DEFAULT_MODEL,
    topic: str | None = None,
    fps: float | None = None,
    threads: int | None = None,
    every_frame: bool = False,
    calibrated: bool = False,
    camera_height_m: float | None = None,
    stream: bool = True,
    output_bag: Path | None = None,
    progress: bool = True,
) -> RunSummary:
    """Estimate the motion over a whole source; write `trajectory.tum`, `motions.csv` and `trajectory.png`.

    Whatever ends the run, the files of what was estimated by then are written; Ctrl-C ends it without an exception.

    Args:
        source_path, topic, fps: see `open_source`.
        output_dir: made if it is not there; files of an earlier run are replaced.
        rate_hz: frames a second to use; None uses all.
        backend, threads: see `open_backend`.
        model: see `find_model`.
        every_frame: use all frames: those between the window's steps, of which there are `rate_hz` a second, are
            measured against the last step. The trajectory has them; the motions are those of the steps, a chain still.
        calibrated: take the camera as the source tells it (KITTI's `calib.txt`, a bag's CameraInfo), without
            undistorting images.
        camera_height_m: of the camera above the road, where it is known; the scale is as good as that.
        stream: keep each frame's work; False computes the whole window for each frame anew, for comparison.
        output_bag: also write this MCAP file, see `write_output_bag`; the source must be a bag then.
        progress: show a progress bar on stderr.

    Raises LaposeError, in one line, for anything that the user can mend.
    """
    output_dir = Path(output_dir)
    source = open_source(source_path, topic=topic, rate_hz=None if every_frame else rate_hz, fps=fps)
    if output_bag is not None:
        check_output_bag(output_bag, source)
    opened = open_backend(find_model(model), backend, threads)
    config = replace(_config_of(source) if calibrated else OdometerConfig(), camera_height_m=camera_height_m)
    odometer = Odometer(opened if stream else RecomputingBackend(opened), config)
    steps = FrameSampler(rate_hz if every_frame else None)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LaposeError(f"cannot make the folder {output_dir} ({error.strerror}): give another --output") from None

    odometries: list[Odometry] = []
    motions: list[Motion] = []
    refused = 0
    interrupted = False
    seconds = 0.0
    try:
        for frame in tqdm(source, total=source.frame_count, unit="frame", disable=not progress):
            started = time.perf_counter()
            try:
                odometries.append(odometer.take_frame(frame, steps))
                if odometries[-1].is_step and odometries[-1].motion is not None:
                    motions.append(odometries[-1].motion)
            except LaposeError as error:
                # From the very first frame it is the source that does not fit, not one frame that is bad.
                if not odometries:
                    raise
                if not refused:
                    _log.warning("left out a frame, and any more like it: %s", error)
                refused += 1
            seconds += time.perf_counter() - started
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if len(odometries) > 1:
            _write(output_dir, source, odometries, motions)
            if output_bag is not None:
                write_output_bag(output_bag, source, odometries)
    if len(odometries) < 2:
        raise LaposeError(
            f"{source_path} gave {len(odometries)} frame at --rate {rate_hz}, and a motion needs two: "
            "give a longer source, a higher rate, stamps that increase, or images of one size"
        )
    return RunSummary(
        output_dir=output_dir,
        frames=len(odometries),
        undecodable=source.undecodable + refused,
        out_of_order=source.out_of_order,
        distance_m=_trajectory(odometries).length_m(),
        milliseconds_per_frame=1e3 * seconds / len(odometries),
        fov_x_rad=float(np.median([motion.fov_x_rad for motion in motions] or np.nan)),
        interrupted=interrupted,
    )


def _config_of(source: Source) -> OdometerConfig:
    camera = source.intrinsics
    if camera is None:
        raise LaposeError(f"{source.name} does not tell its camera: leave out --calibrated")
    return OdometerConfig(principal_point=(camera.cx, camera.cy), fov_x_rad=camera.fov_x_rad)


def _write(output_dir: Path, source: Source, odometries: list[Odometry], motions: list[Motion]) -> None:
    trajectory = _trajectory(odometries)
    write_trajectory_tum(output_dir / "trajectory.tum", trajectory)
    write_motions_csv(output_dir / "motions.csv", motions)
    write_atomically(output_dir / "trajectory.png", lambda path: _plot(path, trajectory, source))


def _plot(path: Path, trajectory: Trajectory, source: Source) -> None:
    from lapose_core.plot import plot_comparison  # matplotlib is slow to load

    truth = source.poses
    if truth is not None and np.sum(truth.covers(trajectory.stamps_ns)) < 2:
        truth = None
    plot_comparison(path, trajectory, truth, source.name)


def _trajectory(odometries: list[Odometry]) -> Trajectory:
    return Trajectory(
        np.array([step.stamp_ns for step in odometries]), np.stack([step.pose_odom_camera for step in odometries])
    )
