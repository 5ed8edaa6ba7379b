"""What ROS 2 lacks in places: lifecycle nodes that last, and the little that is needed of packages that may be missing.

The wheels on PyPI have no tf2_ros, cv_bridge, tf_transformations and sensor_msgs_py; a full ROS 2 has them, and then
they are used. With them and without, the numbers are the same; cv_bridge alone adds something, more encodings.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Protocol

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from lapose_core.data.encodings import SUPPORTED_ENCODINGS, UndecodableFrameError
from lapose_core.errors import LaposeError
from lapose_core.geometry import invert_pose, make_pose

if TYPE_CHECKING:
    from cv_bridge import CvBridge

try:
    import tf2_ros
except ImportError:
    tf2_ros = None
try:
    import cv_bridge
except (ImportError, AttributeError):  # the latter of one that was built for an older numpy
    cv_bridge = None
try:
    import tf_transformations
except (ImportError, AttributeError):  # the latter of an old transforms3d beside a new numpy
    tf_transformations = None
try:
    from sensor_msgs_py import point_cloud2
except ImportError:
    point_cloud2 = None

_TF_QOS = QoSProfile(depth=100)
_TF_STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def rotation_from_rpy(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Rotation (3, 3) of roll, pitch and yaw about the fixed x, y and z axes, radians."""
    if tf_transformations is not None:
        return tf_transformations.euler_matrix(roll, pitch, yaw, "sxyz")[:3, :3]
    return Rotation.from_euler("xyz", [roll, pitch, yaw]).as_matrix()


def decode_by_cv_bridge(message: Image) -> np.ndarray:
    """RGB image (H, W, 3) uint8 of an encoding that `decode_image` does not know, such as rgb16.

    Compressed images need no such help: cv_bridge reads them by OpenCV's imdecode, as `decode_compressed` does.

    Raises:
        LaposeError: cv_bridge is not installed, or does not know the encoding or the way from it to colours.
        UndecodableFrameError: the data do not fill the image.
    """
    unknown, known = f"image encoding {message.encoding!r} is not supported", ", ".join(SUPPORTED_ENCODINGS)
    if cv_bridge is None:
        raise LaposeError(f"{unknown}: publish one of {known}, or install cv_bridge, which knows more")
    try:
        return _bridge().imgmsg_to_cv2(message, "rgb8")
    except (cv_bridge.CvBridgeError, ImportError) as error:  # its binary part is loaded only now
        reason = " ".join(str(error).split())
        raise LaposeError(f"{unknown}, nor by cv_bridge ({reason}): publish one of {known}") from None
    except (TypeError, ValueError) as error:  # numpy's, of a buffer that is too small
        raise UndecodableFrameError(f"cv_bridge cannot decode an image of {message.encoding!r} ({error})") from None


@functools.cache
def _bridge() -> CvBridge:
    return cv_bridge.CvBridge()


def create_cloud(header: Header, points_N: np.ndarray) -> PointCloud2:
    """A cloud without gaps of a structured array (N,) of little-endian float32 fields."""
    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(points_N.dtype.names)
    ]
    if point_cloud2 is not None:
        cloud = point_cloud2.create_cloud(header, fields, points_N)
        cloud.is_dense = True
        return cloud
    return PointCloud2(
        header=header,
        height=1,
        width=len(points_N),
        fields=fields,
        point_step=points_N.itemsize,
        row_step=points_N.nbytes,
        is_dense=True,
        data=points_N.tobytes(),
    )


class SteadyLifecycleNode(LifecycleNode):
    """A lifecycle node that refuses a transition which does not fit its state.

    Jazzy's rclpy raises there, out of the service and through `spin`, which ends the process (rclpy issue 1209).
    """

    def _LifecycleNodeMixin__on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        wanted = request.transition
        fitting = [(number, label) for number, label, *_ in self._state_machine.available_transitions]
        if any(wanted.label == label if wanted.label else wanted.id == number for number, label in fitting):
            return super()._LifecycleNodeMixin__on_change_state(request, response)
        state = self._state_machine.current_state[1]
        offered = ", ".join(f"{label} ({number})" for number, label in fitting)
        asked = wanted.label or wanted.id
        self.get_logger().warning(f"refused transition {asked} of a node that is {state}: choose one of {offered}")
        response.success = False
        return response


