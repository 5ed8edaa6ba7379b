"""Compare the trajectory of a finished run with the true one."""

from __future__ import annotations

from dataclasses import dataclass

from lapose_core.errors import LaposeError
from lapose_core.evaluation.drift import Drift, measure_drift
from lapose_core.evaluation.metrics import PARKED_STEP_M, Summary, is_parked, score_clip, summarize
from lapose_core.evaluation.windows import CLIP_LENGTH, sample_windows
from lapose_core.geometry import Trajectory, matched


@dataclass(frozen=True)
class Comparison:
    """How a run did; `print(comparison)` gives a few lines of text.

    Attributes:
        summary: over the windows of 16 frames.
        windows: how many there were.
        left_out_parked: windows left out because they move less than `PARKED_STEP_M` a step.
        left_out_gaps: windows left out because frames are missing, as when some were dropped.
        drift: over the whole run.
    """

    summary: Summary
    windows: int
    left_out_parked: int
    left_out_gaps: int
    drift: Drift

    def __str__(self) -> str:
        summary, drift = self.summary, self.drift
        return "\n".join(
            [
                f"AUC@5   {summary.auc_binned:.3f} (exact and signed: {summary.auc_signed:.3f})",
                f"ATE-S   {summary.ate_s_origin:.4f} (by mean step: {summary.ate_s_step:.4f})",
                f"ATE-M   {summary.ate_m:.3f} m",
                f"scale   {summary.median_log_scale_error:.3f} median |log error|",
                f"turning {summary.median_rotation_error_deg:.3f} deg median rotation error a step",
                f"drift   {drift.translation_percent:.2f} % and {drift.rotation_deg_per_m:.4f} deg/m in "
                f"{drift.segments_text()}",
                f"end     {drift.end_percent:.2f} % of the distance off ({drift.distance_m:.0f} m)",
                f"windows {self.windows} of {CLIP_LENGTH} frames; left out: {self.left_out_parked} that move "
                f"< {PARKED_STEP_M} m a step, {self.left_out_gaps} with missing frames",
            ]
        )


def compare_trajectories(estimated: Trajectory, truth: Trajectory, *, rate_hz: float) -> Comparison:
    """Compare an estimated trajectory with the true one, over windows of 16 frames at `rate_hz` and as a whole.

    Both are of the same body in the same axes; the frames they are given in need not agree. The truth is interpolated
    at the estimate's stamps; where it does not reach, the estimate is not judged.

    Raises:
        LaposeError: the two share too little time for one window, or the vehicle never moves.
    """
    estimated, truth = matched(estimated, truth)
    windows = sample_windows(truth.stamps_ns, rate_hz)
    clips = [(estimated.select(indices).motions(), truth.select(indices).motions()) for indices in windows.indices_WN]
    scores = [score_clip(estimated_S44, truth_S44) for estimated_S44, truth_S44 in clips if not is_parked(truth_S44)]
    drift = measure_drift(estimated.poses, truth.poses)
    if not scores or drift is None:
        raise LaposeError(
            f"no window of {CLIP_LENGTH} frames at {rate_hz:g} Hz moves {PARKED_STEP_M} m a step: nothing to compare"
        )
    return Comparison(
        summary=summarize(scores),
        windows=len(scores),
        left_out_parked=len(clips) - len(scores),
        left_out_gaps=windows.left_out_gaps,
        drift=drift,
    )
