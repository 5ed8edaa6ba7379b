"""rviz/lapose.rviz against the node that it shows; RViz itself is in no registry that the tests can use."""

from __future__ import annotations

from pathlib import Path as FilePath

import pytest
import yaml
from nav_msgs.msg import Odometry, Path
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2

from lapose_ros.parameters import Parameters

from .drive import STEP_NS, picture, raw_message, wait_until

#: Displays of rviz_default_plugins that listen to a topic, and its type, as their plugins_description.xml says.
TYPES = {"Path": Path, "Odometry": Odometry, "PointCloud2": PointCloud2, "Image": Image}
#: Those that need none.
OTHERS = {"Grid", "TF"}


def load() -> dict:
    return yaml.safe_load((FilePath(__file__).parents[2] / "rviz" / "lapose.rviz").read_text())["Visualization Manager"]


def displays() -> dict[str, dict]:
    return {display["Class"].removeprefix("rviz_default_plugins/"): display for display in load()["Displays"]}


def asked(topic: dict) -> QoSProfile:
    """What a display subscribes with."""
    return QoSProfile(
        history={"Keep Last": HistoryPolicy.KEEP_LAST}[topic["History Policy"]],
        depth=topic["Depth"],
        reliability=ReliabilityPolicy[topic["Reliability Policy"].upper().replace(" ", "_")],
        durability=DurabilityPolicy[topic["Durability Policy"].upper()],
    )


def test_rviz_shows_image_path_odometry_trajectory_and_frames():
    assert set(displays()) == TYPES.keys() | OTHERS
    assert all(display["Enabled"] for display in displays().values())
    assert displays()["Odometry"]["Covariance"]["Value"]
    assert load()["Global Options"]["Fixed Frame"] == Parameters().odom_frame
    assert load()["Views"]["Current"]["Target Frame"] == Parameters().base_frame


@pytest.mark.parametrize("name", ["Path", "Odometry", "PointCloud2"])
def test_display_hears_the_node(start_drive, name: str):
    drive = start_drive()
    topic = displays()[name]["Topic"]
    heard = drive.listen(TYPES[name], topic["Value"], asked(topic))
    drive.drive(2)
    wait_until(lambda: bool(heard) and heard[-1].header == drive.odometry[-1].header)
    assert heard[-1].header.frame_id == load()["Global Options"]["Fixed Frame"]


def test_image_display_hears_the_camera_that_the_node_hears(start_drive):
    topic = displays()["Image"]["Topic"]
    drive = start_drive(image_topic=topic["Value"], meet=False)
    heard: list[Image] = []
    drive.helper.create_subscription(Image, topic["Value"], heard.append, asked(topic))
    camera = drive.helper.create_publisher(Image, topic["Value"], 10)
    wait_until(lambda: camera.get_subscription_count() == 2)
    (listener,) = [s for s in drive.node.subscriptions if s.topic_name == topic["Value"]]
    wait_until(lambda: listener.get_publisher_count() == 1)
    camera.publish(raw_message(picture(0), STEP_NS))
    wait_until(lambda: len(heard) == 1 and drive.counts.processed == 1)
