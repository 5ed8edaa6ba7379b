"""What comes out: frames, quality of service, the status and the trajectory."""

from __future__ import annotations

import itertools
import time
from pathlib import Path as FilePath

import numpy as np
import pytest
from lapose.msg import EgoMotion, Status
from nav_msgs.msg import Odometry, Path
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from lapose_core.data.open import open_source
from lapose_core.geometry import invert_pose
from lapose_core.models import find_model
from lapose_ros import messages
from lapose_ros.messages import pose_of
from lapose_ros.ros_support import transform_to_pose

from .drive import STEP_NS, picture, png_message, raw_message, wait_until

DEMO = FilePath(__file__).parents[2] / "demo" / "drive"


def test_transform_can_be_turned_round(start_drive):
    drive = start_drive(invert_tf=True)
    drive.drive(3)
    wait_until(lambda: len(drive.transforms) == 3)
    for transform, odometry in zip(drive.transforms, drive.odometry, strict=True):
        assert (transform.header.frame_id, transform.child_frame_id) == ("base_link", "odom")
        assert np.allclose(invert_pose(transform_to_pose(transform.transform)), pose_of(odometry.pose.pose))


def test_status_tells_state_rates_latencies_and_counts(start_drive):
    drive = start_drive()
    statuses = drive.listen(Status, "/lapose/status")
    wait_until(lambda: bool(statuses))
    assert statuses[0].tracking_state == Status.WAITING
    drive.drive(4)
    wait_until(lambda: statuses[-1].frames_processed == 4)
    status = statuses[-1]
    assert status.header.frame_id == "camera"
    assert status.header.stamp == drive.odometry[-1].header.stamp
    assert status.tracking_state in (Status.TRACKING, Status.UNCERTAIN)
    assert (status.backend, len(status.model_version)) == ("onnxruntime", 12)
    assert (status.window_fill, status.window_size) == (4, 16)
    assert 0 < status.latency_last <= status.latency_max
    assert 0 < status.latency_mean <= status.latency_max < 5
    assert status.image_rate > 0
    assert status.odometry_rate > 0
    assert (status.frames_received, status.frames_dropped, status.frames_undecodable) == (4, 0, 0)
    assert (status.field_of_view_calibrated, status.field_of_view_predicted) == (
        0.0,
        drive.ego_motions[-1].field_of_view,
    )


def test_status_follows_the_tracking_from_the_first_image_to_silence(start_drive):
    # The shipped model, as one with random weights tracks nothing.
    drive = start_drive(model=str(find_model("compact")), silence_s=2.0)
    statuses = drive.listen(Status, "/lapose/status")
    wait_until(lambda: any(status.tracking_state == Status.WAITING for status in statuses))
    (first, *others) = itertools.islice(open_source(DEMO, rate_hz=5.0), 4)
    drive.show_and_wait(raw_message(first.image_HWC, first.stamp_ns))
    wait_until(lambda: statuses[-1].tracking_state == Status.STARTING)
    for frame in others:
        drive.show_and_wait(raw_message(frame.image_HWC, frame.stamp_ns))
    wait_until(lambda: statuses[-1].tracking_state == Status.TRACKING)
    drive.show_and_wait(raw_message(np.zeros_like(first.image_HWC), others[-1].stamp_ns + STEP_NS))
    wait_until(lambda: statuses[-1].tracking_state == Status.UNCERTAIN)
    wait_until(lambda: statuses[-1].tracking_state == Status.SILENT)


def test_status_tells_of_frames_that_a_slow_model_dropped(start_drive, slow_model):
    drive = start_drive(rate_hz=50.0)
    statuses = drive.listen(Status, "/lapose/status")
    for index in range(10):
        drive.show(raw_message(picture(index), 1_000_000_000 + index * 20_000_000))
        time.sleep(0.02)
    wait_until(lambda: bool(statuses) and statuses[-1].frames_processed + statuses[-1].frames_dropped == 10)
    assert statuses[-1].frames_dropped >= 5
    assert statuses[-1].latency_max >= statuses[-1].latency_mean >= 0.2


def test_trajectory_is_the_path_with_its_uncertainty(start_drive):
    drive = start_drive(path_length=4)
    clouds = drive.listen(PointCloud2, "/lapose/trajectory", 10)
    drive.drive(6)
    wait_until(lambda: bool(clouds) and clouds[-1].header == drive.odometry[-1].header)
    cloud = clouds[-1]
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "rgb", "deviation"]
    points = np.frombuffer(bytes(cloud.data), "<f4").reshape(cloud.width, 5)
    expected = [pose_of(o.pose.pose)[:3, 3] for o in drive.odometry[-4:]]
    assert np.allclose(points[:, :3], expected, atol=1e-5)
    for point, odometry in zip(points, drive.odometry[-4:], strict=True):
        position = np.reshape(odometry.pose.covariance, (6, 6))[:3, :3]
        assert point[4] == pytest.approx(np.sqrt(np.linalg.eigvalsh(position)[-1]), rel=1e-5)
    colours = points[:, 3].copy().view(np.uint32)
    assert np.all(colours >> 24 == 0)


def test_no_path_and_no_trajectory_of_no_length(start_drive):
    drive = start_drive(path_length=0)
    clouds = drive.listen(PointCloud2, "/lapose/trajectory", 10)
    drive.drive(3)
    time.sleep(0.3)
    assert (drive.paths, clouds) == ([], [])


