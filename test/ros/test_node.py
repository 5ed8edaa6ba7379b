"""What a user of the node's topics relies on."""

from __future__ import annotations

import time

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage

from lapose_core.geometry import invert_pose, make_pose, rotation_vector_of
from lapose_core.runtime.body import se3_logarithm
from lapose_ros.messages import pose_of, stamp_ns

from .drive import HEIGHT, STEP_NS, WIDTH, latched, picture, png_message, raw_message, wait_until


def test_each_image_gives_odometry_with_its_stamp_and_the_frames_of_rep_105(start_drive):
    drive = start_drive()
    drive.drive(5)
    assert [stamp_ns(o.header.stamp) for o in drive.odometry] == [1_000_000_000 + i * STEP_NS for i in range(5)]
    assert {(o.header.frame_id, o.child_frame_id) for o in drive.odometry} == {("odom", "base_link")}
    assert np.allclose(pose_of(drive.odometry[0].pose.pose), np.eye(4))


def test_covariances_can_be_inverted_and_the_pose_grows_less_certain(start_drive):
    drive = start_drive()
    drive.drive(5)
    for odometry in drive.odometry:
        for covariance in (odometry.pose.covariance, odometry.twist.covariance):
            assert np.linalg.eigvalsh(np.reshape(covariance, (6, 6))).min() > 0
    assert drive.odometry[-1].pose.covariance[0] > drive.odometry[1].pose.covariance[0]


def test_twist_leads_from_one_pose_to_the_next_in_the_child_frame(start_drive):
    drive = start_drive()
    drive.drive(4)
    for before, after in zip(drive.odometry, drive.odometry[1:], strict=False):
        step = invert_pose(pose_of(before.pose.pose)) @ pose_of(after.pose.pose)
        twist = after.twist.twist
        velocity = [twist.linear.x, twist.linear.y, twist.linear.z, twist.angular.x, twist.angular.y, twist.angular.z]
        assert np.allclose(se3_logarithm(step), np.multiply(velocity, STEP_NS * 1e-9), atol=1e-9)


def test_transform_is_the_odometry(start_drive):
    drive = start_drive()
    drive.drive(3)
    wait_until(lambda: len(drive.transforms) == 3)
    for transform, odometry in zip(drive.transforms, drive.odometry, strict=True):
        assert transform.header == odometry.header
        assert transform.child_frame_id == "base_link"
        assert transform.transform.rotation == odometry.pose.pose.orientation
        position = odometry.pose.pose.position
        assert (transform.transform.translation.x, transform.transform.translation.y) == (position.x, position.y)


def test_transform_can_be_switched_off(start_drive):
    drive = start_drive(publish_tf=False)
    drive.drive(3)
    assert drive.transforms == []


def test_frames_have_the_names_that_are_asked_for(start_drive):
    drive = start_drive(odom_frame="visual_odom", base_frame="chassis")
    drive.drive(2)
    wait_until(lambda: bool(drive.transforms))
    assert (drive.odometry[0].header.frame_id, drive.odometry[0].child_frame_id) == ("visual_odom", "chassis")
    assert (drive.transforms[0].header.frame_id, drive.transforms[0].child_frame_id) == ("visual_odom", "chassis")


def test_path_keeps_the_newest_poses(start_drive):
    drive = start_drive(path_length=3)
    drive.drive(6)
    wait_until(lambda: drive.paths[-1].header == drive.odometry[-1].header)
    assert [pose.header for pose in drive.paths[-1].poses] == [o.header for o in drive.odometry[-3:]]
    assert drive.paths[-1].poses[-1].pose == drive.odometry[-1].pose.pose


def test_ego_motion_tells_the_step_and_what_it_took(start_drive):
    drive = start_drive()
    drive.drive(4)
    wait_until(lambda: len(drive.ego_motions) == 3)  # the first frame has no motion
    message = drive.ego_motions[-1]
    assert message.header.frame_id == "camera"
    assert stamp_ns(message.header.stamp) - stamp_ns(message.previous_stamp) == STEP_NS
    assert np.all(message.variance > 0)
    assert message.scale > 0
    assert 0.1 < message.field_of_view < np.pi
    assert len(message.latent_action) == 50
    assert message.window_fill == 4
    assert 0 < message.preprocessing_s + message.inference_s < message.latency_s < 5


