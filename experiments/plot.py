"""Curves and tables of the experiments, for docs/experiments.md: python -m experiments.plot --figures docs"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Results = dict[str, list[dict]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--figures", type=Path, default=Path("docs"))
    options = parser.parse_args()
    results: Results = defaultdict(list)
    for path in sorted((options.output / "results").glob("seed*/*.json")):
        record = json.loads(path.read_text())
        results[record["name"]].append(record)
    results = dict(sorted(results.items()))
    options.figures.mkdir(parents=True, exist_ok=True)
    plot_pretraining(results, options.figures / "experiments_pretraining.png")
    plot_labels(results, options.figures / "experiments_labels.png")
    print(table(results))
    print(kitti_table(results))


def plot_pretraining(results: Results, path: Path) -> None:
    """Loss, gap and probe of the pretraining runs over steps; one thin line a seed."""
    panels = ("loss", "gap", "yaw_rate_r2", "speed_r2")
    figure, axes = plt.subplots(1, len(panels), figsize=(14, 3.2), constrained_layout=True)
    names = [name for name in results if name.startswith("pretrain")]
    for colour, name in zip(plt.cm.tab10.colors, names, strict=False):
        for number, record in enumerate(results[name]):
            steps = [line["step"] for line in record["curve"]]
            for axis, panel in zip(axes, panels, strict=True):
                values = [line.get(panel, np.nan) for line in record["curve"]]
                axis.plot(steps, values, color=colour, lw=1.2, label=None if number else name)
    for axis, panel in zip(axes, panels, strict=True):
        axis.set(title=panel.replace("_", " "), xlabel="step")
        axis.grid(alpha=0.3)
        if panel.endswith("r2"):
            axis.set_ylim(-0.1, 1.0)
    if names:
        axes[0].legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_labels(results: Results, path: Path) -> None:
    """AUC@5, ATE-M and rotation error on rendered clips at 4 Hz over the share of labels."""
    figures = {"auc_signed": "AUC@5 (signed)", "ate_m": "ATE-M (m)", "median_rotation_error_deg": "rotation (deg)"}
    figure, axes = plt.subplots(1, len(figures), figsize=(11, 3.2), constrained_layout=True)
    for arm in ("frozen", "tuned", "scratch"):
        shares = [share for share in (1, 10, 100) if results.get(f"{arm}_{share}")]
        if not shares:
            continue
        for axis, (key, title) in zip(axes, figures.items(), strict=True):
            values = [[record["rendered"]["4"]["model"][key] for record in results[f"{arm}_{s}"]] for s in shares]
            middle = np.array([np.mean(v) for v in values])
            spread = np.array([[m - min(v), max(v) - m] for m, v in zip(middle, values, strict=True)]).T
            axis.errorbar(shares, middle, yerr=spread, marker="o", capsize=3, label=arm)
            axis.set(title=title, xscale="log", xlabel="labelled clips, % of the whole set")
            axis.grid(alpha=0.3)
    if axes[0].has_data():
        axes[0].legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def table(results: Results) -> str:
    """A Markdown table: mean over seeds and repeats, with the extremes where there are several."""
    keys = ("auc_signed", "ate_m", "median_rotation_error_deg", "median_fov_error_deg")
    lines = ["| run | runs | fps | AUC@5 signed | ATE-M (m) | rotation (deg) | fov (deg) |", "| --- " * 7 + "|"]
    straight: dict[str, dict] = {}
    for name, records in results.items():
        scored = [record["rendered"] for record in records if "rendered" in record]
        for rate in scored[0] if scored else ():
            cells = [_cell([r[rate]["model"][key] for r in scored], "{:.3f}".format) for key in keys]
            lines.append(f"| {name} | {len(scored)} | {rate} | {' | '.join(cells)} |")
            straight[rate] = scored[0][rate]["straight"]
    for rate, row in straight.items():
        cells = [f"{row[key]:.3f}" if key in row else "" for key in keys]
        lines.append(f"| straight ahead, true lengths | | {rate} | {' | '.join(cells)} |")
    return "\n".join(lines)


def kitti_table(results: Results) -> str:
    """The same of zero-shot figures, by sequence and rate: of the pose head alone, and of the model as it runs."""
    keys = ("auc_signed", "median_rotation_error_deg", "median_log_scale_error")
    lines = ["| run | runs | KITTI | head alone: AUC@5 signed | rotation (deg) | log scale | adjusted: AUC@5 signed |"]
    lines.append("| --- " * 7 + "|")
    for name, records in results.items():
        measured = [record["kitti"] for record in records if "kitti" in record]
        for at in [at for at, report in (measured[0] if measured else {}).items() if report]:
            rows = [{row["method"]: row["summary"] for row in reports[at]["rows"]} for reports in measured]
            cells = [_cell([row["head alone"][key] for row in rows], "{:.3f}".format) for key in keys]
            cells.append(_cell([row["lapose"]["auc_signed"] for row in rows], "{:.3f}".format))
            lines.append(f"| {name} | {len(rows)} | {at} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _cell(values: list[float], text: Callable[[float], str]) -> str:
    if len(values) == 1:
        return text(values[0])
    return f"{text(float(np.mean(values)))} [{text(min(values))}, {text(max(values))}]"


if __name__ == "__main__":
    main()
