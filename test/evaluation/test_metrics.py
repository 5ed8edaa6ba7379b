"""The metrics of one clip, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapose_core.evaluation.metrics import (
    auc_binned,
    auc_signed,
    is_parked,
    pair_errors,
    score_clip,
    summarize,
    trajectory_error,
)
from lapose_core.geometry import chain_motions, invert_pose, make_pose, relative_motions

from .numbered_drive import arc

ROTATION_VECTORS = st.lists(st.floats(-1.8, 1.8), min_size=3, max_size=3).map(np.array)
STEPS = 15


def straight(steps: int, step_m: float = 1.0) -> np.ndarray:
    return arc(steps, step_m, yaw_rad=0.0)


def yawed(angle_deg: float) -> np.ndarray:
    return make_pose(np.zeros(3), Rotation.from_rotvec([0, np.radians(angle_deg), 0]).as_quat())


def noisy(motions_S44: np.ndarray, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    rotation = Rotation.from_rotvec(random.normal(size=(len(motions_S44), 3)) * 0.01).as_quat()
    return motions_S44 @ make_pose(random.normal(size=(len(motions_S44), 3)) * 0.05, rotation)


def test_a_perfect_estimate_scores_one_and_no_error() -> None:
    scores = score_clip(arc(STEPS), arc(STEPS))
    assert (scores.auc_binned, scores.auc_signed) == pytest.approx((1, 1), abs=1e-6)
    errors = [scores.ate_s_origin, scores.ate_s_step, scores.ate_m, scores.log_scale_error]
    assert errors == pytest.approx([0, 0, 0, 0], abs=1e-9)
    np.testing.assert_allclose(scores.rotation_errors_S, 0, atol=1e-9)


def test_auc_of_one_pair_by_hand() -> None:
    # 2.5 degrees: recall 0 0 1 1 1 at 1 2 3 4 5 degrees; the exact area is 1 - 2.5 / 5.
    rotation, direction = np.radians([2.5]), np.radians([1.0])
    assert auc_binned(rotation, direction) == pytest.approx(3 / 5)
    assert auc_signed(rotation, direction) == pytest.approx(0.5)
    # The larger error counts, whichever it is.
    assert auc_signed(direction, rotation) == pytest.approx(0.5)


def test_auc_of_several_pairs_by_hand() -> None:
    # Errors 0.5, 4.5 and 7 degrees: recall 1/3 1/3 1/3 1/3 2/3; areas 0.9, 0.1 and 0.
    rotation, direction = np.radians([0.5, 4.5, 7.0]), np.zeros(3)
    assert auc_binned(rotation, direction) == pytest.approx((4 * 1 / 3 + 2 / 3) / 5)
    assert auc_signed(rotation, direction) == pytest.approx((0.9 + 0.1) / 3)


def test_pairs_of_a_clip_with_one_wrong_turn_by_hand() -> None:
    # Three frames; the estimate turns 2 degrees between the last two. Pair (0, 1) is right; the other two are 2 degrees
    # off in rotation, and in none is the direction: the turn happens at the end of the step.
    estimated = straight(2)
    estimated[1] = estimated[1] @ yawed(2.0)
    rotation, direction = pair_errors(chain_motions(estimated), chain_motions(straight(2)))
    np.testing.assert_allclose(np.degrees(rotation), [0, 2, 2], atol=1e-9)
    np.testing.assert_allclose(direction, 0, atol=1e-9)


def test_a_turn_before_the_step_shows_in_the_direction_too() -> None:
    estimated = straight(2)
    estimated[0] = estimated[0] @ yawed(2.0)
    _, direction = pair_errors(chain_motions(estimated), chain_motions(straight(2)))
    # Seen from frame 0 the end lies 1 ahead and then 1 at 2 degrees to the side, so half of that.
    np.testing.assert_allclose(np.degrees(direction), [0, 1, 0], atol=1e-9)


def test_a_reversed_direction_escapes_the_folded_auc_but_not_the_signed_one() -> None:
    scores = score_clip(straight(STEPS, -1.0), straight(STEPS, 1.0))
    assert scores.auc_binned == 1
    assert scores.auc_signed == 0


def test_a_pair_at_rest_is_judged_by_its_rotation_alone() -> None:
    truth = straight(2)
    truth[1] = np.eye(4)
    estimated = truth.copy()
    estimated[1] = yawed(1.0)
    estimated[1][:3, 3] = [0.003, 0.001, 0]
    rotation, direction = pair_errors(chain_motions(estimated), chain_motions(truth))
    assert np.degrees(rotation[2]) == pytest.approx(1)
    assert direction[2] == 0


def test_an_estimate_that_stays_where_the_truth_moves_has_the_worst_direction() -> None:
    still = np.tile(np.eye(4), (STEPS, 1, 1))
    scores = score_clip(still, straight(STEPS))
    assert scores.auc_signed == 0
    assert scores.log_scale_error == pytest.approx(np.log(1e-3))
    assert np.isfinite([scores.ate_s_origin, scores.ate_s_step, scores.ate_m]).all()


def test_trajectory_error_by_hand() -> None:
    # A path of 2 m against one of 4 m along the same line: aligned at the middle, the points are 1, 0 and 1 m off.
    short, long = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([[0.0, 0, 0], [0, 2, 0], [0, 4, 0]])
    assert trajectory_error(short, long) == pytest.approx(np.sqrt(2 / 3))


def test_both_readings_of_ate_s_by_hand() -> None:
    # Steps of 1 and 3 m against 2 and 2 m on a straight line.
    # By the mean step, 2 m in both: positions 0, 0.5, 2 and 0, 1, 2.
    estimated = np.concatenate([straight(1, 1.0), straight(1, 3.0)])
    scores = score_clip(estimated, straight(2, 2.0))
    # Aligned at their means, 5/6 and 1: residuals 1/6, -1/3, 1/6.
    assert scores.ate_s_step == pytest.approx(np.sqrt((1 / 36 + 1 / 9 + 1 / 36) / 3))
    # By the mean distance from the start, (1 + 4) / 2 and (2 + 4) / 2: positions 0, 0.4, 1.6 and 0, 2/3, 4/3.
    residuals = np.array([0, 0.4, 1.6]) - 2 / 3 - (np.array([0, 2 / 3, 4 / 3]) - 2 / 3)
    assert scores.ate_s_origin == pytest.approx(np.sqrt(np.mean(residuals**2)))


@given(st.floats(0.2, 5.0))
def test_a_wrong_scale_alone_shows_only_in_the_scale_error_and_in_metres(factor: float) -> None:
    truth, estimated = arc(STEPS), arc(STEPS)
    estimated[:, :3, 3] *= factor
    scores = score_clip(estimated, truth)
    assert scores.auc_binned == pytest.approx(1)
    assert scores.auc_signed == pytest.approx(1, abs=1e-6)
    assert [scores.ate_s_origin, scores.ate_s_step] == pytest.approx([0, 0], abs=1e-9)
    assert scores.log_scale_error == pytest.approx(np.log(factor), abs=1e-9)
    if abs(factor - 1) > 0.01:
        assert scores.ate_m > 0.01


@given(ROTATION_VECTORS, st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3).map(np.array))
def test_moving_the_whole_world_changes_no_score(vector: np.ndarray, translation: np.ndarray) -> None:
    world = make_pose(translation, Rotation.from_rotvec(vector).as_quat())
    truth = arc(STEPS)
    poses = chain_motions(truth)
    reference = score_clip(noisy(truth), truth)
    moved = score_clip(noisy(truth), relative_motions(world @ poses))
    rebased = score_clip(noisy(truth), relative_motions(invert_pose(poses[3]) @ poses))
    for other in (moved, rebased):
        for name in ("auc_binned", "auc_signed", "ate_s_origin", "ate_s_step", "ate_m", "log_scale_error"):
            assert getattr(other, name) == pytest.approx(getattr(reference, name), abs=1e-6)


@given(ROTATION_VECTORS)
def test_other_axes_on_the_vehicle_change_no_score(vector: np.ndarray) -> None:
    axes = make_pose(np.zeros(3), Rotation.from_rotvec(vector).as_quat())
    truth, estimated = arc(STEPS), noisy(arc(STEPS))
    reference = score_clip(estimated, truth)
    turned = score_clip(axes @ estimated @ invert_pose(axes), axes @ truth @ invert_pose(axes))
    assert turned.auc_signed == pytest.approx(reference.auc_signed, abs=1e-6)
    assert turned.ate_m == pytest.approx(reference.ate_m, abs=1e-9)


@pytest.mark.parametrize("step_m", [0.0, 1.0])
def test_parked_and_exactly_straight_clips_have_finite_scores(step_m: float) -> None:
    # Their points lie on a line or in one place, which leaves the alignment's rotation open.
    scores = score_clip(straight(STEPS, step_m), straight(STEPS, step_m))
    assert [scores.ate_s_origin, scores.ate_s_step, scores.ate_m] == pytest.approx([0, 0, 0], abs=1e-9)
    assert scores.auc_signed == pytest.approx(1)


def test_a_clip_is_parked_below_a_tenth_of_a_metre_a_step() -> None:
    assert is_parked(straight(STEPS, 0.09))
    assert not is_parked(straight(STEPS, 0.11))


def test_the_summary_takes_means_and_medians() -> None:
    half, right = straight(STEPS), straight(STEPS)
    half[:, :3, 3] *= 0.5
    turned = straight(STEPS) @ yawed(1.0)
    summary = summarize([score_clip(estimated, straight(STEPS)) for estimated in (half, right, turned, turned, turned)])
    assert summary.median_rotation_error_deg == pytest.approx(1.0)
    assert summary.median_log_scale_error == pytest.approx(0, abs=1e-9)
    assert summary.auc_signed == pytest.approx((2 + 3 * score_clip(turned, right).auc_signed) / 5)
