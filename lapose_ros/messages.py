"""Arrays to messages and back. Quaternions are x y z w; poses (4, 4), metres."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, PoseStamped, Transform, TransformStamped
from lapose.msg import EgoMotion
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from lapose_core.data.encodings import decode_compressed
from lapose_core.geometry import make_pose, quaternion_of
from lapose_core.motion import Motion
from lapose_core.runtime.body import BodyOdometry
from lapose_ros.ros_support import image_to_rgb

NANOSECONDS = 1_000_000_000


def stamp_ns(stamp: Time) -> int:
    return stamp.sec * NANOSECONDS + stamp.nanosec


def time_message(stamp_ns: int) -> Time:
    seconds, nanoseconds = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def image_of(message: Image | CompressedImage) -> np.ndarray:
    """RGB image (H, W, 3) uint8; raises LaposeError where the message holds none that can be read."""
    return decode_compressed(message.data) if isinstance(message, CompressedImage) else image_to_rgb(message)


def pose_of(message: Pose) -> np.ndarray:
    """Pose (4, 4)."""
    position, rotation = message.position, message.orientation
    return make_pose(
        np.array([position.x, position.y, position.z]), np.array([rotation.x, rotation.y, rotation.z, rotation.w])
    )


def pose_message(pose: np.ndarray) -> Pose:
    message = Pose()
    message.position.x, message.position.y, message.position.z = pose[:3, 3].tolist()
    _set_quaternion(message.orientation, pose)
    return message


def transform_message(pose: np.ndarray) -> Transform:
    message = Transform()
    message.translation.x, message.translation.y, message.translation.z = pose[:3, 3].tolist()
    _set_quaternion(message.rotation, pose)
    return message


def odometry_message(odometry: BodyOdometry, odom_frame: str, base_frame: str) -> Odometry:
    """Pose in the odom frame, twist in the base frame (REP-105)."""
    message = Odometry(header=_header(odometry.stamp_ns, odom_frame), child_frame_id=base_frame)
    message.pose.pose = pose_message(odometry.pose_odom_body)
    message.pose.covariance = odometry.covariance.ravel()
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = odometry.twist.tolist()
    message.twist.covariance = odometry.twist_covariance.ravel()
    return message


def stamped_transform(odometry: BodyOdometry, odom_frame: str, base_frame: str) -> TransformStamped:
    return TransformStamped(
        header=_header(odometry.stamp_ns, odom_frame),
        child_frame_id=base_frame,
        transform=transform_message(odometry.pose_odom_body),
    )


def stamped_pose(odometry: BodyOdometry, odom_frame: str) -> PoseStamped:
    return PoseStamped(header=_header(odometry.stamp_ns, odom_frame), pose=pose_message(odometry.pose_odom_body))


def ego_motion_message(motion: Motion, camera_frame: str) -> EgoMotion:
    """What the model said of the step; timing and counters are left for the node to fill in."""
    return EgoMotion(
        header=_header(motion.stamp_to_ns, camera_frame),
        previous_stamp=time_message(motion.stamp_from_ns),
        motion=transform_message(motion.pose_from_to),
        variance=motion.variance,
        scale=motion.scale_m,
        field_of_view=motion.fov_x_rad,
        latent_action=motion.action.astype(np.float32).tolist(),
    )


def _header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def _set_quaternion(message, pose: np.ndarray) -> None:
    message.x, message.y, message.z, message.w = quaternion_of(pose).tolist()
