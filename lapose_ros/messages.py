"""Arrays to messages and back. Quaternions are x y z w; poses (4, 4), metres."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Pose, PoseStamped, Transform, TransformStamped
from lapose.msg import EgoMotion, Status
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from lapose_core.data.encodings import SUPPORTED_ENCODINGS, decode_compressed
from lapose_core.data.raw_image import RawImage
from lapose_core.geometry import invert_pose, make_pose, quaternion_of
from lapose_core.motion import Motion
from lapose_core.runtime.body import BodyOdometry
from lapose_core.runtime.colours import position_deviation, uncertainty_colours
from lapose_core.runtime.health import Check
from lapose_core.runtime.statistics import Statistics, TrackingState
from lapose_ros.ros_support import create_cloud, decode_by_cv_bridge

NANOSECONDS = 1_000_000_000

_TRAJECTORY_POINT = np.dtype([(name, "<f4") for name in ("x", "y", "z", "rgb", "deviation")])


def stamp_ns(stamp: Time) -> int:
    return stamp.sec * NANOSECONDS + stamp.nanosec


def time_message(stamp_ns: int) -> Time:
    seconds, nanoseconds = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def image_of(message: Image | CompressedImage) -> np.ndarray | RawImage:
    """A raw image's bytes as they are, without a copy; a compressed one decoded, (H, W, 3) uint8 RGB.

    The decoders are those of recorded bags, so that both give the same numbers; cv_bridge has the encodings that are
    left. Raises LaposeError where the message holds nothing that can be read.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data)
    if message.encoding not in SUPPORTED_ENCODINGS:
        return decode_by_cv_bridge(message)
    return RawImage(
        message.data, message.height, message.width, message.encoding, message.step, bool(message.is_bigendian)
    )


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
    message = Odometry(header=header(odometry.stamp_ns, odom_frame), child_frame_id=base_frame)
    message.pose.pose = pose_message(odometry.pose_odom_body)
    message.pose.covariance = odometry.covariance.ravel()
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = odometry.twist.tolist()
    message.twist.covariance = odometry.twist_covariance.ravel()
    return message


def stamped_transform(
    odometry: BodyOdometry, odom_frame: str, base_frame: str, *, inverted: bool = False
) -> TransformStamped:
    """The base in the odom frame or, inverted, the odom frame in the base."""
    parent, child = (base_frame, odom_frame) if inverted else (odom_frame, base_frame)
    pose = invert_pose(odometry.pose_odom_body) if inverted else odometry.pose_odom_body
    return TransformStamped(
        header=header(odometry.stamp_ns, parent), child_frame_id=child, transform=transform_message(pose)
    )


def stamped_pose(odometry: BodyOdometry, odom_frame: str) -> PoseStamped:
    return PoseStamped(header=header(odometry.stamp_ns, odom_frame), pose=pose_message(odometry.pose_odom_body))


def ego_motion_message(motion: Motion, camera_frame: str) -> EgoMotion:
    """What the model said of the step; the window and the timing are left for the estimator to fill in."""
    return EgoMotion(
        header=header(motion.stamp_to_ns, camera_frame),
        previous_stamp=time_message(motion.stamp_from_ns),
        motion=transform_message(motion.pose_from_to),
        variance=motion.variance,
        scale=motion.scale_m,
        field_of_view=motion.fov_x_rad,
        latent_action=motion.action.astype(np.float32).tolist(),
    )


def trajectory_cloud(odometries: list[BodyOdometry], odom_frame: str) -> PointCloud2:
    """Positions with their uncertainty: as a colour (`rgb`, as PCL packs it) and in metres (`deviation`)."""
    deviation_N = position_deviation(np.stack([odometry.covariance for odometry in odometries]))
    colours_N3 = uncertainty_colours(deviation_N).astype(np.uint32)
    points = np.empty(len(odometries), _TRAJECTORY_POINT)
    for axis, name in enumerate("xyz"):
        points[name] = [odometry.pose_odom_body[axis, 3] for odometry in odometries]
    points["rgb"] = (colours_N3[:, 0] << 16 | colours_N3[:, 1] << 8 | colours_N3[:, 2]).view(np.float32)
    points["deviation"] = deviation_N
    return create_cloud(header(odometries[-1].stamp_ns, odom_frame), points)


def status_message(statistics: Statistics, state: TrackingState, now_s: float) -> Status:
    """What was counted and measured; the model and the camera are left for the reporter to fill in."""
    latency, counts = statistics.latency, statistics.counts
    return Status(
        tracking_state=int(state),
        window_fill=statistics.window_fill,
        image_rate=statistics.images.hz(now_s),
        odometry_rate=statistics.odometry.hz(now_s),
        latency_last=latency.last,
        latency_mean=latency.mean,
        latency_max=latency.max,
        **{f"frames_{name}": count for name, count in vars(counts).items()},
    )


def diagnostic_status(check: Check, node_name: str, hardware_id: str) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=bytes([check.level]),
        name=f"{node_name}: {check.name}",
        message=check.message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in check.values.items()],
    )


def header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def _set_quaternion(message, pose: np.ndarray) -> None:
    message.x, message.y, message.z, message.w = quaternion_of(pose).tolist()
