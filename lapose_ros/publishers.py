"""What the node publishes: odometry, transform, path, trajectory and ego-motion; nothing is made that nobody hears."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import PoseStamped
from lapose.msg import EgoMotion, Status
from nav_msgs.msg import Odometry, Path
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lapose_core.runtime.body import BodyOdometry
from lapose_ros import messages, qos
from lapose_ros.parameters import Parameters
from lapose_ros.ros_support import TransformBroadcaster

#: Topic -> (type, depth, what it is, for the docs).
TOPICS: dict[str, tuple[type, int, str]] = {
    "~/odometry": (Odometry, 10, "pose of base_frame in odom_frame, twist in base_frame, covariances; image stamps"),
    "~/path": (Path, 1, "the newest path_length poses"),
    "~/trajectory": (PointCloud2, 1, "the same positions, coloured by their uncertainty (rgb; deviation in metres)"),
    "~/ego_motion": (EgoMotion, 10, "the camera's newest motion, scale, field of view, latent action, timing"),
    "~/status": (Status, 10, "tracking state, rates, latencies, counts of frames; twice a second"),
}


@dataclass
class _Place:
    """One pose of the path, and its message once somebody wants it."""

    odometry: BodyOdometry
    message: PoseStamped | None = None


class Publishers:
    """The node's publishers, which send only while it is active."""

    def __init__(self, node: LifecycleNode, parameters: Parameters) -> None:
        self._node = node
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                kind,
                topic,
                qos.profile(parameters.output_qos, depth),
                event_callbacks=qos.publisher_events(node, topic),
            )
            for topic, (kind, depth, _) in TOPICS.items()
        }
        self._transform = TransformBroadcaster(node)
        self._places: deque[_Place] = deque()

    def start_path(self) -> None:
        """Forget the path so far."""
        self._places.clear()

    def publish_odometry(self, odometry: BodyOdometry, parameters: Parameters) -> None:
        """Send the odometry and its transform."""
        odom_frame, base_frame = parameters.odom_frame, parameters.base_frame
        self._send("~/odometry", lambda: messages.odometry_message(odometry, odom_frame, base_frame))
        if parameters.publish_tf and self._transform.has_listeners:
            inverted = parameters.invert_tf
            self._transform.send(messages.stamped_transform(odometry, odom_frame, base_frame, inverted=inverted))

    def extend_path(self, odometry: BodyOdometry, parameters: Parameters) -> None:
        """Send the path and the trajectory, which this odometry ends."""
        odom_frame = parameters.odom_frame
        self._places.append(_Place(odometry))
        while len(self._places) > parameters.path_length:
            self._places.popleft()
        if self._places:
            self._send("~/path", lambda: self._path(odom_frame))
            self._send("~/trajectory", lambda: self._trajectory(odom_frame))

    def publish_ego_motion(self, make: Callable[[], EgoMotion]) -> None:
        self._send("~/ego_motion", make)

    def publish_status(self, make: Callable[[], Status]) -> None:
        self._send("~/status", make)

    def close(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._transform.close()

    def _send(self, topic: str, make: Callable[[], Any]) -> None:
        """Publish if somebody listens; a long path takes milliseconds to make and to send."""
        publisher = self._publishers[topic]
        if publisher.get_subscription_count():
            publisher.publish(make())

    def _path(self, odom_frame: str) -> Path:
        for place in self._places:
            if place.message is None:
                place.message = messages.stamped_pose(place.odometry, odom_frame)
        return Path(header=self._places[-1].message.header, poses=[place.message for place in self._places])

    def _trajectory(self, odom_frame: str) -> PointCloud2:
        return messages.trajectory_cloud([place.odometry for place in self._places], odom_frame)