def test_trajectory_is_read_by_ros_own_reader(start_drive):
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="part of a full ROS 2")
    drive = start_drive()
    clouds = drive.listen(PointCloud2, "/lapose/trajectory", 10)
    drive.drive(3)
    wait_until(lambda: bool(clouds) and clouds[-1].header == drive.odometry[-1].header)
    points = point_cloud2.read_points(clouds[-1], field_names=["x", "y", "z", "deviation"])
    assert np.allclose([points["x"][2], points["y"][2]], pose_of(drive.odometry[2].pose.pose)[:2, 3], atol=1e-5)


def test_nothing_is_made_that_nobody_hears(start_drive, monkeypatch):
    drive = start_drive()
    drive.drive(2)
    for subscription in list(drive.helper.subscriptions):
        drive.helper.destroy_subscription(subscription)
    outputs = drive.node.outputs._publishers.values()
    wait_until(lambda: not any(publisher.get_subscription_count() for publisher in outputs))
    wait_until(lambda: not drive.node.outputs._transform.has_listeners)  # the node's own, for the camera, is none

    def forbidden(*_, **__):
        raise AssertionError("made without a listener")

    made = ("odometry_message", "stamped_transform", "stamped_pose", "ego_motion_message")
    for name in (*made, "trajectory_cloud", "status_message", "diagnostic_status"):
        monkeypatch.setattr(messages, name, forbidden)
    for index in range(2, 5):
        drive.show(raw_message(picture(index), 1_000_000_000 + index * STEP_NS))
        wait_until(lambda number=index + 1: drive.counts.processed == number)
    time.sleep(1.1)  # status and diagnostics come twice and once a second
    assert not drive.node.failed.done()

    # Who listens now hears of the images that nobody heard of.
    monkeypatch.undo()
    paths = drive.listen(Path, "/lapose/path")
    drive.show(raw_message(picture(5), 1_000_000_000 + 5 * STEP_NS))
    wait_until(lambda: bool(paths) and len(paths[-1].poses) == 6)


def test_camera_that_comes_back_with_another_type_is_heard_again(start_drive):
    drive = start_drive(silence_s=0.5)
    drive.drive(2)
    (camera,) = drive.cameras
    drive.helper.destroy_publisher(camera)
    wait_until(lambda: drive.node.count_publishers("/camera") == 0)
    other = drive.helper.create_publisher(CompressedImage, "/camera", 10)
    wait_until(lambda: other.get_subscription_count() > 0)
    listeners = [s for s in drive.node.subscriptions if s.topic_name == "/camera" and s.msg_type is CompressedImage]
    wait_until(lambda: all(listener.get_publisher_count() for listener in listeners))
    other.publish(png_message(picture(2), 1_000_000_000 + 2 * STEP_NS))
    wait_until(lambda: len(drive.odometry) == 3)


@pytest.mark.parametrize(
    ("output_qos", "reliability"),
    [("sensor_data", ReliabilityPolicy.BEST_EFFORT), ("reliable", ReliabilityPolicy.RELIABLE)],
)
def test_outputs_are_offered_as_asked(start_drive, output_qos: str, reliability: ReliabilityPolicy):
    drive = start_drive(output_qos=output_qos, meet=False)
    heard = drive.listen(Odometry, "/lapose/odometry", qos_profile_sensor_data)
    wait_until(lambda: all(p.get_subscription_count() for p in drive.cameras))
    drive.show(raw_message(picture(0), 1_000_000_000))
    wait_until(lambda: len(heard) == 1)
    for name in ("odometry", "path", "trajectory", "ego_motion", "status"):
        wait_until(lambda topic=f"/lapose/{name}": drive.helper.count_publishers(topic) == 1)
        (offered,) = drive.helper.get_publishers_info_by_topic(f"/lapose/{name}")
        assert offered.qos_profile.reliability == reliability, name


@pytest.mark.parametrize(
    ("image_qos", "camera_qos"), [("sensor_data", qos_profile_sensor_data), ("reliable", QoSProfile(depth=10))]
)
def test_camera_that_offers_what_is_asked_is_heard(start_drive, image_qos: str, camera_qos: QoSProfile):
    """By default best effort is asked for, as drivers' sensor data are."""
    given = {} if image_qos == "sensor_data" else {"image_qos": image_qos}
    drive = start_drive(image_topic="/other", meet=False, **given)
    heard = drive.listen(Odometry, "/lapose/odometry")
    camera = drive.helper.create_publisher(Image, "/other", camera_qos)
    wait_until(lambda: camera.get_subscription_count() > 0)
    (asked,) = drive.helper.get_subscriptions_info_by_topic("/other")
    assert (asked.qos_profile.reliability == ReliabilityPolicy.RELIABLE) == (image_qos == "reliable")
    listeners = [s for s in drive.node.subscriptions if s.topic_name == "/other"]
    wait_until(lambda: all(listener.get_publisher_count() for listener in listeners))
    camera.publish(raw_message(picture(0), 1_000_000_000))
    wait_until(lambda: len(heard) == 1)


def test_camera_that_offers_less_than_asked_is_told_in_a_sentence(start_drive):
    drive = start_drive(image_qos="reliable", meet=False)
    drive.helper.create_publisher(Image, "/camera", qos_profile_sensor_data)
    wait_until(lambda: any("a publisher of /camera cannot be heard: its reliability" in line for line in drive.log))
    assert any("set image_qos to sensor_data" in line for line in drive.log)


def test_subscriber_that_asks_for_more_than_is_offered_is_told_in_a_sentence(start_drive):
    drive = start_drive()
    wanted = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    drive.helper.create_subscription(EgoMotion, "/lapose/ego_motion", lambda _: None, wanted)
    wait_until(
        lambda: any(
            "a subscriber of /lapose/ego_motion gets nothing: it asks for more durability" in x for x in drive.log
        )
    )
