"""Plots of what was measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np

from benchmarks.accuracy.measurements import Findings
from lapose_core.evaluation.measure import Answers, Measured
from lapose_core.evaluation.method import LEARNED_CAMERA
from lapose_core.evaluation.metrics import pair_errors, summarize
from lapose_core.geometry import chain_motions

matplotlib.use("Agg")
import matplotlib.pyplot as plt

#: By the number of the method.
_COLOURS = ("tab:blue", "0.55", "tab:red", "tab:orange", "tab:brown", "tab:cyan", "tab:purple")
_LEARNED_COLOUR = "tab:green"


def draw_plots(found: Findings, folder: Path) -> None:
    """Write accuracy_*.png, and accuracy_worst.jpg, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _recall(found, folder / "accuracy_recall.png")
    _rates(found, folder / "accuracy_rates.png")
    _trajectories(found, folder / "accuracy_trajectories.png")
    _worst(found, folder / "accuracy_worst.jpg")


def recall(measured: list[Measured], number: int, limits_deg: np.ndarray) -> np.ndarray:
    """Share of all pairs of frames of all windows whose larger error stays below each limit, directions signed."""
    errors = []
    for one in measured:
        answers = one.methods[number]
        for estimate, truth_S44 in zip(answers.estimates, one.true_motions(), strict=True):
            pair = pair_errors(chain_motions(estimate.motions_S44), chain_motions(truth_S44))
            errors.append(np.degrees(np.maximum(*pair)))
    return np.mean(np.concatenate(errors)[:, None] <= limits_deg, axis=0)


def _recall(found: Findings, path: Path) -> None:
    limits_deg = np.linspace(0, 10, 101)
    rates = (4.8, 1.9)
    figure, axes = plt.subplots(2, len(rates), figsize=(10, 7), sharex=True, sharey=True, constrained_layout=True)
    for row, (title, sources) in enumerate((("real (KITTI)", found.real), ("rendered drives", found.rendered))):
        for axis, rate_hz in zip(axes[row], rates, strict=True):
            some = [measured for (_, rate), measured in sources.items() if rate == rate_hz]
            if not some:
                continue
            for number, answers in enumerate(some[0].methods):
                shares = recall(some, number, limits_deg)
                axis.plot(limits_deg, shares, color=_colour(number, answers.method), label=answers.method)
            axis.axvline(5, color="0.8", lw=1)
            axis.set(title=f"{title}, {rate_hz:g} Hz", xlim=(0, 10), ylim=(0, 1))
            axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7, loc="lower right")
    figure.supxlabel("error of a pair of frames, the larger of rotation and direction (degrees)")
    figure.supylabel("share of pairs below")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _colour(number: int, method: str) -> str:
    return _LEARNED_COLOUR if method == LEARNED_CAMERA else _COLOURS[number]


def _rates(found: Findings, path: Path) -> None:
    panels = {
        "auc_binned": "AUC@5 binned",
        "median_rotation_error_deg": "rotation, median deg a step",
        "median_log_scale_error": "|log scale|, median",
    }
    sources = {"real": found.real, "rendered": found.rendered}
    figure, axes = plt.subplots(len(sources), len(panels), figsize=(12, 6), constrained_layout=True)
    for row, (title, of_source) in zip(axes, sources.items(), strict=True):
        rates = sorted({rate for _, rate in of_source})
        for axis, (key, label) in zip(row, panels.items(), strict=True):
            for number in range(len(next(iter(of_source.values())).methods)):
                answers = [
                    [measured.methods[number] for (_, r), measured in of_source.items() if r == rate] for rate in rates
                ]
                values = [getattr(summarize(_scores(some)), key) for some in answers]
                name = answers[0][0].method
                axis.plot(rates, values, "o-", color=_colour(number, name), label=name)
            axis.set(title=f"{title}: {label}", xscale="log", xticks=rates, xticklabels=[f"{r:g}" for r in rates])
            axis.minorticks_off()
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=6)
    figure.supxlabel("frames a second")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _scores(answers: list[Answers]) -> list:
    return [score for one in answers for score in one.scores]


def _trajectories(found: Findings, path: Path) -> None:
    drives = {name: m for (name, rate), m in (found.real | found.rendered).items() if rate == 4.8}
    columns = 3
    rows = -(-len(drives) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(12, 4 * rows), constrained_layout=True, squeeze=False)
    for axis, (name, measured) in zip(axes.flat, drives.items(), strict=False):
        truth_N44 = measured.truth.poses[measured.sequence_N]
        truth_N44 = np.linalg.inv(truth_N44[0]) @ truth_N44
        for number in (2, 0):
            if number < len(measured.methods):
                answers = measured.methods[number]
                poses_N44 = answers.sequence_poses_N44
                axis.plot(poses_N44[:, 0, 3], poses_N44[:, 2, 3], color=_COLOURS[number], lw=2, label=answers.method)
        axis.plot(truth_N44[:, 0, 3], truth_N44[:, 2, 3], "k--", lw=1.2, label="truth")
        axis.set(title=f"{name}, 4.8 Hz", aspect="equal")
        axis.set_adjustable("datalim")
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    figure.supxlabel("right of the start (m); frame by frame, never aligned")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _worst(found: Findings, path: Path) -> None:
    strips = []
    for window in found.worst:
        thumbnails = [_thumbnail(image) for image in window.images]
        strip = np.concatenate(thumbnails, axis=1)
        text = (
            f"{window.source} at {window.rate_hz:g} Hz from frame {window.first_frame}: AUC signed "
            f"{window.auc_signed:.2f}, rotation {window.rotation_deg:.2f} deg a step, log scale {window.log_scale:+.2f}"
        )
        banner = np.full((22, strip.shape[1], 3), 255, np.uint8)
        cv2.putText(banner, text, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        strips += [banner, strip]
    if strips:
        cv2.imwrite(str(path), np.concatenate(strips)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])


def _thumbnail(image_HWC: np.ndarray, width: int = 300, height: int = 92) -> np.ndarray:
    scale = max(width / image_HWC.shape[1], height / image_HWC.shape[0])
    small = cv2.resize(image_HWC, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (small.shape[0] - height) // 2, (small.shape[1] - width) // 2
    return small[top : top + height, left : left + width]
