"""The camera's calibration, from the camera_info beside its images."""

from __future__ import annotations

import threading

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from lapose_core.data.camera_topics import camera_info_topic, carries_rectified_images
from lapose_core.runtime.camera import Calibration
from lapose_ros import qos


class CameraInfoTopic:
    """Listens to camera_info; the newest message counts.

    Attributes:
        topic: its full name.
    """

    def __init__(self, node: Node, image_topic: str, topic: str = "") -> None:
        """With an empty `topic` the one beside the images, by the convention of image_transport."""
        self._node = node
        self._rectified = carries_rectified_images(image_topic)
        self._came = threading.Event()
        self._newest: CameraInfo | None = None
        self.topic = node.resolve_topic_name(topic or camera_info_topic(image_topic))
        self._subscription = node.create_subscription(
            CameraInfo,
            self.topic,
            self._receive,
            QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            event_callbacks=qos.subscription_events(node, self.topic, "publish it volatile"),
        )

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def wait(self, timeout_s: float) -> None:
        """Wait for the first message if someone publishes it."""
        if self._node.count_publishers(self.topic):
            self._came.wait(timeout_s)

    def calibration(self) -> Calibration | None:
        """The newest calibration, or None before the first; raises LaposeError for one that cannot be used."""
        info = self._newest
        if info is None:
            return None
        roi = info.roi
        return Calibration.from_camera_info(
            width=info.width,
            height=info.height,
            k=info.k,
            d=info.d,
            p=info.p,
            model=info.distortion_model,
            binning=(info.binning_x, info.binning_y),
            roi=(roi.x_offset, roi.y_offset, roi.width, roi.height),
            rectified=self._rectified,
        )

    def _receive(self, message: CameraInfo) -> None:
        self._newest = message
        self._came.set()
