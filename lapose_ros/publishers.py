"""What the node publishes: odometry, transform, path and ego-motion."""

from __future__ import annotations

from collections import deque

from geometry_msgs.msg import PoseStamped
from lapose.msg import EgoMotion
from nav_msgs.msg import Odometry, Path
from rclpy.lifecycle import LifecycleNode

from lapose_core.runtime.body import BodyOdometry
from lapose_ros import messages
from lapose_ros.parameters import Parameters
from lapose_ros.ros_support import TransformBroadcaster


class Publishers:
    """The node's publishers, which send only while it is active."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._odometry = node.create_lifecycle_publisher(Odometry, "~/odometry", 10)
        self._path = node.create_lifecycle_publisher(Path, "~/path", 1)
        self._ego_motion = node.create_lifecycle_publisher(EgoMotion, "~/ego_motion", 10)
        self._transform = TransformBroadcaster(node)
        self._path_poses: deque[PoseStamped] = deque()

    def start_path(self) -> None:
        """Forget the path so far."""
        self._path_poses.clear()

    def publish_odometry(self, odometry: BodyOdometry, parameters: Parameters) -> None:
        """Send the odometry, its transform, and the path that it ends."""
        odom_frame, base_frame = parameters.odom_frame, parameters.base_frame
        self._odometry.publish(messages.odometry_message(odometry, odom_frame, base_frame))
        if parameters.publish_tf:
            self._transform.send(messages.stamped_transform(odometry, odom_frame, base_frame))

        self._path_poses.append(messages.stamped_pose(odometry, odom_frame))
        while len(self._path_poses) > parameters.path_length:
            self._path_poses.popleft()
        # A long path takes milliseconds to send.
        if self._path_poses and self._path.get_subscription_count():
            self._path.publish(Path(header=self._path_poses[-1].header, poses=list(self._path_poses)))

    def publish_ego_motion(self, message: EgoMotion) -> None:
        self._ego_motion.publish(message)

    def close(self) -> None:
        for publisher in (self._odometry, self._path, self._ego_motion):
            self._node.destroy_lifecycle_publisher(publisher)
        self._transform.close()
