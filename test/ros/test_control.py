"""What can be asked of a running node."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lapose.msg import Status
from lapose.srv import SetPose
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from std_srvs.srv import Trigger

from lapose_core.geometry import make_pose
from lapose_ros.messages import pose_message, pose_of
from lapose_ros.parameters import Parameters

from .drive import STEP_NS, picture, raw_message, wait_until

ELSEWHERE = make_pose([10.0, -5.0, 1.0], [0.0, 0.0, 0.6, 0.8])


def set_parameter(drive, name: str, **value):
    kind = {"bool_value": "BOOL", "double_value": "DOUBLE", "string_value": "STRING", "integer_value": "INTEGER"}
    (key,) = value
    given = ParameterValue(type=getattr(ParameterType, f"PARAMETER_{kind[key]}"), **value)
    request = SetParameters.Request(parameters=[Parameter(name=name, value=given)])
    return drive.call(SetParameters, "set_parameters", request).results[0]


def test_reset_starts_again_from_the_initial_pose(start_drive):
    drive = start_drive(initial_xyz=[10.0, -5.0, 1.0], initial_rpy=[0.0, 0.0, float(2 * np.arctan2(0.6, 0.8))])
    drive.drive(4)
    assert np.allclose(pose_of(drive.odometry[0].pose.pose), ELSEWHERE)
    assert not np.allclose(pose_of(drive.odometry[-1].pose.pose), ELSEWHERE)

    answer = drive.call(Trigger, "reset")

    assert answer.success
    drive.drive(2, start_ns=10_000_000_000)
    assert np.allclose(pose_of(drive.odometry[4].pose.pose), ELSEWHERE)
    wait_until(lambda: drive.paths[-1].header == drive.odometry[-1].header)
    assert len(drive.paths[-1].poses) == 2


def test_set_pose_moves_the_next_odometry_with_its_covariance(start_drive):
    drive = start_drive()
    drive.drive(3)
    request = SetPose.Request()
    request.pose.pose = pose_message(ELSEWHERE)
    request.pose.covariance = np.diag([4.0, 4.0, 4.0, 0.1, 0.1, 0.1]).ravel()

    assert drive.call(SetPose, "set_pose", request).success

    drive.show_and_wait(raw_message(picture(3), 1_000_000_000 + 3 * STEP_NS))
    assert np.allclose(pose_of(drive.odometry[-1].pose.pose), ELSEWHERE)
    assert drive.odometry[-1].pose.covariance[0] == pytest.approx(4.0, abs=1e-3)


def test_set_pose_refuses_what_is_no_pose_in_one_line(start_drive):
    drive = start_drive()
    drive.drive(2)
    request = SetPose.Request()
    request.pose.pose.orientation.w = 0.0
    answer = drive.call(SetPose, "set_pose", request)
    assert not answer.success
    assert "no rotation" in answer.message
    drive.show_and_wait(raw_message(picture(2), 1_000_000_000 + 2 * STEP_NS))


def test_paused_node_leaves_images_unseen_and_goes_on_where_it_was(start_drive):
    drive = start_drive()
    statuses = drive.listen(Status, "/lapose/status")
    drive.drive(3)
    assert drive.call(Trigger, "pause").success
    for index in range(3, 6):
        drive.show(raw_message(picture(index), 1_000_000_000 + index * STEP_NS))
    wait_until(lambda: drive.counts.left_out == 3)
    wait_until(lambda: bool(statuses) and statuses[-1].tracking_state == Status.PAUSED)
    assert len(drive.odometry) == 3

    assert drive.call(Trigger, "resume").success
    drive.show_and_wait(raw_message(picture(6), 1_000_000_000 + 6 * STEP_NS))
    assert len(drive.odometry) == 4
    wait_until(lambda: len(drive.ego_motions) == 3)
    assert drive.ego_motions[-1].previous_stamp == drive.odometry[2].header.stamp


def test_services_of_a_node_that_is_not_active_say_so(start_drive):
    drive = start_drive(autostart=False)
    for name in ("reset", "pause", "resume"):
        answer = drive.call(Trigger, name)
        assert (answer.success, answer.message) == (False, "the node is not active: activate it first")
    assert not drive.call(SetPose, "set_pose").success


def test_parameters_that_can_change_do_and_the_others_say_why_not(start_drive):
    drive = start_drive(max_gap_s=10.0)
    drive.drive(2)
    assert set_parameter(drive, "max_gap_s", double_value=0.3).successful
    assert set_parameter(drive, "publish_tf", bool_value=False).successful
    assert set_parameter(drive, "on_clock_set_back", string_value="keep").successful

    drive.show_and_wait(raw_message(picture(2), 1_000_000_000 + 3 * STEP_NS))  # 0.4 s after the last
    assert drive.odometry[-1].twist.covariance[0] >= 1e4  # a new window
    assert len(drive.transforms) == 2

    for name, value, reason in (
        ("odom_frame", {"string_value": "elsewhere"}, "read-only"),
        ("model", {"string_value": "other"}, "read-only"),
        ("on_clock_set_back", {"string_value": "panic"}, "choose one of clear, keep"),
        ("rate_hz", {"double_value": -1.0}, "range"),
        ("rate_hz", {"string_value": "fast"}, "type"),
    ):
        result = set_parameter(drive, name, **value)
        assert not result.successful
        assert reason in result.reason.lower(), result.reason
    drive.show_and_wait(raw_message(picture(3), 1_000_000_000 + 4 * STEP_NS))


def test_every_parameter_that_needs_a_restart_says_so(start_drive):
    drive = start_drive()
    for field in dataclasses.fields(Parameters):
        value = drive.node.get_parameter(field.name).get_parameter_value()
        request = SetParameters.Request(parameters=[Parameter(name=field.name, value=value)])
        result = drive.call(SetParameters, "set_parameters", request).results[0]
        assert result.successful == field.metadata["changeable"], field.name
        assert result.successful or "read-only" in result.reason


def test_transform_path_and_watchdog_follow_their_parameters_while_running(start_drive):
    drive = start_drive()
    drive.drive(4)
    assert set_parameter(drive, "invert_tf", bool_value=True).successful
    assert set_parameter(drive, "path_length", integer_value=2).successful
    drive.show_and_wait(raw_message(picture(4), 1_000_000_000 + 4 * STEP_NS))
    wait_until(lambda: len(drive.transforms) == 5)
    assert [transform.child_frame_id for transform in drive.transforms] == ["base_link"] * 4 + ["odom"]
    wait_until(lambda: drive.paths[-1].header == drive.odometry[-1].header)
    assert len(drive.paths[-1].poses) == 2

    assert drive.node.image_topic.silence is None  # for the 5 s of the default
    assert set_parameter(drive, "silence_s", double_value=0.5).successful
    wait_until(lambda: any("no image on /camera for" in line for line in drive.log), timeout_s=3.0)
