"""Draw a trajectory from above, with speed and yaw rate over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lapose_core.geometry import Trajectory, body_from_optical, matched, rotation_vector_of

# The truth is dashed and on top, so that both are seen where they agree.
ESTIMATE_STYLE: dict[str, Any] = {"color": "tab:blue", "linewidth": 2.2, "label": "estimate"}
TRUTH_STYLE: dict[str, Any] = {"color": "black", "linewidth": 1.2, "linestyle": "--", "label": "truth", "zorder": 3}


def plot_comparison(path: Path | str, estimated: Trajectory, truth: Trajectory | None = None, title: str = "") -> None:
    """Write a PNG: the path from above, the forward speed and the yaw rate, with the truth dashed where there is one.

    Args:
        path: the file to write.
        estimated: camera poses (optical axes; `optical_from_body` turns poses of a body into such), any frame.
        truth: likewise, or None. Both are drawn from the first instant at which both are known, without alignment.
        title: over the picture.
    """
    drawn = [(estimated, ESTIMATE_STYLE)]
    if truth is not None:
        estimated, truth = matched(estimated, truth)
        drawn = [(estimated, ESTIMATE_STYLE), (truth, TRUTH_STYLE)]

    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    grid = figure.add_gridspec(2, 2, width_ratios=[1.1, 1.0])
    above = figure.add_subplot(grid[:, 0], aspect="equal", adjustable="datalim")
    above.set(title="path from above", xlabel="right of the start (m)", ylabel="ahead of the start (m)")
    speed = figure.add_subplot(grid[0, 1], ylabel="forward speed (m/s)")
    yaw_rate = figure.add_subplot(grid[1, 1], sharex=speed, xlabel="time (s)", ylabel="yaw rate, left + (deg/s)")
    for trajectory, style in drawn:
        positions_N3 = trajectory.rebased().positions
        above.plot(positions_N3[:, 0], positions_N3[:, 2], **style)
        time_s, forward_speed, yaw_rate_deg = _rates(trajectory)
        speed.plot(time_s, forward_speed, **style)
        yaw_rate.plot(time_s, yaw_rate_deg, **style)
    above.plot(0, 0, marker="o", color="tab:green", linestyle="none", label="start")
    above.legend(loc="best")
    for axes in (above, speed, yaw_rate):
        axes.grid(alpha=0.3)
    figure.savefig(Path(path), dpi=110)


def _rates(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time in the middle of each step (s), forward speed (m/s) and yaw rate (deg/s, positive to the left)."""
    motions_S44 = body_from_optical(trajectory.motions())
    seconds = (trajectory.stamps_ns - trajectory.stamps_ns[0]) * 1e-9
    intervals_S = np.diff(seconds)
    forward_m, yaw_rad = motions_S44[:, 0, 3], rotation_vector_of(motions_S44)[:, 2]
    return seconds[:-1] + intervals_S / 2, forward_m / intervals_S, np.degrees(yaw_rad) / intervals_S
