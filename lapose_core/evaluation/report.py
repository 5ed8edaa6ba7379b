"""Evaluate a model on a source with true poses, beside the baselines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.data.source import Intrinsics, Source
from lapose_core.evaluation.coverage import NOMINAL, Coverage, measure_coverage, motion_errors
from lapose_core.evaluation.drift import Drift, measure_drift
from lapose_core.evaluation.measure import Answers, Measured, measure
from lapose_core.evaluation.metrics import PARKED_STEP_M, Summary, summarize
from lapose_core.evaluation.windows import CLIP_LENGTH
from lapose_core.runtime.backends.backend import Backend


@dataclass(frozen=True)
class Row:
    """One method's figures.

    Attributes:
        method: its name.
        summary: over the windows.
        median_fov_error_deg: median absolute error of the horizontal field of view; None if method or source lack it.
        drift: over the whole sequence, run frame by frame; None if it does not move.
        coverage: of the errors of all steps of the windows by their covariances; None where the method gives none.
    """

    method: str
    summary: Summary
    median_fov_error_deg: float | None
    drift: Drift | None
    coverage: Coverage | None = None


@dataclass(frozen=True)
class Report:
    """Figures of the model and the baselines on one source; `print(report)` gives a table.

    Attributes:
        source: its name.
        backend: what ran the model.
        rate_hz: frames a second within a window.
        stride: a window starts at every stride-th frame.
        windows: how many windows the figures are taken over.
        left_out_parked: windows left out because they move less than `PARKED_STEP_M` a step.
        left_out_gaps: windows left out because frames are missing.
        frames: decoded frames of the source.
        frames_without_pose: frames before the first or after the last true pose, which are not used.
        frames_undecodable: frames of the source that could not be decoded.
        rows: the model first.
    """

    source: str
    backend: str
    rate_hz: float
    stride: int
    windows: int
    left_out_parked: int
    left_out_gaps: int
    frames: int
    frames_without_pose: int
    frames_undecodable: int
    rows: tuple[Row, ...]

    def to_json(self) -> str:
        """All figures as a JSON object; null where there is none."""
        return json.dumps(dataclasses.asdict(self), indent=2, allow_nan=False)

    def __str__(self) -> str:
        tables = [self._window_table(), self._drift_table(), self._coverage_table()]
        return "\n".join([*self._heading(), *(line for table in tables if table for line in ("", *table))])

    def _heading(self) -> list[str]:
        return [
            f"{self.source} at {self.rate_hz:g} Hz ({self.backend})",
            f"{self.windows} windows of {CLIP_LENGTH} frames, one from every {_every(self.stride)}; left out: "
            f"{self.left_out_parked} that move < {PARKED_STEP_M} m a step, {self.left_out_gaps} with missing frames",
            f"{self.frames} frames, {self.frames_without_pose} of them without a true pose; "
            f"{self.frames_undecodable} more could not be decoded",
        ]

    def _window_table(self) -> list[str]:
        columns = ["AUC@5", "AUC@5", "ATE-S", "ATE-S", "ATE-M", "rotation", "|log scale|", "fov"]
        units = ["binned", "signed", "origin", "step", "m", "median deg", "median", "median deg"]
        cells = [
            [
                f"{row.summary.auc_binned:.3f}",
                f"{row.summary.auc_signed:.3f}",
                f"{row.summary.ate_s_origin:.4f}",
                f"{row.summary.ate_s_step:.4f}",
                f"{row.summary.ate_m:.3f}",
                f"{row.summary.median_rotation_error_deg:.3f}",
                f"{row.summary.median_log_scale_error:.3f}",
                "-" if row.median_fov_error_deg is None else f"{row.median_fov_error_deg:.2f}",
            ]
            for row in self.rows
        ]
        return text_table("over the windows", [columns, units], [row.method for row in self.rows], cells)

    def _drift_table(self) -> list[str]:
        drifts = [row.drift for row in self.rows if row.drift is not None]
        if not drifts:
            return ["no drift: the sequence does not move"]
        cells = [
            [f"{drift.translation_percent:.2f}", f"{drift.rotation_deg_per_m:.4f}", f"{drift.end_percent:.2f}"]
            for drift in drifts
        ]
        return [
            *text_table(
                "frame by frame",
                [["drift", "rotation", "at the end"], ["%", "deg/m", "% of distance"]],
                [row.method for row in self.rows],
                cells,
            ),
            f"{drifts[0].distance_m:.0f} m; drift and rotation are means over {drifts[0].segments_text()}",
        ]

    def _coverage_table(self) -> list[str]:
        covered = {row.method: row.coverage for row in self.rows if row.coverage is not None}
        if not covered:
            return []
        parts = ("motion", "translation", "rotation")
        headings = [[part for part in parts for _ in NOMINAL], [f"{100 * share:g} %" for share in NOMINAL] * len(parts)]
        cells = [
            [f"{100 * share:.1f}" for part in parts for share in getattr(coverage, part)]
            for coverage in covered.values()
        ]
        steps = next(iter(covered.values())).steps
        return [
            *text_table("% of the errors inside", headings, list(covered), cells),
            f"the ellipsoids of the covariances that are to hold so many; {steps} steps, each in several windows",
        ]


def evaluate(
    source: Source,
    backend: Backend,
    rate_hz: float,
    *,
    stride: int | None = None,
    camera_height_m: float | None = None,
    progress: bool = True,
) -> Report:
    """Compare the model with the true poses of a source, over 16-frame windows and frame by frame.

    Arguments and errors are those of `measure`.
    """
    return report_of(
        measure(source, backend, rate_hz, stride=stride, camera_height_m=camera_height_m, progress=progress)
    )


def report_of(measured: Measured) -> Report:
    """The figures of what was measured."""
    return Report(
        source=measured.source,
        backend=measured.backend,
        rate_hz=measured.rate_hz,
        stride=measured.stride,
        windows=len(measured.windows),
        left_out_parked=measured.left_out_parked,
        left_out_gaps=measured.left_out_gaps,
        frames=measured.frames,
        frames_without_pose=measured.frames_without_pose,
        frames_undecodable=measured.frames_undecodable,
        rows=tuple(_row(measured, answers) for answers in measured.methods),
    )


def _row(measured: Measured, answers: Answers) -> Row:
    fov_deg = fov_errors_deg(answers, measured.intrinsics)
    return Row(
        method=answers.method,
        summary=summarize(answers.scores),
        median_fov_error_deg=float(np.median(fov_deg)) if len(fov_deg) else None,
        drift=measure_drift(answers.sequence_poses_N44, measured.truth.poses[measured.sequence_N]),
        coverage=_coverage(measured, answers),
    )


def _coverage(measured: Measured, answers: Answers) -> Coverage | None:
    told = [
        (motion_errors(estimate.motions_S44, truth_S44), estimate.covariance_S66)
        for estimate, truth_S44 in zip(answers.estimates, measured.true_motions(), strict=True)
        if estimate.covariance_S66 is not None
    ]
    return measure_coverage(*map(np.concatenate, zip(*told, strict=True))) if told else None


def _every(stride: int) -> str:
    return "frame" if stride == 1 else f"{stride} frames"


def fov_errors_deg(answers: Answers, intrinsics: Intrinsics | None) -> np.ndarray:
    """Absolute errors of the horizontal field of view, one a window; none where method or source do not tell it."""
    fov_x_rad = [estimate.fov_x_rad for estimate in answers.estimates if estimate.fov_x_rad is not None]
    return np.degrees(np.abs(np.array(fov_x_rad) - intrinsics.fov_x_rad)) if intrinsics is not None else np.array([])


def text_table(
    title: str, headings: Sequence[Sequence[str]], names: Sequence[str], cells: Sequence[Sequence[str]]
) -> list[str]:
    """Lines of a table: a title over the names, two lines of headings over the columns of cells."""
    name_width = max(len(title), *map(len, names))
    widths = [max(map(len, column)) for column in zip(*headings, *cells, strict=True)]
    first_column = ["", title, *names]
    return [
        "  ".join(
            [name.ljust(name_width), *(cell.rjust(width) for cell, width in zip(row, widths, strict=True))]
        ).rstrip()
        for name, row in zip(first_column, [*headings, *cells], strict=True)
    ]
