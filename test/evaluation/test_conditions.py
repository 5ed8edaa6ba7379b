"""The evaluation on rendered drives by condition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.source import Intrinsics
from lapose_core.errors import LaposeError
from lapose_core.evaluation.baselines import StraightAhead
from lapose_core.evaluation.clips import score_clips
from lapose_core.evaluation.conditions import evaluate_conditions
from lapose_core.evaluation.method import ClipEstimate
from lapose_core.runtime.backends.open import open_backend
from lapose_core.world.clips import Clips
from lapose_core.world.conditions import CONDITIONS, condition_clips


class Knowing:
    """Looks at the truth; counts what it is shown."""

    name = "knowing"

    def __init__(self) -> None:
        self.described, self.compared = [], []

    def describe(self, image_HWC: np.ndarray) -> int:
        self.described.append(image_HWC)
        return len(self.described) - 1

    def compare(self, previous: int, current: int, interval_s: float) -> float:
        assert current == previous + 1
        self.compared.append(interval_s)
        return interval_s

    def estimate(self, steps: list[float], intervals_S: np.ndarray, truth_S44: np.ndarray) -> ClipEstimate:
        assert steps == pytest.approx(intervals_S)
        return ClipEstimate(truth_S44, fov_x_rad=1.0)


def _grey(clips: Clips) -> np.ndarray:
    B, T = clips.stamps_ns_BT.shape
    return np.zeros((B, T, 3, 8, 16), np.uint8)


def test_who_knows_the_truth_is_perfect_and_the_baseline_is_not():
    clips = list(condition_clips("sharp_turns", 3, 4.0))
    knowing = Knowing()
    figures = score_clips(clips, lambda _: [knowing, StraightAhead()], _grey)
    assert (figures.clips, figures.left_out_parked) == (3, 0)
    assert len(knowing.described) == 3 * 16 and knowing.described[0].shape == (8, 16, 3)
    assert knowing.compared == pytest.approx([0.25] * 45)
    perfect, straight = figures.rows
    assert (perfect.method, straight.method) == ("knowing", StraightAhead.name)
    assert perfect.summary.auc_binned == 1.0 and perfect.summary.ate_m == pytest.approx(0, abs=1e-6)
    assert perfect.median_fov_error_deg == pytest.approx(
        np.median([abs(np.degrees(1.0 - some.fov_x_B[0])) for some in clips])
    )
    assert straight.summary.auc_binned < 0.9 and straight.median_fov_error_deg is None


def test_methods_are_told_each_clips_camera():
    clips = list(condition_clips("clear", 2, 4.0))
    told = []

    def methods_for(intrinsics: Intrinsics) -> list[StraightAhead]:
        told.append(intrinsics)
        return [StraightAhead()]

    score_clips(clips, methods_for, _grey)
    assert [camera.fov_x_rad for camera in told] == pytest.approx([float(some.fov_x_B[0]) for some in clips])
    assert told[0].cx != 8 and (told[0].width, told[0].height) == (16, 8)


def test_parked_clips_are_counted_and_not_drawn():
    some = next(condition_clips("clear", 1, 4.0))
    parked = Clips(**{**vars(some), "pose_world_camera_BT44": some.pose_world_camera_BT44[:, :1].repeat(16, 1)})

    def never(clips: Clips) -> np.ndarray:
        raise AssertionError("drawn")

    figures = score_clips([parked], lambda _: [StraightAhead()], never)
    assert (figures.clips, figures.left_out_parked, figures.rows) == (0, 1, ())


def test_a_shipped_kind_of_model_is_measured_by_condition(tiny_model_dir: Path):
    backend = open_backend(tiny_model_dir, "onnxruntime")
    report = evaluate_conditions(backend, 4.0, ["night", "rain"], clips=2, progress=False)
    assert list(report.conditions) == ["night", "rain"]
    assert all(figures.clips + figures.left_out_parked == 2 for figures in report.conditions.values())
    assert "night: lapose" in str(report) and "rain: straight ahead, true step lengths" in str(report)
    written = json.loads(report.to_json())
    assert written["backend"] == "onnxruntime" and written["rate_hz"] == 4.0
    model, straight, *others = written["conditions"]["night"]["rows"]
    assert {row["method"] for row in others} >= {"ORB + five-point, known camera"}
    assert 0 <= model["summary"]["auc_binned"] <= 1 and straight["summary"]["median_log_scale_error"] == 0


def test_an_unknown_condition_is_refused_before_anything_is_drawn(tiny_model_dir: Path):
    with pytest.raises(LaposeError, match=f"no condition 'hail': choose from {', '.join(CONDITIONS)}"):
        evaluate_conditions(open_backend(tiny_model_dir, "onnxruntime"), 4.0, ["rain", "hail"], progress=False)
