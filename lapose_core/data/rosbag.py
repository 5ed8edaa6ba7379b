"""Frames of a ROS bag (MCAP, sqlite3, ROS 1), read by `rosbags`: no ROS needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection

from lapose_core.data.bag_messages import STORE, stamp_ns
from lapose_core.data.bag_poses import camera_poses
from lapose_core.data.camera_topics import CAMERA_INFO_TYPE, COMPRESSED_IMAGE_TYPE, IMAGE_TYPES, camera_info_topic
from lapose_core.data.encoded import EncodedFrame, EncodedSource
from lapose_core.data.encodings import UndecodableFrameError, decode_compressed, decode_image
from lapose_core.data.source import Intrinsics
from lapose_core.errors import LaposeError
from lapose_core.geometry import Trajectory

BAG_SUFFIXES = {".mcap", ".db3", ".bag"}


class RosbagSource(EncodedSource):
    """The images of one topic of a bag, stamped by their headers.

    The camera comes from the `camera_info` topic beside the images; true poses as `camera_poses` finds them.
    """

    def __init__(self, path: Path, *, topic: str | None = None, rate_hz: float | None = None) -> None:
        """Open a bag.

        Args:
            path: a bag's folder, or one .mcap, .db3 or .bag file.
            topic: the images; None takes the only image topic that the bag has.
            rate_hz: frames a second to keep; None keeps all.

        Raises LaposeError where the bag cannot be read or the topic is not clear.
        """
        super().__init__(path, rate_hz)
        with self._open() as reader:
            self.topic = _choose_images(path, reader.connections, topic)
            stored = reader.topics[self.topic].msgcount
            if not stored:
                raise LaposeError(f"{path} holds no images on {self.topic}: choose another --topic or record it again")
            self._expect_frames(np.linspace(reader.start_time, reader.end_time, stored))
            self.intrinsics = _read_intrinsics(reader, self.topic)

    def encoded_frames(self) -> Iterator[EncodedFrame]:
        for message, msgtype in self._image_messages():
            if message is None:
                self.undecodable += 1
                continue
            yield EncodedFrame(stamp_ns(message), partial(_decode, message, msgtype))

    @cached_property
    def poses(self) -> Trajectory | None:  # type: ignore[override]
        """True poses of the camera; read when first asked for, because that takes a pass over the bag."""
        camera_frame = next(
            (message.header.frame_id for message, _ in self._image_messages() if message is not None), None
        )
        if camera_frame is None:
            return None
        with self._open() as reader:
            return camera_poses(reader, camera_frame)

    def _image_messages(self) -> Iterator[tuple[Any | None, str]]:
        """Each image message, None for a damaged one, and its type."""
        with self._open() as reader:
            images = [connection for connection in reader.connections if connection.topic == self.topic]
            for connection, _, data in reader.messages(images):
                try:
                    message = reader.deserialize(data, connection.msgtype)
                except Exception:  # rosbags raises whatever the damage leads to
                    message = None
                yield message, connection.msgtype

    @contextmanager
    def _open(self) -> Iterator[AnyReader]:
        try:
            with AnyReader([self.path], default_typestore=STORE) as reader:
                yield reader
        except LaposeError:
            raise
        except Exception as error:  # rosbags raises many kinds for a damaged bag, plain assertions among them
            raise LaposeError(
                f"cannot read the bag {self.path} ({_one_line(error)}): if it was cut short, try `ros2 bag reindex` "
                "or `mcap recover`"
            ) from error


def _choose_images(path: Path, connections: list[Connection], topic: str | None) -> str:
    images = sorted({c.topic for c in connections if c.msgtype in IMAGE_TYPES})
    candidates = ", ".join(images)
    if not images:
        topics = ", ".join(sorted({connection.topic for connection in connections})) or "nothing"
        raise LaposeError(f"{path} has no image topic, only {topics}: give a bag with camera images")
    if topic is None and len(images) > 1:
        raise LaposeError(f"{path} has several image topics: choose one with --topic: {candidates}")
    if topic is not None and topic not in images:
        raise LaposeError(f"{path} has no images on {topic}: choose one with --topic: {candidates}")
    return topic or images[0]


def _decode(message: Any, msgtype: str) -> np.ndarray:
    if msgtype == COMPRESSED_IMAGE_TYPE:
        return decode_compressed(message.data)
    try:
        return decode_image(
            message.data, message.height, message.width, message.encoding, message.step, bool(message.is_bigendian)
        )
    except (TypeError, ValueError) as error:
        raise UndecodableFrameError(f"the image message is damaged ({_one_line(error)})") from None


def _read_intrinsics(reader: AnyReader, image_topic: str) -> Intrinsics | None:
    """Intrinsics from the first message on the `camera_info` topic nearest above the images, if it is calibrated."""
    infos = {c.topic: c for c in reader.connections if c.msgtype == CAMERA_INFO_TYPE and c.msgcount}
    topic = camera_info_topic(image_topic, infos)
    if topic not in infos:
        return None
    for connection, _, data in reader.messages([infos[topic]]):
        info: Any = reader.deserialize(data, connection.msgtype)
        matrix = np.asarray(info.k if hasattr(info, "k") else info.K).reshape(3, 3)  # ROS 1 writes K
        if matrix[0, 0] > 0 and info.width and info.height:
            return Intrinsics(
                float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2]),
                int(info.width), int(info.height),
            )  # fmt: skip
        break
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