def test_raw_and_compressed_images_give_the_same_odometry(start_drive, tiny_model_dir):
    drive = start_drive(CompressedImage, image_transport="compressed")
    for index in range(3):
        drive.show_and_wait(png_message(picture(index), 1_000_000_000 + index * STEP_NS))
    # The odometer on the raw pictures, without ROS.
    from lapose_core.data.source import Frame
    from lapose_core.runtime.backends.open import open_backend
    from lapose_core.runtime.body import body_odometry, camera_in_body
    from lapose_core.runtime.odometer import Odometer

    odometer = Odometer(open_backend(tiny_model_dir))
    camera = camera_in_body(np.zeros(3), np.eye(3))
    for index, odometry in enumerate(drive.odometry):
        expected = body_odometry(odometer.register_frame(Frame(picture(index), index * STEP_NS)), camera)
        assert np.allclose(pose_of(odometry.pose.pose), expected.pose_odom_body, atol=1e-9)


def test_type_of_the_images_is_found_out(start_drive):
    drive = start_drive(CompressedImage)
    drive.show_and_wait(png_message(picture(0), 1_000_000_000))


def test_frames_between_are_left_out_and_not_dropped(start_drive):
    drive = start_drive(rate_hz=5.0)
    for index in range(9):  # 20 Hz
        message = raw_message(picture(index), 1_000_000_000 + index * STEP_NS // 4)
        (drive.show_and_wait if index % 4 == 0 else drive.show)(message)
    assert [stamp_ns(o.header.stamp) for o in drive.odometry] == [1_000_000_000 + i * STEP_NS for i in range(3)]
    assert (drive.counts.left_out, drive.counts.dropped) == (6, 0)


def test_rate_can_change_while_running(start_drive):
    drive = start_drive(rate_hz=5.0)
    drive.drive(2)
    assert drive.node.set_parameters([Parameter("rate_hz", value=1.0)])[0].successful
    for index in range(2, 13):
        drive.show(raw_message(picture(index), 1_000_000_000 + index * STEP_NS))
        time.sleep(0.01)
    wait_until(lambda: drive.counts.left_out == 8)
    wait_until(lambda: drive.counts.processed == 5)  # 2, then at 0.4, 1.4 and 2.4 s


def test_parameter_that_needs_a_restart_is_read_only(start_drive):
    drive = start_drive()
    result = drive.node.set_parameters([Parameter("odom_frame", value="elsewhere")])[0]
    assert not result.successful
    assert "read-only" in result.reason


def test_callbacks_do_not_wait_for_a_slow_model_and_the_newest_frame_wins(start_drive, slow_model):
    drive = start_drive(rate_hz=50.0)
    started_s = time.monotonic()
    for index in range(20):
        drive.show(raw_message(picture(index), 1_000_000_000 + index * 20_000_000))
        time.sleep(0.02)
    wait_until(lambda: drive.counts.dropped >= 14)
    assert time.monotonic() - started_s < 1.0  # 20 frames take the model 4 s
    last = 1_000_000_000 + 19 * 20_000_000
    wait_until(lambda: bool(drive.odometry) and stamp_ns(drive.odometry[-1].header.stamp) == last)
    wait_until(lambda: drive.counts.processed + drive.counts.dropped == 20)  # counted once it is published


def test_undecodable_frame_is_counted_and_the_drive_goes_on(start_drive):
    drive = start_drive()
    drive.drive(2)
    broken = raw_message(picture(2), 1_000_000_000 + 2 * STEP_NS)
    broken.data = broken.data[:100]
    drive.show(broken)
    wait_until(lambda: drive.counts.undecodable == 1)
    drive.show_and_wait(raw_message(picture(3), 1_000_000_000 + 3 * STEP_NS))
    wait_until(lambda: len(drive.ego_motions) == 2)
    assert stamp_ns(drive.ego_motions[-1].previous_stamp) == 1_000_000_000 + STEP_NS


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (lambda: raw_message(np.zeros((16, 16, 3), np.uint8), 1), "smaller than the model's input"),
        (lambda: _with_encoding("nonsense"), "encoding 'nonsense' is not supported"),
    ],
)
def test_camera_that_does_not_fit_ends_the_node_with_one_line(start_drive, message, line):
    drive = start_drive()
    drive.show(message())
    wait_until(drive.node.failed.done)
    assert line in drive.node.failed.result()


