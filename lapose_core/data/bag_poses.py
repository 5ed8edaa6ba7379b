"""True poses of a bag's camera, from whichever of the usual messages the bag has."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from lapose_core.data.bag_messages import ODOMETRY, POSE_STAMPED, TF, stamp_ns
from lapose_core.geometry import Trajectory, invert_pose, make_pose

_log = logging.getLogger(__name__)

#: A `PoseStamped` does not say whose pose it is; REP-105 calls the vehicle this.
_VEHICLE_FRAME = "base_link"
#: A topic with one of these in its name is taken before other poses.
_TRUTH_NAMES = ("ground_truth", "groundtruth", "truth", "/gt")

#: Child frame -> its parent and its pose there.
Transforms = dict[str, tuple[str, np.ndarray]]


def camera_poses(reader: AnyReader, camera_frame: str) -> Trajectory | None:
    """Poses of the camera (optical axes, metres), or None where the bag has none that can be told.

    Taken from, in this order: the `Odometry` or `PoseStamped` topic named as the truth; the only such topic; the
    transform on `/tf` that moves the camera. `/tf_static` leads from the vehicle to the camera; a vehicle frame that it
    does not know, as `ground_truth/base_link`, is also tried without its prefix.

    Args:
        reader: an open bag.
        camera_frame: the images' frame_id.
    """
    static = _static_transforms(reader)
    topic = _choose_topic(reader)
    if topic is None:
        return _poses_from_tf(reader, static, camera_frame.lstrip("/"))
    stamped_poses: list[tuple[int, np.ndarray]] = []
    vehicle_frame = _VEHICLE_FRAME
    for connection, _, data in reader.messages([c for c in reader.connections if c.topic == topic]):
        message: Any = reader.deserialize(data, connection.msgtype)
        if connection.msgtype == ODOMETRY:
            vehicle_frame = message.child_frame_id.lstrip("/")
            stamped_poses.append((stamp_ns(message), _pose(message.pose.pose.position, message.pose.pose.orientation)))
        else:
            stamped_poses.append((stamp_ns(message), _pose(message.pose.position, message.pose.orientation)))
    pose_vehicle_camera = _lead(static, vehicle_frame, camera_frame.lstrip("/"))
    if pose_vehicle_camera is None:
        # The true body goes beside the estimated one in TF, so it often has a name with a prefix.
        pose_vehicle_camera = _lead(static, vehicle_frame.rsplit("/")[-1], camera_frame.lstrip("/"))
    if pose_vehicle_camera is None:
        _log.warning(
            "%s gives poses of %r, but nothing on /tf_static leads from there to the camera %r: poses left out",
            topic, vehicle_frame, camera_frame,
        )  # fmt: skip
        return None
    return _trajectory(stamped_poses, pose_vehicle_camera)


def camera_in_vehicle(reader: AnyReader, camera_frame: str) -> np.ndarray | None:
    """Pose (4, 4) of the camera in `base_link` by `/tf_static`, or None where that does not connect them."""
    return _lead(_static_transforms(reader), _VEHICLE_FRAME, camera_frame.lstrip("/"))


def _choose_topic(reader: AnyReader) -> str | None:
    topics = sorted({c.topic for c in reader.connections if c.msgtype in (ODOMETRY, POSE_STAMPED) and c.msgcount})
    truths = [topic for topic in topics if any(name in topic for name in _TRUTH_NAMES)]
    if len(truths) == 1 or (not truths and len(topics) == 1):
        return (truths or topics)[0]
    if topics:
        _log.warning("poses left out: cannot tell which of %s is the truth", ", ".join(truths or topics))
    return None


def _poses_from_tf(reader: AnyReader, static: Transforms, camera_frame: str) -> Trajectory | None:
    """Poses on `/tf` of the first moving frame above the camera."""
    moving_frame, pose_moving_camera = _static_root(static, camera_frame)
    stamped_poses = [
        (stamp_ns(transform), _transform(transform))
        for transform in _transforms(reader, "/tf")
        if transform.child_frame_id.lstrip("/") == moving_frame
    ]
    return _trajectory(stamped_poses, pose_moving_camera)


def _lead(static: Transforms, vehicle_frame: str, camera_frame: str) -> np.ndarray | None:
    """Pose of the camera in the vehicle's frame, or None where the static transforms do not connect them."""
    vehicle_root, pose_root_vehicle = _static_root(static, vehicle_frame)
    camera_root, pose_root_camera = _static_root(static, camera_frame)
    return invert_pose(pose_root_vehicle) @ pose_root_camera if vehicle_root == camera_root else None


def _static_root(static: Transforms, frame: str) -> tuple[str, np.ndarray]:
    """The frame at the top of the static transforms above this one, and the pose of this one in it."""
    pose_root_frame, root = np.eye(4), frame
    for _ in range(len(static)):  # a loop in the tree ends here
        if root not in static:
            break
        root, pose_parent_child = static[root]
        pose_root_frame = pose_parent_child @ pose_root_frame
    return root, pose_root_frame


def _static_transforms(reader: AnyReader) -> Transforms:
    return {
        transform.child_frame_id.lstrip("/"): (transform.header.frame_id.lstrip("/"), _transform(transform))
        for transform in _transforms(reader, "/tf_static")
    }


def _transforms(reader: AnyReader, topic: str) -> list[Any]:
    connections = [c for c in reader.connections if c.topic == topic and c.msgtype == TF]
    if not connections:  # rosbags takes an empty list for all topics
        return []
    messages: list[Any] = [reader.deserialize(data, c.msgtype) for c, _, data in reader.messages(connections)]
    return [transform for message in messages for transform in message.transforms]


def _trajectory(stamped_poses: list[tuple[int, np.ndarray]], pose_vehicle_camera: np.ndarray) -> Trajectory | None:
    """Camera poses in order of time, without repeated stamps."""
    if not stamped_poses:
        return None
    stamps_ns, first_indices = np.unique([stamp for stamp, _ in stamped_poses], return_index=True)
    poses = np.stack([stamped_poses[index][1] for index in first_indices])
    return Trajectory(stamps_ns, poses @ pose_vehicle_camera)


def _transform(transform: Any) -> np.ndarray:
    return _pose(transform.transform.translation, transform.transform.rotation)


def _pose(position: Any, orientation: Any) -> np.ndarray:
    return make_pose(
        np.array([position.x, position.y, position.z]),
        np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
    )
