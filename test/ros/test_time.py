"""Stamps that jump, repeat and stop, as those of bags, drivers and simulators do."""

from __future__ import annotations

import time

import numpy as np
from rcl_interfaces.msg import Log
from rclpy.logging import LoggingSeverity
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock

from lapose_ros.messages import pose_of, stamp_ns, time_message

from .drive import STEP_NS, picture, raw_message, wait_until


def lines(drive, part: str) -> list[str]:
    return [line for line in drive.log if part in line]


def test_bag_loop_clears_pose_and_path_with_one_line(start_drive):
    drive = start_drive()
    drive.drive(4, start_ns=100_000_000_000)
    first = [o.pose.pose for o in drive.odometry]
    drive.drive(4, start_ns=50_000_000_000)
    assert [o.pose.pose for o in drive.odometry[4:]] == first
    wait_until(lambda: drive.paths[-1].header == drive.odometry[-1].header)
    assert len(drive.paths[-1].poses) == 4
    wait_until(lambda: bool(lines(drive, "clock went back")))
    assert len(lines(drive, "clock went back by 50.6 s: a new window starts, from the initial pose")) == 1


def test_bag_loop_keeps_the_pose_when_asked_to(start_drive):
    drive = start_drive(on_clock_set_back="keep")
    drive.drive(4, start_ns=100_000_000_000)
    drive.drive(2, start_ns=50_000_000_000)
    before, after = drive.odometry[3], drive.odometry[4]
    assert np.allclose(pose_of(before.pose.pose), pose_of(after.pose.pose))
    assert after.pose.covariance[0] > before.pose.covariance[0] + 1.0
    assert after.twist.covariance[0] >= 1e4
    wait_until(lambda: bool(lines(drive, "the pose stays")))
    wait_until(lambda: drive.paths[-1].header == drive.odometry[-1].header)
    assert len(drive.paths[-1].poses) == 6


def test_duplicate_and_late_images_are_left_out_and_counted(start_drive):
    drive = start_drive()
    drive.drive(3)
    newest = 1_000_000_000 + 2 * STEP_NS
    for stamp in (newest, newest, newest - STEP_NS, newest - STEP_NS // 2):
        drive.show(raw_message(picture(0), stamp))
    wait_until(lambda: (drive.counts.duplicate, drive.counts.late) == (2, 2))
    drive.show_and_wait(raw_message(picture(3), newest + STEP_NS))
    assert len(drive.odometry) == 4
    assert drive.counts.processed == 4


def test_gap_starts_a_new_window_where_the_vehicle_was(start_drive):
    drive = start_drive(max_gap_s=1.0)
    drive.drive(4)
    drive.drive(3, start_ns=10_000_000_000)
    before, after = drive.odometry[3], drive.odometry[4]
    assert np.allclose(pose_of(before.pose.pose), pose_of(after.pose.pose))
    assert after.pose.covariance[0] > before.pose.covariance[0] + 100.0
    wait_until(lambda: len(drive.ego_motions) == 5)
    assert [message.window_fill for message in drive.ego_motions] == [2, 3, 4, 2, 3]


def test_camera_that_slows_stops_and_returns_is_survived(start_drive):
    drive = start_drive(silence_s=0.5)
    stamps = np.cumsum([1_000_000_000, *[STEP_NS] * 4, *[2 * STEP_NS] * 3]).tolist()
    for index, stamp in enumerate(stamps):
        drive.show_and_wait(raw_message(picture(index), stamp))
    wait_until(lambda: bool(lines(drive, "no image on /camera for")))  # it has stopped
    (line, *_) = lines(drive, "no image on /camera for")
    assert "its publisher /helper (sensor_msgs/msg/Image, reliable) is silent" in line
    assert drive.node.image_topic.silence is not None

    returns = stamps[-1] + 20_000_000_000
    for index in range(3):
        drive.show_and_wait(raw_message(picture(index), returns + index * STEP_NS))
    assert drive.node.image_topic.silence is None
    assert len(drive.odometry) == len(stamps) + 3
    assert not drive.node.failed.done()


def test_stamps_are_the_images_and_the_watchdog_works_while_the_simulated_clock_stands(start_drive):
    drive = start_drive(use_sim_time=True, silence_s=0.5)
    clock = drive.helper.create_publisher(Clock, "/clock", 10)
    wait_until(lambda: clock.get_subscription_count() > 0)
    clock.publish(Clock(clock=time_message(5_000_000_000)))
    wait_until(lambda: drive.node.get_clock().now().nanoseconds == 5_000_000_000)
    drive.drive(3, start_ns=4_000_000_000)
    assert [stamp_ns(o.header.stamp) for o in drive.odometry] == [4_000_000_000 + i * STEP_NS for i in range(3)]
    wait_until(lambda: bool(lines(drive, "no image on /camera for")))


def test_simulation_that_starts_again_is_survived(start_drive):
    drive = start_drive(use_sim_time=True)
    clock = drive.helper.create_publisher(Clock, "/clock", 10)
    wait_until(lambda: clock.get_subscription_count() > 0)
    for _ in range(2):
        for second in range(100, 103):
            now_ns = second * 1_000_000_000
            clock.publish(Clock(clock=time_message(now_ns)))
            wait_until(lambda now_ns=now_ns: drive.node.get_clock().now().nanoseconds == now_ns)
            drive.show_and_wait(raw_message(picture(second - 100), now_ns))
    assert [stamp_ns(o.header.stamp) // 1_000_000_000 for o in drive.odometry] == [100, 101, 102] * 2
    assert drive.odometry[3].pose.pose == drive.odometry[0].pose.pose
    wait_until(lambda: len(lines(drive, "clock went back by 2.0 s")) == 1)


def test_what_goes_on_and_on_is_said_from_time_to_time_at_its_level(start_drive):
    drive = start_drive()
    log: list[Log] = []
    latched = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    drive.helper.create_subscription(Log, "/rosout", log.append, latched)
    drive.drive(2)
    for _ in range(30):
        drive.show(raw_message(picture(0), 1_000_000_000 + STEP_NS))
        time.sleep(0.01)
    wait_until(lambda: drive.counts.duplicate == 30)
    wait_until(lambda: any("not newer" in entry.msg for entry in log))
    (entry,) = [entry for entry in log if "not newer" in entry.msg]
    assert entry.level == LoggingSeverity.WARN
    (start,) = [entry for entry in log if "runs on" in entry.msg]
    assert start.level == LoggingSeverity.INFO
    wait_until(lambda: any("no image on" in entry.msg for entry in log))
    time.sleep(1.5)  # it looks twice a second
    (entry,) = [entry for entry in log if "no image on" in entry.msg]
    assert entry.level == LoggingSeverity.WARN
