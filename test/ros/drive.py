"""A camera that the tests command, and what the node answers."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from geometry_msgs.msg import TransformStamped
from lapose.msg import EgoMotion
from nav_msgs.msg import Odometry, Path
from rcl_interfaces.msg import Log
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from tf2_msgs.msg import TFMessage

from lapose_core.runtime.statistics import FrameCounts
from lapose_ros.messages import time_message
from lapose_ros.node import EgoMotionNode

STEP_NS = 200_000_000
HEIGHT, WIDTH = 80, 160
_LOG_QOS = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait for something that other threads bring about; fails when it does not come."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited too long"
        time.sleep(0.005)


def picture(index: int) -> np.ndarray:
    """A smooth random picture (H, W, 3) that slides by a few pixels with each index."""
    texture = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 4, 3), np.uint8)
    wide = cv2.resize(texture, (4 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(wide[:, 3 * index : 3 * index + WIDTH])


def raw_message(image_HWC: np.ndarray, stamp_ns: int, frame_id: str = "camera") -> Image:
    message = Image(height=image_HWC.shape[0], width=image_HWC.shape[1], encoding="rgb8", step=3 * image_HWC.shape[1])
    message.header.stamp, message.header.frame_id = time_message(stamp_ns), frame_id
    message.data = image_HWC.tobytes()
    return message


def png_message(image_HWC: np.ndarray, stamp_ns: int, frame_id: str = "camera") -> CompressedImage:
    """Lossless, so that it must give the numbers of the raw image."""
    data = cv2.imencode(".png", cv2.cvtColor(image_HWC, cv2.COLOR_RGB2BGR))[1].tobytes()
    message = CompressedImage(format="png", data=data)
    message.header.stamp, message.header.frame_id = time_message(stamp_ns), frame_id
    return message


class Drive:
    """A camera that publishes what the test says, and all that the node answers."""

    def __init__(self, helper: Node, node: EgoMotionNode, image_type: type) -> None:
        self.helper, self.node = helper, node
        self.odometry: list[Odometry] = []
        self.paths: list[Path] = []
        self.ego_motions: list[EgoMotion] = []
        self.transforms: list[TransformStamped] = []
        self.log: list[str] = []
        helper.create_subscription(Log, "/rosout", self._keep_log, _LOG_QOS)
        self._camera = helper.create_publisher(image_type, "/camera", 10)
        helper.create_subscription(Odometry, "/lapose/odometry", self.odometry.append, 100)
        helper.create_subscription(Path, "/lapose/path", self.paths.append, 100)
        helper.create_subscription(EgoMotion, "/lapose/ego_motion", self.ego_motions.append, 100)
        helper.create_subscription(TFMessage, "/tf", lambda message: self.transforms.extend(message.transforms), 100)

    def _keep_log(self, entry: Log) -> None:
        if entry.name == "lapose":
            self.log.append(entry.msg)

    @property
    def counts(self) -> FrameCounts:
        """The active node's."""
        return self.node.estimator.statistics.counts

    @property
    def cameras(self) -> list[Publisher]:
        return [publisher for publisher in self.helper.publishers if publisher.msg_type in (Image, CompressedImage)]

    def wait_for_node(self) -> None:
        """Until camera and node, and node and listener, have found each other, as both sides see it."""
        topics = {"/camera", "/lapose/odometry", "/lapose/path", "/lapose/ego_motion", "/tf"}

        def have_met() -> bool:
            readers = [s for n in (self.helper, self.node) for s in n.subscriptions if s.topic_name in topics]
            writers = [p for n in (self.helper, self.node) for p in n.publishers if p.topic_name in topics]
            met = [s.topic_name for s in readers if s.get_publisher_count()]
            met_too = [p.topic_name for p in writers if p.get_subscription_count()]
            return set(met) == set(met_too) == topics

        wait_until(have_met)

    def listen(self, message_type: type, topic: str, qos: QoSProfile | int = 100) -> list:
        """What comes on another topic of the node, from now on; both sides have met."""
        heard: list = []
        subscription = self.helper.create_subscription(message_type, topic, heard.append, qos)
        writers = [p for p in self.node.publishers if p.topic_name == topic]
        wait_until(lambda: subscription.get_publisher_count() > 0 and any(p.get_subscription_count() for p in writers))
        return heard

    def call(self, service_type: type, name: str, request=None):
        """Answer of one of the node's services."""
        client = self.helper.create_client(service_type, f"/lapose/{name}")
        assert client.wait_for_service(10.0)
        future = client.call_async(request or service_type.Request())
        wait_until(future.done)
        self.helper.destroy_client(client)
        return future.result()

    def show(self, message) -> None:
        """Publish one image and do not wait."""
        self._camera.publish(message)

    def show_and_wait(self, message) -> None:
        """Publish one image and wait for the odometry at its stamp."""
        self.show(message)
        wait_until(lambda: bool(self.odometry) and self.odometry[-1].header.stamp == message.header.stamp)

    def drive(self, frames: int, start_ns: int = 1_000_000_000) -> None:
        """Show the picture sliding, each frame when the node is done with the one before."""
        for index in range(frames):
            self.show_and_wait(raw_message(picture(index), start_ns + index * STEP_NS))


def latched(helper: Node, message: TFMessage) -> None:
    """Publish a static transform."""
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    helper.create_publisher(TFMessage, "/tf_static", qos).publish(message)
