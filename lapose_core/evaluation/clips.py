"""Evaluate methods on rendered clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.data.source import Intrinsics
from lapose_core.evaluation.method import ClipEstimate, Method
from lapose_core.evaluation.metrics import ClipScores, Summary, is_parked, score_clip, summarize
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips

#: Draws clips: `frames_BTCHW`, uint8 RGB.
Draw = Callable[[Clips], np.ndarray]
#: The methods to run on a clip of a camera; None for one that no pinhole describes.
MethodsFor = Callable[["Intrinsics | None"], Sequence[Method]]


@dataclass(frozen=True)
class ClipsRow:
    """One method's figures over clips.

    Attributes:
        method: its name.
        summary: over the clips.
        median_fov_error_deg: median absolute error of the horizontal field of view; None if the method does not tell.
    """

    method: str
    summary: Summary
    median_fov_error_deg: float | None


@dataclass(frozen=True)
class ClipsFigures:
    """Figures over clips.

    Attributes:
        clips: how many the figures are taken over.
        left_out_parked: clips left out because they move less than `metrics.PARKED_STEP_M` a step.
        rows: one for each method, in their order; none where every clip was left out.
    """

    clips: int
    left_out_parked: int
    rows: tuple[ClipsRow, ...]


def score_clips(clips: Iterable[Clips], methods_for: MethodsFor, draw: Draw) -> ClipsFigures:
    """Draw the clips and let the methods estimate their motions; what is parked is not drawn where it is alone."""
    scores: dict[str, list[ClipScores]] = {}
    fov_errors: dict[str, list[float]] = {}
    counted = parked = 0
    for some in clips:
        moving = [b for b, truth_S44 in enumerate(some.motions_BS44) if not is_parked(truth_S44)]
        parked += len(some.motions_BS44) - len(moving)
        counted += len(moving)
        frames_BTCHW = draw(some) if moving else np.empty(0)
        for b in moving:
            frames_THWC = np.ascontiguousarray(frames_BTCHW[b].transpose(0, 2, 3, 1))
            intervals_S, truth_S44 = some.intervals_BS[b], some.motions_BS44[b]
            methods = methods_for(drawn_intrinsics(some.cameras_BTC[b, 0], *frames_THWC.shape[1:3]))
            for method, estimate in zip(
                methods, estimate_clip(methods, frames_THWC, intervals_S, truth_S44), strict=True
            ):
                scores.setdefault(method.name, []).append(score_clip(estimate.motions_S44, truth_S44))
                errors = fov_errors.setdefault(method.name, [])
                if estimate.fov_x_rad is not None:
                    errors.append(abs(estimate.fov_x_rad - float(some.fov_x_B[b])))
    rows = [ClipsRow(name, summarize(scores[name]), _median_deg(fov_errors[name])) for name in scores]
    return ClipsFigures(counted, parked, tuple(rows))


def drawn_intrinsics(camera_C: np.ndarray, height: int, width: int) -> Intrinsics | None:
    """The camera of a drawn clip (`Clips.cameras_BTC`) whose pictures have this size; None if its lens bends."""
    if camera_C[t.DISTORTION]:
        return None
    focal, across, along = (width * float(value) for value in camera_C[[t.FOCAL, t.PRINCIPAL_X, t.PRINCIPAL_Y]])
    return Intrinsics(focal, focal, 0.5 * width + across, 0.5 * height + along, width, height)


def _median_deg(errors_rad: Sequence[float]) -> float | None:
    return float(np.degrees(np.median(errors_rad))) if errors_rad else None


def estimate_clip(
    methods: Sequence[Method], frames_THWC: np.ndarray, intervals_S: np.ndarray, truth_S44: np.ndarray
) -> list[ClipEstimate]:
    """Each method's motions of one clip of pictures, uint8 RGB; the truth is for baselines that are given a part.

    Frame by frame: methods that share a step take it once.
    """
    described = [[method.describe(frame_HWC) for method in methods] for frame_HWC in frames_THWC]
    seconds = intervals_S.tolist()  # the same objects for each method
    steps = [
        [
            method.compare(previous, current, interval_s)
            for method, previous, current in zip(methods, older, newer, strict=True)
        ]
        for older, newer, interval_s in zip(described[:-1], described[1:], seconds, strict=True)
    ]
    return [
        method.estimate(list(own), intervals_S, truth_S44)
        for method, own in zip(methods, zip(*steps, strict=True), strict=True)
    ]
