"""Evaluate a model on rendered drives by condition, beside the baselines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from lapose_core.data.source import Intrinsics
from lapose_core.evaluation.baselines import baselines
from lapose_core.evaluation.clips import ClipsFigures, ClipsRow, score_clips
from lapose_core.evaluation.method import Method, model_methods
from lapose_core.evaluation.metrics import PARKED_STEP_M
from lapose_core.evaluation.report import text_table
from lapose_core.evaluation.windows import CLIP_LENGTH
from lapose_core.runtime.backends.backend import Backend
from lapose_core.world.clips import Clips
from lapose_core.world.conditions import CONDITIONS, check_condition, condition_clips


@dataclass(frozen=True)
class ConditionsReport:
    """Figures by condition; `print(report)` gives a table.

    Attributes:
        backend: what ran the model.
        rate_hz: frames a second.
        conditions: figures by the condition's name; the model's row comes first.
    """

    backend: str
    rate_hz: float
    conditions: dict[str, ClipsFigures]

    def to_json(self) -> str:
        """All figures as a JSON object; null where there is none."""
        return json.dumps(dataclasses.asdict(self), indent=2, allow_nan=False)

    def __str__(self) -> str:
        columns = ["clips", "AUC@5", "AUC@5", "ATE-S", "ATE-M", "rotation", "|log scale|", "fov"]
        units = ["", "binned", "signed", "origin", "m", "median deg", "median", "median deg"]
        names, cells = [], []
        for name, figures in self.conditions.items():
            for row in figures.rows:
                names.append(f"{name}: {row.method}")
                cells.append([str(figures.clips), *_cells(row)])
        parked = sum(figures.left_out_parked for figures in self.conditions.values())
        return "\n".join(
            [
                f"rendered drives by condition at {self.rate_hz:g} Hz ({self.backend})",
                f"clips of {CLIP_LENGTH} frames; left out: {parked} that move < {PARKED_STEP_M} m a step",
                "",
                *text_table("over the clips", [columns, units], names, cells),
            ]
        )


def evaluate_conditions(
    backend: Backend, rate_hz: float, names: Sequence[str] = (), *, clips: int = 24, progress: bool = True
) -> ConditionsReport:
    """Compare the model with the true motions of rendered 16-frame clips, which are drawn at the model's own size.

    Args:
        backend: the model.
        rate_hz: frames a second.
        names: conditions (`lapose_core.world.conditions`); all of them by default.
        clips: of each condition.
        progress: show a progress bar.

    Raises:
        LaposeError: there is no such condition, or numba is missing.
    """
    names = list(dict.fromkeys(names)) or list(CONDITIONS)
    for name in names:
        check_condition(name)
    from lapose_core.world.render_cpu import render

    def draw(some: Clips) -> np.ndarray:
        return render(some, backend.config.image_height, backend.config.image_width)

    def methods_for(intrinsics: Intrinsics | None) -> list[Method]:
        unknown, *known = model_methods(backend, intrinsics)
        return [unknown, *baselines(intrinsics), *known]

    with tqdm(total=len(names) * clips, unit="clip", disable=not progress) as bar:

        def counted(name: str) -> Iterator[Clips]:
            bar.set_description(name)
            for some in condition_clips(name, clips, rate_hz, CLIP_LENGTH):
                yield some
                bar.update()

        figures = {name: score_clips(counted(name), methods_for, draw) for name in names}
    return ConditionsReport(backend.name, rate_hz, figures)


def _cells(row: ClipsRow) -> list[str]:
    summary = row.summary
    return [
        f"{summary.auc_binned:.3f}",
        f"{summary.auc_signed:.3f}",
        f"{summary.ate_s_origin:.4f}",
        f"{summary.ate_m:.3f}",
        f"{summary.median_rotation_error_deg:.3f}",
        f"{summary.median_log_scale_error:.3f}",
        "-" if row.median_fov_error_deg is None else f"{row.median_fov_error_deg:.2f}",
    ]
