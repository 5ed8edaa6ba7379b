"""A recording of a run: the input bag's topics beside the odometry, for viewing in any tool that reads MCAP."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.rosbag2 import StoragePlugin, Writer

from lapose_core.data import bag_messages as messages
from lapose_core.data.bag_poses import camera_in_vehicle
from lapose_core.data.rosbag import RosbagSource
from lapose_core.data.source import Source
from lapose_core.errors import LaposeError
from lapose_core.files import write_atomically
from lapose_core.motion import Odometry
from lapose_core.runtime.body import BodyOdometry, body_odometry, camera_in_body

ODOMETRY_TOPIC, PATH_TOPIC, TF_TOPIC = "/lapose/odometry", "/lapose/path", "/tf"
ODOM_FRAME, BASE_FRAME = "odom", "base_link"
#: The path is written again when it has grown by this share: each time would make the bag's size quadratic.
_GROWTH = 0.05

_TYPES = {ODOMETRY_TOPIC: messages.ODOMETRY, PATH_TOPIC: messages.PATH, TF_TOPIC: messages.TF}
_log = logging.getLogger(__name__)


def check_output_bag(path: Path, source: Source) -> None:
    """Raise LaposeError where `write_output_bag` could not: before the work rather than after it."""
    if not isinstance(source, RosbagSource):
        raise LaposeError(f"{source.name} is no bag, and --output-bag copies one: leave it out")
    if path.suffix != ".mcap":
        raise LaposeError(f"--output-bag {path} has to end in .mcap")
    with AnyReader([source.path]) as reader:
        if not reader.is2:
            raise LaposeError(f"{source.path} is a ROS 1 bag: convert it with `rosbags-convert --src ... --dst OUT`")


def write_output_bag(path: Path, source: RosbagSource, odometries: Iterable[Odometry]) -> None:
    """Write the topics of a ROS 2 bag as they are, and odometry, path and transform of `base_link` in `odom`.

    The odometry's messages stand right after the image that they belong to, with its time of recording. The camera's
    place on the vehicle is that of `/tf_static`; without it the odometry is that of the camera, with body axes.
    Replaces the file in one go.

    Raises LaposeError where the file cannot be written.
    """
    by_stamp = {odometry.stamp_ns: odometry for odometry in odometries}

    def write(temporary: Path) -> None:
        bag = temporary.with_suffix("")
        with AnyReader([source.path]) as reader, Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            _copy(reader, writer, source.topic, by_stamp)
        (file,) = bag.glob("*.mcap")
        file.replace(temporary)

    write_atomically(path, write, cure="choose another --output-bag")


def _copy(reader: AnyReader, writer: Writer, image_topic: str, by_stamp: dict[int, Odometry]) -> None:
    copies = {c.id: copy for c in reader.connections if (copy := _add_copy(writer, c)) is not None}
    own = {
        topic: next((copy for copy in copies.values() if copy.topic == topic), None)
        or writer.add_connection(topic, msgtype, typestore=messages.STORE)
        for topic, msgtype in _TYPES.items()
    }
    path: list[BodyOdometry] = []
    in_path = 0
    pose_body_camera: np.ndarray | None = None
    for connection, recorded_ns, data in reader.messages([c for c in reader.connections if c.id in copies]):
        writer.write(copies[connection.id], recorded_ns, data)
        if connection.topic != image_topic:
            continue
        image: Any = reader.deserialize(data, connection.msgtype)
        odometry = by_stamp.pop(messages.stamp_ns(image), None)
        if odometry is None:
            continue
        if pose_body_camera is None:
            pose_body_camera = camera_in_vehicle(reader, image.header.frame_id)
            if pose_body_camera is None:
                pose_body_camera = camera_in_body(np.zeros(3), np.eye(3))
        body = body_odometry(odometry, pose_body_camera)
        path.append(body)
        place = body.stamp_ns, ODOM_FRAME, BASE_FRAME, body.pose_odom_body
        odometry_message = messages.odometry(*place, body.covariance, body.twist, body.twist_covariance)
        messages.write_message(writer, own[ODOMETRY_TOPIC], recorded_ns, odometry_message)
        messages.write_message(writer, own[TF_TOPIC], recorded_ns, messages.transform(*place))
        if len(path) >= (1 + _GROWTH) * in_path or not by_stamp:
            path_message = messages.path(ODOM_FRAME, [b.stamp_ns for b in path], [b.pose_odom_body for b in path])
            messages.write_message(writer, own[PATH_TOPIC], recorded_ns, path_message)
            in_path = len(path)


def _add_copy(writer: Writer, connection: Connection) -> Connection | None:
    """The same topic in the new bag; None where the bag does not say what its messages are, or it is ours."""
    if connection.topic in (ODOMETRY_TOPIC, PATH_TOPIC):
        _log.warning("%s of the bag is left out: the new one takes its place", connection.topic)
        return None
    qos = connection.ext.offered_qos_profiles if isinstance(connection.ext, ConnectionExtRosbag2) else []
    definition: dict[str, Any] = {"typestore": messages.STORE}
    if connection.msgdef.format == MessageDefinitionFormat.MSG and connection.digest:
        definition = {"msgdef": connection.msgdef.data, "rihs01": connection.digest}
    elif connection.msgtype not in messages.STORE.fielddefs:
        _log.warning("%s is left out: the bag does not define %s", connection.topic, connection.msgtype)
        return None
    return writer.add_connection(connection.topic, connection.msgtype, offered_qos_profiles=qos, **definition)
