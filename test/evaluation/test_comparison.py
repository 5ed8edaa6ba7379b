"""Comparing the trajectory of a run with the true one, and the picture of both."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lapose_core.errors import LaposeError
from lapose_core.evaluation.comparison import compare_trajectories
from lapose_core.geometry import Trajectory, chain_motions
from lapose_core.plot import plot_comparison

from .numbered_drive import arc


def trajectory(motions_S44: np.ndarray, period_s: float, start_s: float = 0.0) -> Trajectory:
    poses = chain_motions(motions_S44)
    return Trajectory(np.round((start_s + np.arange(len(poses)) * period_s) * 1e9), poses)


@pytest.fixture
def truth() -> Trajectory:
    """22 s at 50 Hz, 10 m/s, in some frame of the world."""
    path = trajectory(arc(1100, 0.2, 0.002), 0.02)
    return Trajectory(path.stamps_ns, chain_motions(arc(2, 50.0, 1.0))[-1] @ path.poses)


def test_a_run_on_the_truth_is_perfect_though_stamps_and_frames_differ(truth: Trajectory) -> None:
    # 5 Hz, between the truth's stamps, in a frame of its own, and beginning a second before the truth does.
    estimated = truth.at(np.arange(101) * 200_000_000 + 7_000_000).rebased()
    truth = truth.select(slice(50, None))
    comparison = compare_trajectories(estimated, truth, rate_hz=5.0)
    assert comparison.summary.auc_binned == pytest.approx(1)
    assert comparison.summary.auc_signed == pytest.approx(1, abs=1e-4)
    assert comparison.summary.ate_m == pytest.approx(0, abs=1e-6)
    assert comparison.drift.end_percent == pytest.approx(0, abs=1e-6)
    assert comparison.drift.distance_m == pytest.approx(95 * 2, rel=1e-3)
    assert comparison.windows == 96 - 15


def test_a_stop_is_left_out_and_a_scale_error_is_drift() -> None:
    motions = np.concatenate([arc(60, 2.0), arc(40, 0.0, 0.0), arc(60, 2.0)])
    estimated = motions.copy()
    estimated[:, :3, 3] *= 1.05
    comparison = compare_trajectories(trajectory(estimated, 0.2), trajectory(motions, 0.2), rate_hz=5.0)
    assert comparison.left_out_parked == 40 - 15 + 1
    assert comparison.drift.translation_percent == pytest.approx(5, abs=0.5)
    assert "AUC@5   1.000" in str(comparison)


def test_runs_that_share_no_time_with_the_truth_or_are_short_are_told(truth: Trajectory) -> None:
    with pytest.raises(LaposeError, match="share no time"):
        compare_trajectories(trajectory(arc(50), 0.2, start_s=100.0), truth, rate_hz=5.0)
    with pytest.raises(LaposeError, match=r"need 3.0 s, but there are 2.0 s"):
        compare_trajectories(trajectory(arc(10), 0.2), truth, rate_hz=5.0)


@pytest.mark.parametrize("with_truth", [True, False])
def test_a_picture_is_written_with_and_without_truth(tmp_path: Path, truth: Trajectory, with_truth: bool) -> None:
    estimated = trajectory(arc(90, 2.1, 0.021), 0.2)
    plot_comparison(tmp_path / "trajectory.png", estimated, truth if with_truth else None, "a drive")
    picture = cv2.imread(str(tmp_path / "trajectory.png"))
    assert picture.shape[1] > 1000
    assert picture.std() > 5


def test_even_a_single_pose_can_be_drawn(tmp_path: Path) -> None:
    plot_comparison(tmp_path / "trajectory.png", Trajectory([0], [np.eye(4)]))
    assert (tmp_path / "trajectory.png").exists()
