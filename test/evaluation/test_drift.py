"""Drift over sub-sequences, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.evaluation.drift import KITTI_LENGTHS_M, measure_drift, segment_lengths
from lapose_core.geometry import chain_motions

from .numbered_drive import arc


def test_the_benchmarks_lengths_are_used_where_they_fit_and_fractions_on_short_drives() -> None:
    assert segment_lengths(5000.0) == KITTI_LENGTHS_M
    assert segment_lengths(350.0) == (100.0, 200.0, 300.0)
    assert segment_lengths(50.0) == (5, 10, 15, 20, 25, 30, 35, 40)
    assert segment_lengths(0.0) == ()


def test_a_scale_that_is_ten_percent_long_drifts_ten_percent_on_a_straight_road() -> None:
    drift = measure_drift(chain_motions(arc(400, 1.1, 0.0)), chain_motions(arc(400, 1.0, 0.0)))
    assert drift.translation_percent == pytest.approx(10)
    assert drift.end_percent == pytest.approx(10)
    assert drift.rotation_deg_per_m == pytest.approx(0, abs=1e-9)
    assert drift.distance_m == pytest.approx(400)
    # 301 + 201 + 101 + 1 starts leave room for 100, 200, 300 and 400 m.
    assert drift.lengths_m == (100, 200, 300, 400)
    assert drift.segments == 301 + 201 + 101 + 1


def test_a_yaw_that_is_off_by_a_hundredth_of_a_degree_a_metre_is_measured_as_that() -> None:
    bent = chain_motions(arc(300, 1.0, np.radians(0.01)))
    drift = measure_drift(bent, chain_motions(arc(300, 1.0, 0.0)))
    assert drift.rotation_deg_per_m == pytest.approx(0.01)


def test_moving_the_worlds_of_estimate_and_truth_changes_nothing() -> None:
    estimated, truth = chain_motions(arc(150, 1.02, 0.021)), chain_motions(arc(150, 1.0, 0.02))
    world = chain_motions(arc(3, 7.0, 1.0))[-1]
    reference, moved = measure_drift(estimated, truth), measure_drift(world @ estimated, world @ world @ truth)
    assert moved.translation_percent == pytest.approx(reference.translation_percent)
    assert moved.rotation_deg_per_m == pytest.approx(reference.rotation_deg_per_m)
    assert moved.end_percent == pytest.approx(reference.end_percent)


def test_a_parked_drive_has_no_drift() -> None:
    parked = chain_motions(arc(50, 0.0, 0.0))
    assert measure_drift(parked, parked) is None
