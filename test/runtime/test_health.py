"""What a vehicle's monitor is told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lapose_core.motion import Motion
from lapose_core.runtime.colours import position_deviation, uncertainty_colours
from lapose_core.runtime.health import Health, Level, check_camera, check_model
from lapose_core.runtime.memory import gpu_memory_bytes, memory_bytes
from lapose_core.runtime.statistics import Newest, Rate, Statistics, TrackingState

MOTION = Motion(0, 250_000_000, np.eye(4), 1e-4 * np.eye(6), 0.1, 1.0, 1.2, np.zeros(50, np.float32))


@pytest.fixture
def statistics() -> Statistics:
    """After 20 images at 10 Hz, the last at 2 s, each second one processed."""
    statistics = Statistics()
    for index in range(1, 21):
        statistics.images.add(0.1 * index)
    statistics.counts.received, statistics.counts.processed, statistics.counts.left_out = 20, 10, 10
    statistics.motion = MOTION
    return statistics


def test_newest_numbers_give_last_mean_and_max_and_forget_old_ones() -> None:
    numbers = Newest()
    assert (numbers.last, numbers.mean, numbers.max) == (0.0, 0.0, 0.0)
    for number in [50.0, *[1.0] * 99, 3.0]:
        numbers.add(number)
    assert (numbers.last, numbers.mean, numbers.max) == (3.0, 1.02, 3.0)


def test_rate_is_that_of_the_newest_and_falls_to_zero_when_they_stop() -> None:
    rate = Rate()
    assert rate.hz(0.0) == 0.0
    for index in range(300):
        rate.add(index / 30)
    assert rate.hz(10.0) == pytest.approx(30.0)
    assert rate.hz(10.9) == pytest.approx(30.0)
    assert rate.hz(11.2) == 0.0


def test_tracking_state_says_what_the_odometry_is_worth(statistics: Statistics) -> None:
    def state(**given) -> TrackingState:
        return statistics.tracking_state(**({"silent": False, "paused": False} | given))

    assert state() == TrackingState.TRACKING
    assert state(silent=True) == TrackingState.SILENT
    assert state(paused=True, silent=True) == TrackingState.PAUSED
    statistics.motion = dataclasses.replace(MOTION, covariance=np.diag([1e-4] * 5 + [0.01]))  # 0.1 rad in 0.25 s
    assert state() == TrackingState.UNCERTAIN
    statistics.motion = None
    assert state() == TrackingState.STARTING
    statistics.counts.received = 0
    assert state(silent=True) == TrackingState.WAITING


def test_images_are_well_until_they_are_bad_slow_or_silent(statistics: Statistics) -> None:
    health = Health(statistics)

    def check(**given):
        return health.check_images(2.0, **({"silence": None, "wanted_hz": 4.0} | given))

    assert check().level == Level.OK
    assert check().values["rate (Hz)"] == "10.00"
    assert check(wanted_hz=20.0).level == Level.WARN
    assert (check(silence="no image").level, check(silence="no image").message) == (Level.ERROR, "no image")
    statistics.counts.undecodable += 2
    assert (check().level, check().message) == (Level.WARN, "images left out: 2 undecodable")
    health.check_odometry(2.0, TrackingState.TRACKING, 16)
    assert check().level == Level.OK  # problems count once


def test_odometry_warns_when_the_model_does_not_keep_up_or_doubts(statistics: Statistics) -> None:
    health = Health(statistics)
    assert health.check_odometry(2.0, TrackingState.TRACKING, 16).level == Level.OK
    statistics.counts.processed += 10
    statistics.counts.dropped += 5
    check = health.check_odometry(3.0, TrackingState.TRACKING, 16)
    assert (check.level, "5 of 15 frames dropped: lower rate_hz" in check.message) == (Level.WARN, True)
    assert health.check_odometry(4.0, TrackingState.TRACKING, 16).level == Level.OK
    assert health.check_odometry(5.0, TrackingState.UNCERTAIN, 16).level == Level.WARN
    assert health.check_odometry(6.0, TrackingState.SILENT, 16).level == Level.ERROR


def test_frames_between_steps_may_be_dropped_while_the_window_has_its_own(statistics: Statistics) -> None:
    health = Health(statistics)
    for index in range(100):
        statistics.odometry.add(index / 10)
    statistics.counts.processed += 10
    statistics.counts.dropped += 20
    assert health.check_odometry(10.0, TrackingState.TRACKING, 16, enough_hz=4.0).level == Level.OK
    statistics.counts.processed += 10
    statistics.counts.dropped += 20
    assert health.check_odometry(10.0, TrackingState.TRACKING, 16, enough_hz=20.0).level == Level.WARN


def test_field_of_view_that_does_not_fit_the_calibration_is_told() -> None:
    assert check_camera(None, 1.2, None).message == "no calibration, none needed"
    assert check_camera(1.1, 1.2, None).level == Level.OK
    check = check_camera(1.1, 1.6, None)
    assert (check.level, "calibrated to see 63 degrees, and the model sees 92" in check.message) == (Level.WARN, True)
    assert check_camera(None, 1.2, "no such model").message == "images are not rectified: no such model"


def test_model_tells_what_it_takes() -> None:
    check = check_model("compact", "abc", "onnxruntime", gpu_memory_bytes(), memory_bytes())
    assert check.values["engine"] == "onnxruntime"
    assert float(check.values["memory (MiB)"]) > 10


def test_colours_go_from_blue_to_red_with_the_most_uncertain_direction() -> None:
    covariances = np.stack([np.diag([sigma**2, 1e-6, 1e-6, 9, 9, 9]) for sigma in (0.01, 0.1, 3.0, 100.0, 1000.0)])
    deviation = position_deviation(covariances)
    np.testing.assert_allclose(deviation, [0.01, 0.1, 3.0, 100.0, 1000.0])
    colours = uncertainty_colours(deviation).astype(int)
    assert np.array_equal(colours[0], colours[1])
    assert np.array_equal(colours[3], colours[4])
    assert colours[0, 2] > colours[0, 0] + 100
    assert colours[4, 0] > colours[4, 2] + 100
