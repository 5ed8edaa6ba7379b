"""docs/accuracy.md, from what was measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.measurements import Findings
from benchmarks.measure import machine
from lapose_core.evaluation.measure import Measured
from lapose_core.evaluation.method import KNOWN_CAMERA, KNOWN_HEIGHT, LEARNED_CAMERA
from lapose_core.evaluation.metrics import summarize
from lapose_core.evaluation.report import fov_errors_deg, report_of

_ROWS = {
    "auc_binned": "AUC@5 binned",
    "auc_signed": "AUC@5 signed",
    "median_rotation_error_deg": "rotation, deg",
    "median_log_scale_error": "log scale",
    "ate_s_origin": "ATE-S",
    "ate_m": "ATE-M, m",
}


def write_document(found: Findings, path: Path) -> None:
    """Write the page; the plots lie beside it."""
    lines = [
        "# Accuracy",
        "",
        "Made by `make accuracy` (`python -m benchmarks.accuracy`); do not edit. 16-frame windows, camera and image",
        "size unknown to the model but where it says so; what each baseline is told, its name says. No picture here",
        "was trained on. Figures",
        "of real windows are over all KITTI sequences of the data folder long enough for a window at that rate.",
        "",
        f"{datetime.date.today()}, backend {found.backend}, {machine()['cpu']}.",
        "",
        "## Against the targets",
        "",
        *_targets(found),
        "",
        "## Real drives",
        "",
        *_pooled(found.real),
        "",
        "![share of pairs below an error](accuracy_recall.png)",
        "",
        "![error against frame rate](accuracy_rates.png)",
        "",
        "![trajectories](accuracy_trajectories.png)",
        "",
        "## By sequence",
        "",
        *_by_source(found.real | found.rendered),
        "",
        "## Whether the covariances hold",
        "",
        "Share of the errors (%) inside the ellipsoids that are to hold 50, 90 and 99 % of them.",
        "",
        *_coverage(found.real | found.rendered),
        "",
        "## By condition",
        "",
        "Rendered clips of one condition each (`lapose evaluate --conditions`). What the rows of ORB are told is in",
        "their names.",
        "",
        *_conditions(found),
        "",
        "## Speed against a GPS",
        "",
        *_speed(found),
        "",
        "## The worst real windows",
        "",
        "Smallest signed AUC at 4.8 and 1.9 Hz, the worst of overlapping ones: first, middle, last frame.",
        "",
        "![the worst windows](accuracy_worst.jpg)",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def _at(sources: dict[tuple[str, float], Measured], rate_hz: float) -> list[Measured]:
    return [measured for (_, rate), measured in sources.items() if rate == rate_hz]


def _pool(some: list[Measured], number: int) -> list:
    return [score for measured in some for score in measured.methods[number].scores]


def _targets(found: Findings) -> list[str]:
    slow, usual = _at(found.real, 1.9), _at(found.real, 4.8)
    rows: list[tuple[str, str, list[float], float]] = []
    for some, label in ((slow, "real, 1.9 Hz"), (usual, "real, 4.8 Hz")):
        if not some:
            continue
        others = [_row_of(some, name) for name in (KNOWN_CAMERA, KNOWN_HEIGHT, LEARNED_CAMERA)]
        pools = [_pool(some, number) for number in (0, *others)]
        summaries = [summarize(pool) for pool in pools]
        rows.append(("AUC@5 binned", label, [each.auc_binned for each in summaries], 0.90 if some is slow else 0.92))
        if some is slow:
            rows.append(("AUC@5 signed", label, [each.auc_signed for each in summaries], 0.80))
            rows.append(("ATE-S", label, [each.ate_s_origin for each in summaries], 0.012))
            rows.append(("ATE-M, m", label, [each.ate_m for each in summaries], 0.6))
        scales = [float(np.mean([abs(score.log_scale_error) for score in pool])) for pool in pools]
        rows.append(("log scale, mean absolute", label, scales, 0.06))
        fovs = [_mean_fov_error_deg(some, number) for number in (0, others[-1])]
        rows.append(("field of view, mean error, deg", label, [fovs[0], nan, nan, fovs[1]], 3.0))
    if found.speed is not None:
        rows.append(
            ("log speed, mean absolute", found.speed.name, [float(np.mean(np.abs(found.speed.log_error_N)))], 0.06)
        )
    for rate_hz, report in found.conditions.items():
        for name in ("reversing", "sharp_turns", "rain", "fog", "night", "dense_traffic"):
            figures = [
                row.summary.auc_signed for row in report.conditions[name].rows if row.method.startswith("lapose")
            ]
            if figures:
                rows.append(("AUC@5 signed", f"rendered, {name}, {rate_hz:g} Hz", figures, 0.90))
    return _table(
        ["measure", "where", "model", "target", "", "told the camera", "and its height", "camera learned"],
        [
            [
                measure,
                where,
                f"{values[0]:.3f}",
                f"{target:g}",
                "met" if _is_met(measure, values[0], target) else "missed",
                *(f"{values[n]:.3f}" if len(values) > n and not isnan(values[n]) else "" for n in (1, 2, 3)),
            ]
            for measure, where, values, target in rows
        ],
    )


def _shown(rows: Sequence[Any]) -> list[Any]:
    """The model, going straight ahead, the reference, and the models that know more of the camera."""
    return [*rows[:3], *(row for row in rows if row.method in (KNOWN_CAMERA, KNOWN_HEIGHT, LEARNED_CAMERA))]


def _row_of(some: list[Measured], method: str) -> int:
    return [answers.method for answers in some[0].methods].index(method)


def _is_met(measure: str, value: float, target: float) -> bool:
    return value >= target if measure.startswith("AUC") else value <= target


def _mean_fov_error_deg(some: list[Measured], number: int) -> float:
    errors = [fov_errors_deg(measured.methods[number], measured.intrinsics) for measured in some]
    return float(np.mean(np.concatenate(errors)))


def _pooled(sources: dict[tuple[str, float], Measured]) -> list[str]:
    rows = []
    for rate_hz in sorted({rate for _, rate in sources}, reverse=True):
        some = _at(sources, rate_hz)
        for number, answers in enumerate(some[0].methods):
            scores = _pool(some, number)
            summary = summarize(scores)
            values = [f"{getattr(summary, key):.3f}" for key in _ROWS]
            rows.append([f"{rate_hz:g}", str(len(scores)), answers.method, *values])
    return _table(["Hz", "windows", "method", *_ROWS.values()], rows)


def _by_source(sources: dict[tuple[str, float], Measured]) -> list[str]:
    rows = []
    for (name, rate_hz), measured in sources.items():
        report = report_of(measured)
        for row in _shown(report.rows):
            values = [f"{getattr(row.summary, key):.3f}" for key in _ROWS]
            fov = "" if row.median_fov_error_deg is None else f"{row.median_fov_error_deg:.1f}"
            drift = "" if row.drift is None else f"{row.drift.translation_percent:.1f}"
            rows.append([name, f"{rate_hz:g}", str(report.windows), row.method, *values, fov, drift])
    return _table(["source", "Hz", "windows", "method", *_ROWS.values(), "fov, deg", "drift, %"], rows)


def _coverage(sources: dict[tuple[str, float], Measured]) -> list[str]:
    rows = []
    for (name, rate_hz), measured in sources.items():
        coverage = report_of(measured).rows[0].coverage
        if coverage is not None:
            parts = (coverage.motion, coverage.translation, coverage.rotation)
            cells = [" / ".join(f"{100 * share:.0f}" for share in part) for part in parts]
            rows.append([name, f"{rate_hz:g}", str(coverage.steps), *cells])
    return _table(["source", "Hz", "steps", "motion", "translation", "rotation"], rows)


def _conditions(found: Findings) -> list[str]:
    rows = []
    for rate_hz, report in found.conditions.items():
        for name, figures in report.conditions.items():
            for row in _shown(figures.rows):
                if row.summary is not None:
                    values = [f"{getattr(row.summary, key):.3f}" for key in _ROWS]
                    rows.append([name, f"{rate_hz:g}", str(figures.clips), row.method, *values])
    return _table(["condition", "Hz", "clips", "method", *_ROWS.values()], rows)


def _speed(found: Findings) -> list[str]:
    if found.speed is None:
        return ["No clip with a GPS in the data folder."]
    error_N, speed = found.speed.log_error_N, found.speed
    return [
        f"`{speed.name}`, {len(error_N)} seconds above 3 m/s: log of estimated over GPS speed, mean "
        f"{np.mean(error_N):+.3f}, mean absolute {np.mean(np.abs(error_N)):.3f}, median absolute "
        f"{np.median(np.abs(error_N)):.3f}; the GPS lags by {speed.lag_s:g} s.",
    ]
