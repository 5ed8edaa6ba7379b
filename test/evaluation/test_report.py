"""The evaluation of a model on a source, from images to the table."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from lapose_core.errors import LaposeError
from lapose_core.evaluation.report import evaluate
from lapose_core.geometry import make_pose, quaternion_of

from .numbered_drive import KnowingBackend, NumberedDrive, arc


def scaled(motions_S44: np.ndarray, factor: float) -> np.ndarray:
    """The same rotations and factor times the translations; -1 puts ahead behind."""
    return make_pose(factor * motions_S44[:, :3, 3], quaternion_of(motions_S44))


@pytest.fixture
def drive() -> NumberedDrive:
    """100 frames at 10 Hz, a metre a frame, through most of a circle's third."""
    return NumberedDrive(arc(99))


def test_a_model_that_knows_the_truth_is_perfect_and_the_baseline_is_not(drive: NumberedDrive) -> None:
    report = evaluate(drive, KnowingBackend(drive.poses.poses), 5.0, progress=False)
    model, baseline, *_ = report.rows
    assert (model.method, baseline.method) == ("lapose", "straight ahead, true step lengths")
    assert model.summary.auc_binned == pytest.approx(1)
    assert model.summary.auc_signed == pytest.approx(1, abs=1e-4)
    assert model.summary.ate_m == pytest.approx(0, abs=1e-5)
    assert model.drift.translation_percent == pytest.approx(0, abs=1e-4)
    # Field of view of the whole image from that of the crop, which is the same here: 160x80 has the model's aspect.
    assert model.median_fov_error_deg == pytest.approx(0, abs=1e-6)

    assert baseline.summary.median_rotation_error_deg == pytest.approx(np.degrees(0.04), rel=1e-6)
    assert baseline.summary.median_log_scale_error == pytest.approx(0, abs=1e-9)
    assert baseline.median_fov_error_deg is None
    assert baseline.drift.rotation_deg_per_m == pytest.approx(np.degrees(0.02), rel=0.05)
    assert baseline.summary.auc_binned < 0.3


def test_a_scale_error_and_a_reversed_direction_show_where_they_should(drive: NumberedDrive) -> None:
    doubling = KnowingBackend(drive.poses.poses, partial(scaled, factor=2.0))
    row = evaluate(drive, doubling, 10.0, progress=False).rows[0]
    assert row.summary.auc_signed == pytest.approx(1, abs=1e-4)
    assert row.summary.median_log_scale_error == pytest.approx(np.log(2))
    assert row.drift.end_percent > 50

    straight = NumberedDrive(arc(40, yaw_rad=0.0))
    reversing = KnowingBackend(straight.poses.poses, partial(scaled, factor=-1.0))
    row = evaluate(straight, reversing, 10.0, progress=False).rows[0]
    assert row.summary.auc_binned == 1
    assert row.summary.auc_signed == 0


def test_what_is_told_of_the_camera_has_rows_of_its_own(drive: NumberedDrive) -> None:
    def told(source: NumberedDrive, camera_height_m: float | None) -> list[str]:
        backend = KnowingBackend(source.poses.poses)
        report = evaluate(source, backend, 5.0, camera_height_m=camera_height_m, progress=False)
        return [row.method for row in report.rows if row.method.startswith("lapose, known")]

    assert told(drive, None) == ["lapose, known camera"]
    assert told(drive, 1.6) == ["lapose, known camera", "lapose, known camera and height"]
    drive.intrinsics = None
    assert told(drive, 1.6) == ["lapose, known height"]


def test_the_last_row_is_the_model_that_has_seen_the_drive_so_far(drive: NumberedDrive) -> None:
    report = evaluate(drive, KnowingBackend(drive.poses.poses), 5.0, progress=False)
    assert report.rows[-1].method == "lapose, camera learned on the drive"
    assert report.rows[-1].summary == report.rows[0].summary  # nothing is matched, so nothing is learned


def test_each_frame_is_tokenized_once_and_each_pair_compared_once(drive: NumberedDrive) -> None:
    backend = KnowingBackend(drive.poses.poses)
    evaluate(drive, backend, 5.0, progress=False)
    assert backend.tokenized == 100
    # Every frame with the second next one; windows and the sequence share them.
    assert backend.compared == 98
    assert drive.passes == 2


def test_windows_and_frames_that_are_left_out_are_counted() -> None:
    # 40 frames parked, 60 under way; three cannot be decoded, and the truth ends early.
    drive = NumberedDrive(np.concatenate([arc(40, 0.0, 0.0), arc(60)]), missing=frozenset({70, 71, 72}))
    truth = drive.poses.poses
    drive.poses = drive.poses.select(slice(0, 98))
    report = evaluate(drive, KnowingBackend(truth), 10.0, progress=False)
    assert report.frames == 98
    assert report.frames_undecodable == 3
    assert report.frames_without_pose == 3
    # Windows begin at frames 0 to 69 and 73 to 82.
    # Those from 55 to 69 miss a frame; those from 0 to 26 move by one step at most.
    assert report.left_out_gaps == 15
    assert report.left_out_parked == 27
    assert report.windows == 38


def test_the_table_and_the_json_hold_the_figures(drive: NumberedDrive) -> None:
    report = evaluate(drive, KnowingBackend(drive.poses.poses), 5.0, stride=3, progress=False)
    text = str(report)
    assert "straight ahead, true step lengths" in text
    assert f"{report.windows} windows of 16 frames, one from every 3 frames" in text
    assert "nan" not in text
    data = json.loads(report.to_json())
    assert data["rate_hz"] == 5.0
    assert data["rows"][1]["summary"]["auc_binned"] == report.rows[1].summary.auc_binned
    assert data["rows"][1]["median_fov_error_deg"] is None


def test_a_source_without_truth_that_is_short_or_parked_ends_in_one_line(drive: NumberedDrive) -> None:
    backend = KnowingBackend(drive.poses.poses)
    with pytest.raises(
        LaposeError, match=r"numbered drive: too short: 16 frames at 1 Hz need 15.0 s, but there are 9.9 s"
    ):
        evaluate(drive, backend, 1.0, progress=False)
    with pytest.raises(LaposeError, match=r"moves 0.1 m a step"):
        evaluate(NumberedDrive(arc(30, 0.0, 0.0)), backend, 10.0, progress=False)
    drive.poses = None
    with pytest.raises(LaposeError, match="numbered drive has no true poses: give a KITTI sequence folder"):
        evaluate(drive, backend, 1.0, progress=False)
