"""Evaluate methods on rendered clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.evaluation.method import ClipEstimate, Method
from lapose_core.evaluation.metrics import ClipScores, Summary, is_parked, score_clip, summarize
from lapose_core.world.clips import Clips

#: Draws clips: `frames_BTCHW`, uint8 RGB.
Draw = Callable[[Clips], np.ndarray]


@dataclass(frozen=True)
class ClipsRow:
    """One method's figures over clips.

    Attributes:
        method: its name.
        summary: None where every clip was left out.
        median_fov_error_deg: median absolute error of the horizontal field of view; None if the method does not tell.
    """

    method: str
    summary: Summary | None
    median_fov_error_deg: float | None


@dataclass(frozen=True)
class ClipsFigures:
    """Figures over clips.

    Attributes:
        clips: how many the figures are taken over.
        left_out_parked: clips left out because they move less than `metrics.PARKED_STEP_M` a step.
        rows: one for each method, in their order.
    """

    clips: int
    left_out_parked: int
    rows: tuple[ClipsRow, ...]


def score_clips(clips: Iterable[Clips], methods: Sequence[Method], draw: Draw) -> ClipsFigures:
    """Draw the clips and let the methods estimate their motions; what is parked is not drawn where it is alone."""
    scores: list[list[ClipScores]] = [[] for _ in methods]
    fov_errors: list[list[float]] = [[] for _ in methods]
    parked = 0
    for some in clips:
        moving = [b for b, truth_S44 in enumerate(some.motions_BS44) if not is_parked(truth_S44)]
        parked += len(some.motions_BS44) - len(moving)
        frames_BTCHW = draw(some) if moving else np.empty(0)
        for b in moving:
            frames_THWC = np.ascontiguousarray(frames_BTCHW[b].transpose(0, 2, 3, 1))
            intervals_S, truth_S44 = some.intervals_BS[b], some.motions_BS44[b]
            for method, of_method, errors in zip(methods, scores, fov_errors, strict=True):
                estimate = estimate_clip(method, frames_THWC, intervals_S, truth_S44)
                of_method.append(score_clip(estimate.motions_S44, truth_S44))
                if estimate.fov_x_rad is not None:
                    errors.append(abs(estimate.fov_x_rad - float(some.fov_x_B[b])))
    rows = [
        ClipsRow(
            method.name, summarize(some) if some else None, float(np.degrees(np.median(errors))) if errors else None
        )
        for method, some, errors in zip(methods, scores, fov_errors, strict=True)
    ]
    return ClipsFigures(len(scores[0]) if scores else 0, parked, tuple(rows))


def estimate_clip(
    method: Method, frames_THWC: np.ndarray, intervals_S: np.ndarray, truth_S44: np.ndarray
) -> ClipEstimate:
    """A method's motions of one clip from its pictures, uint8 RGB; the truth is for baselines that are given a part."""
    described = [method.describe(frame_HWC) for frame_HWC in frames_THWC]
    steps = [
        method.compare(previous, current, float(interval_s))
        for previous, current, interval_s in zip(described[:-1], described[1:], intervals_S, strict=True)
    ]
    return method.estimate(steps, intervals_S, truth_S44)