@pytest.fixture
def camera_on_the_left() -> TFMessage:
    """A camera on the left that looks left: what it sees as forward is left for the base."""
    pose = TransformStamped(child_frame_id="camera")
    pose.header.frame_id = "base_link"
    pose.transform.translation.y = 1.0
    # Looking left: yaw of 90 degrees, then optical axes.
    rotation = pose.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = (-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
    return TFMessage(transforms=[pose])


def test_odometry_is_that_of_the_base_with_the_camera_from_tf(start_drive, camera_on_the_left):
    drive = start_drive(before=lambda helper: latched(helper, camera_on_the_left), camera_tf_timeout_s=5.0)
    drive.drive(3)
    expected = _base_poses(drive, position=(0.0, 1.0, 0.0), yaw=np.pi / 2)
    assert np.allclose([pose_of(o.pose.pose) for o in drive.odometry], expected, atol=1e-9)


def test_transform_of_the_camera_may_come_after_the_first_image(start_drive, camera_on_the_left):
    drive = start_drive(camera_tf_timeout_s=10.0)
    drive.show(raw_message(picture(0), 1_000_000_000))
    wait_until(lambda: drive.counts.received == 1)
    assert drive.odometry == []
    latched(drive.helper, camera_on_the_left)
    wait_until(lambda: len(drive.odometry) == 1)
    drive.drive(2, start_ns=1_000_000_000 + STEP_NS)
    expected = _base_poses(drive, position=(0.0, 1.0, 0.0), yaw=np.pi / 2)
    assert np.allclose([pose_of(o.pose.pose) for o in drive.odometry], expected, atol=1e-9)


def test_odometry_is_that_of_the_base_with_the_camera_from_parameters(start_drive):
    drive = start_drive(camera_xyz=[1.5, 0.2, 1.3], camera_rpy=[0.0, 0.0, 0.3])
    drive.drive(3)
    expected = _base_poses(drive, position=(1.5, 0.2, 1.3), yaw=0.3)
    assert np.allclose([pose_of(o.pose.pose) for o in drive.odometry], expected, atol=1e-9)
    assert np.linalg.norm(rotation_vector_of(expected[-1])) > 0  # the tiny model does turn


def test_late_image_is_left_out(start_drive):
    drive = start_drive()
    drive.drive(3)
    drive.show(raw_message(picture(0), 1_000_000_000 + STEP_NS))
    wait_until(lambda: drive.counts.late == 1)
    assert len(drive.odometry) == 3


def _with_encoding(encoding: str):
    message = raw_message(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 1)
    message.encoding = encoding
    return message


def _base_poses(drive, position, yaw: float) -> list[np.ndarray]:
    """Poses of the base from the motions that the node tells of its camera."""
    wait_until(lambda: len(drive.ego_motions) == len(drive.odometry) - 1)
    cosine, sine = np.cos(yaw), np.sin(yaw)
    base_camera = np.eye(4)
    base_camera[:3, :3] = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ [
        [0, 0, 1],
        [-1, 0, 0],
        [0, -1, 0],
    ]
    base_camera[:3, 3] = position
    poses = [np.eye(4)]
    for message in drive.ego_motions:
        t, q = message.motion.translation, message.motion.rotation
        motion = make_pose([t.x, t.y, t.z], [q.x, q.y, q.z, q.w])
        poses.append(poses[-1] @ base_camera @ motion @ invert_pose(base_camera))
    return poses
