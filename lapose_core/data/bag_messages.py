"""ROS 2 messages in bags, without ROS: built from poses and numbers, and written."""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from lapose_core.geometry import quaternion_of

STORE = get_typestore(Stores.ROS2_JAZZY)

ODOMETRY = "nav_msgs/msg/Odometry"
PATH = "nav_msgs/msg/Path"
POSE_STAMPED = "geometry_msgs/msg/PoseStamped"
TF = "tf2_msgs/msg/TFMessage"

_NANOSECONDS = 1_000_000_000


def write_message(writer: Writer, connection: Connection, recorded_ns: int, message: Any) -> None:
    """Write a message of the connection's type."""
    writer.write(connection, recorded_ns, STORE.serialize_cdr(message, connection.msgtype))


def make_message(kind: str, *fields: Any) -> Any:
    """A message of a type such as `std_msgs/msg/Header` from its fields in their order."""
    return STORE.types[kind](*fields)


def stamp_ns(message: Any) -> int:
    """The stamp in a message's header."""
    return message.header.stamp.sec * _NANOSECONDS + message.header.stamp.nanosec


def header(stamp_ns: int, frame: str) -> Any:
    time = make_message("builtin_interfaces/msg/Time", *divmod(stamp_ns, _NANOSECONDS))
    return make_message("std_msgs/msg/Header", time, frame)


def odometry(
    stamp_ns: int,
    frame: str,
    child: str,
    pose: np.ndarray,
    covariance: np.ndarray,
    twist: np.ndarray,
    twist_covariance: np.ndarray,
) -> Any:
    """Pose (4, 4) of `child` in `frame`, twist (6,) in `child`, linear then angular; covariances (6, 6)."""
    linear, angular = _vector("Vector3", twist[:3]), _vector("Vector3", twist[3:])
    posed = make_message("geometry_msgs/msg/PoseWithCovariance", _pose(pose), covariance.ravel())
    twisted = make_message("geometry_msgs/msg/Twist", linear, angular)
    twisted = make_message("geometry_msgs/msg/TwistWithCovariance", twisted, twist_covariance.ravel())
    return make_message(ODOMETRY, header(stamp_ns, frame), child, posed, twisted)


def transform(stamp_ns: int, frame: str, child: str, pose: np.ndarray) -> Any:
    """A `TFMessage` with the pose (4, 4) of `child` in `frame`."""
    moved = _vector("Vector3", pose[:3, 3]), _vector("Quaternion", quaternion_of(pose))
    moved = make_message("geometry_msgs/msg/Transform", *moved)
    stamped = make_message("geometry_msgs/msg/TransformStamped", header(stamp_ns, frame), child, moved)
    return make_message(TF, [stamped])


def path(frame: str, stamps_ns: list[int], poses: list[np.ndarray]) -> Any:
    """A `Path` of poses (4, 4) in `frame`, with the last one's stamp."""
    stamped = [
        make_message(POSE_STAMPED, header(stamp, frame), _pose(pose))
        for stamp, pose in zip(stamps_ns, poses, strict=True)
    ]
    return make_message(PATH, header(stamps_ns[-1], frame), stamped)


def _pose(pose: np.ndarray) -> Any:
    return make_message(
        "geometry_msgs/msg/Pose", _vector("Point", pose[:3, 3]), _vector("Quaternion", quaternion_of(pose))
    )


def _vector(kind: str, values: np.ndarray) -> Any:
    return make_message(f"geometry_msgs/msg/{kind}", *values.tolist())
