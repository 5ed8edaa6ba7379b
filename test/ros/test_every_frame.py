"""Odometry at the camera's rate, while the window steps at its own."""

from __future__ import annotations

import time

import numpy as np
import pytest
from lapose.msg import Status
from rclpy.parameter import Parameter

import lapose_ros.node
from lapose_core.geometry import invert_pose
from lapose_core.runtime.body import se3_logarithm
from lapose_ros.messages import pose_of, stamp_ns

from .drive import STEP_NS, picture, raw_message, wait_until

START_NS = 1_000_000_000
BETWEEN_NS = STEP_NS // 4


def show(drive, indices: range | list[int], start_ns: int = START_NS) -> None:
    """At 20 Hz, of which the window takes 5 Hz; each image when the node is done with the one before."""
    for index in indices:
        drive.show_and_wait(raw_message(picture(index), start_ns + index * BETWEEN_NS))


def poses(odometry: list) -> np.ndarray:
    return np.stack([pose_of(message.pose.pose) for message in odometry])


def test_each_image_has_odometry_and_transform_and_the_window_is_as_without_those_between(start_drive):
    drive = start_drive(rate_hz=5.0, every_frame="always")
    statuses = drive.listen(Status, "/lapose/status")
    show(drive, range(11))
    stamps = [START_NS + index * BETWEEN_NS for index in range(11)]
    assert [stamp_ns(o.header.stamp) for o in drive.odometry] == stamps
    wait_until(lambda: len(drive.transforms) == 11)
    assert [stamp_ns(t.header.stamp) for t in drive.transforms] == stamps
    wait_until(lambda: bool(statuses) and statuses[-1].frames_processed == 11)
    assert (statuses[-1].window_fill, statuses[-1].frames_left_out, statuses[-1].frames_dropped) == (3, 0, 0)

    # Motions and path are those of the steps: a chain.
    wait_until(lambda: len(drive.paths) == 3)
    assert [pose.header for pose in drive.paths[-1].poses] == [o.header for o in drive.odometry[:9:4]]
    wait_until(lambda: len(drive.ego_motions) == 2)
    chain = [(stamp_ns(m.previous_stamp), stamp_ns(m.header.stamp)) for m in drive.ego_motions]
    assert chain == [(START_NS, START_NS + STEP_NS), (START_NS + STEP_NS, START_NS + 2 * STEP_NS)]

    # The same steps without the images between, after a reset by the clock.
    assert drive.node.set_parameters([Parameter("every_frame", value="never")])[0].successful
    at = 100_000_000_000
    for step in range(3):
        drive.show_and_wait(raw_message(picture(4 * step), at + step * STEP_NS))
    every, plain = drive.odometry[:11], drive.odometry[11:]
    turned_back = np.linalg.inv(poses(plain)[0])
    np.testing.assert_allclose(poses(every)[::4], turned_back @ poses(plain), atol=1e-9)
    assert [o.twist.twist for o in every[::4]][1:] == [o.twist.twist for o in plain][1:]


def test_nothing_jumps_where_the_window_steps(start_drive):
    """Up to the next step and at it, each pose is the last step's and the motion since then, nothing else."""
    drive = start_drive(rate_hz=5.0, every_frame="always")
    show(drive, range(13))
    for index, odometry in enumerate(drive.odometry[1:], start=1):
        step = drive.odometry[4 * ((index - 1) // 4)]
        since_s = 1e-9 * (stamp_ns(odometry.header.stamp) - stamp_ns(step.header.stamp))
        moved = se3_logarithm(invert_pose(pose_of(step.pose.pose)) @ pose_of(odometry.pose.pose))
        linear, angular = odometry.twist.twist.linear, odometry.twist.twist.angular
        twist = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
        np.testing.assert_allclose(moved, twist * since_s, atol=1e-9)


def test_covariance_grows_along_the_steps_and_not_with_the_number_of_images(start_drive):
    drive = start_drive(rate_hz=5.0, every_frame="always")
    show(drive, range(9))
    spread = [o.pose.covariance[0] for o in drive.odometry]
    steps = np.array(drive.ego_motions[0].variance)
    between = spread[5:8]  # each one step away from the window's last frame
    assert all(value > spread[4] for value in between)
    assert max(between) - spread[4] < 10 * steps.max()
    for odometry in drive.odometry:
        assert np.linalg.eigvalsh(np.reshape(odometry.twist.covariance, (6, 6))).min() > 0


def test_gap_after_an_image_between_steps_goes_on_from_that_image(start_drive):
    drive = start_drive(rate_hz=5.0, every_frame="always", max_gap_s=1.0)
    show(drive, range(7))
    show(drive, range(3), start_ns=10_000_000_000)
    before, after = drive.odometry[6], drive.odometry[7]
    np.testing.assert_allclose(pose_of(after.pose.pose), pose_of(before.pose.pose), atol=1e-12)
    assert after.pose.covariance[0] > before.pose.covariance[0] + 100.0
    assert after.twist.covariance[0] >= 1e4
    assert drive.odometry[8].twist.covariance[0] < 1e4  # measured against the first one after the gap


def test_duplicates_late_images_and_a_clock_set_back_are_as_ever(start_drive):
    drive = start_drive(rate_hz=5.0, every_frame="always", on_clock_set_back="keep")
    show(drive, range(6), start_ns=100_000_000_000)
    newest = 100_000_000_000 + 5 * BETWEEN_NS
    for stamp in (newest, newest - BETWEEN_NS // 2):
        drive.show(raw_message(picture(0), stamp))
    wait_until(lambda: (drive.counts.duplicate, drive.counts.late) == (1, 1))
    show(drive, range(6), start_ns=50_000_000_000)
    assert len(drive.odometry) == 12
    np.testing.assert_allclose(pose_of(drive.odometry[6].pose.pose), pose_of(drive.odometry[5].pose.pose), atol=1e-12)


def test_window_keeps_its_rate_on_a_machine_that_drops_images(start_drive, slow_model):
    drive = start_drive(rate_hz=2.0, every_frame="always")
    for index in range(60):  # 20 Hz, of which a slow machine has time for 5
        drive.show(raw_message(picture(index), START_NS + index * BETWEEN_NS))
        time.sleep(0.05)
    wait_until(lambda: drive.counts.processed + drive.counts.dropped == 60)
    last = START_NS + 59 * BETWEEN_NS
    wait_until(lambda: stamp_ns(drive.odometry[-1].header.stamp) == last)
    assert drive.counts.dropped > 20
    wait_until(lambda: len(drive.ego_motions) >= 4)
    intervals_s = [1e-9 * (stamp_ns(m.header.stamp) - stamp_ns(m.previous_stamp)) for m in drive.ego_motions]
    assert 0.35 < np.median(intervals_s) < 0.8


@pytest.mark.parametrize("on_gpu", [False, True])
def test_by_default_it_is_the_machine_that_decides(start_drive, monkeypatch, on_gpu: bool):
    open_backend = lapose_ros.node.open_backend

    def open_elsewhere(*arguments, **options):
        backend = open_backend(*arguments, **options)
        backend.on_gpu = on_gpu
        return backend

    monkeypatch.setattr(lapose_ros.node, "open_backend", open_elsewhere)
    drive = start_drive(rate_hz=5.0)
    drive.show_and_wait(raw_message(picture(0), START_NS))
    drive.show(raw_message(picture(1), START_NS + BETWEEN_NS))
    wait_until(lambda: (drive.counts.processed, drive.counts.left_out) == ((2, 0) if on_gpu else (1, 1)))