def spin_until(node: Node, future: Future) -> None:
    """Serve the node's callbacks until the future is done or ROS shuts down.

    `rclpy.spin_until_future_complete` leaves one more callback in the future each time it turns: a leak of half a
    kilobyte a message.
    """
    if not node.context.ok():  # interrupted already: Kilted's executor would print a traceback as it goes
        return
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    future.add_done_callback(lambda _: executor.wake())
    while node.context.ok() and not future.done():
        executor.spin_once()
    executor.shutdown()  # left to the garbage collector it raises, where its guard condition goes first


class TransformBroadcaster:
    """Publishes transforms on /tf."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tf2 = tf2_ros and tf2_ros.TransformBroadcaster(node)
        self._publisher = self._tf2.pub_tf if self._tf2 else node.create_publisher(TFMessage, "/tf", _TF_QOS)

    @property
    def has_listeners(self) -> bool:
        """Whether somebody else listens: the node does so itself, to learn where the camera is."""
        topic = self._publisher.topic_name
        own = sum(subscription.topic_name == topic for subscription in self._node.subscriptions)
        return self._publisher.get_subscription_count() > own

    def send(self, transform: TransformStamped) -> None:
        if self._tf2:
            self._tf2.sendTransform(transform)
        else:
            self._publisher.publish(TFMessage(transforms=[transform]))

    def close(self) -> None:
        self._node.destroy_publisher(self._publisher)


class TransformLookup(Protocol):
    def look_up(self, frame: str, parent: str) -> np.ndarray | None:
        """Newest known pose (4, 4) of `frame` in `parent`, or None."""

    def close(self) -> None:
        """Stop listening."""


def create_transform_lookup(node: Node) -> TransformLookup:
    return _TopicLookup(node) if tf2_ros is None else _BufferLookup(node)


class _TopicLookup:
    """The newest transform of every frame, static or not; no interpolation, which a rigid camera does not need."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._pose_in_parent: dict[str, tuple[str, np.ndarray]] = {}
        self._subscriptions = [
            node.create_subscription(TFMessage, "/tf", self._remember, _TF_QOS),
            node.create_subscription(TFMessage, "/tf_static", self._remember, _TF_STATIC_QOS),
        ]

    def look_up(self, frame: str, parent: str) -> np.ndarray | None:
        pose_by_ancestor = self._poses_in_ancestors(frame)
        for ancestor, pose_parent in self._poses_in_ancestors(parent).items():
            if ancestor in pose_by_ancestor:
                return invert_pose(pose_parent) @ pose_by_ancestor[ancestor]
        return None

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _remember(self, message: TFMessage) -> None:
        for stamped in message.transforms:
            child, parent = stamped.child_frame_id.lstrip("/"), stamped.header.frame_id.lstrip("/")
            self._pose_in_parent[child] = parent, transform_to_pose(stamped.transform)

    def _poses_in_ancestors(self, frame: str) -> dict[str, np.ndarray]:
        """Pose of the frame in itself, its parent, that one's parent and so on, nearest first."""
        poses = {frame: np.eye(4)}
        pose = np.eye(4)
        while frame in self._pose_in_parent:
            frame, pose_in_parent = self._pose_in_parent[frame]
            if frame in poses:  # a loop
                break
            pose = pose_in_parent @ pose
            poses[frame] = pose
        return poses


class _BufferLookup:
    def __init__(self, node: Node) -> None:
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def look_up(self, frame: str, parent: str) -> np.ndarray | None:
        try:
            return transform_to_pose(self._buffer.lookup_transform(parent, frame, Time()).transform)
        except tf2_ros.TransformException:
            return None

    def close(self) -> None:
        self._listener.unregister()


def transform_to_pose(transform: Transform) -> np.ndarray:
    """Pose (4, 4) of the child frame in its parent."""
    position, rotation = transform.translation, transform.rotation
    return make_pose(
        np.array([position.x, position.y, position.z]), np.array([rotation.x, rotation.y, rotation.z, rotation.w])
    )
