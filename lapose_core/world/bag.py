"""Writes a rendered drive as an MCAP bag: images, camera_info, true poses and tf."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from tqdm import tqdm

from lapose_core.compiled import load_numba
from lapose_core.data import bag_messages as messages
from lapose_core.data.camera_topics import CAMERA_INFO_TYPE, COMPRESSED_IMAGE_TYPE, RAW_IMAGE_TYPE
from lapose_core.errors import LaposeError
from lapose_core.geometry import invert_pose, rotation_vector_of
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips
from lapose_core.world.drive import sample_drive

CAMERA_FRAME = "camera_front_optical"
BASE_FRAME = "base_link"
TRUE_BASE_FRAME = "ground_truth/base_link"  # apart from base_link, whose parent is the odometry's
_START_NS = 1_767_225_600_000_000_000  # 2026-01-01, so that the same seed gives the same bag
_CHUNK = 8  # frames drawn at a time

#: Of the true pose and twist: what is exact still needs one that filters can invert.
_COVARIANCE = 1e-6 * np.eye(6)
_FOREVER = QosTime(2147483647, 4294967295)


def _qos(durability: QosDurability) -> Qos:
    reliability, liveliness = QosReliability.RELIABLE, QosLiveliness.AUTOMATIC
    return Qos(QosHistory.KEEP_LAST, 10, reliability, durability, _FOREVER, _FOREVER, liveliness, _FOREVER, False)


def _camera_info(stamp_ns: int, camera_C: np.ndarray, width: int, height: int):
    focal, across, along = (width * float(value) for value in camera_C[[t.FOCAL, t.PRINCIPAL_X, t.PRINCIPAL_Y]])
    x, y = 0.5 * width + across, 0.5 * height + along
    k = np.array([focal, 0, x, 0, focal, y, 0, 0, 1])
    p = np.array([focal, 0, x, 0, 0, focal, y, 0, 0, 0, 1, 0])
    roi = messages.make_message("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    return messages.make_message(
        CAMERA_INFO_TYPE, messages.header(stamp_ns, CAMERA_FRAME), height, width, "plumb_bob", np.zeros(5), k,
        np.eye(3).ravel(), p, 0, 0, roi,
    )  # fmt: skip


def _image(stamp_ns: int, image_HWC: np.ndarray, jpeg_quality: int | None):
    header = messages.header(stamp_ns, CAMERA_FRAME)
    if jpeg_quality is None:
        height, width, _ = image_HWC.shape
        return messages.make_message(RAW_IMAGE_TYPE, header, height, width, "rgb8", 0, 3 * width, image_HWC.ravel())
    _, data = cv2.imencode(".jpg", image_HWC[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    return messages.make_message(COMPRESSED_IMAGE_TYPE, header, "rgb8; jpeg compressed bgr8", data.ravel())


def _draw(clips: Clips, begin: int, height: int, width: int, supersample: int) -> list[np.ndarray]:
    from lapose_core.world.render_cpu import render

    frames = render(clips.frames(begin, begin + _CHUNK), height * supersample, width * supersample)[0]
    images = [np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in frames]
    return [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images]


def write_drive_bag(
    path: Path | str,
    *,
    seconds: float = 45.0,
    rate_hz: float = 10.0,
    width: int = 640,
    height: int = 360,
    seed: int = 0,
    compressed: bool = True,
    jpeg_quality: int = 85,
    supersample: int = 2,
    progress: bool = True,
) -> Clips:
    """Draw a drive and write it as the MCAP bag `path` (a new folder). Returns the drive.

    Topics: `/camera/front/image/compressed` (JPEG; or raw `/camera/front/image`), `/camera/front/camera_info`,
    `/ground_truth/odometry` (`base_link`, on the ground below the camera, in `map`), `/tf` (`map` to
    `ground_truth/base_link`) and `/tf_static` (`base_link` to `camera_front_optical`). Pictures are drawn `supersample`
    times as large in each direction and averaged.

    Raises:
        LaposeError: the folder exists or cannot be written, numba is missing, or a number is out of range.
    """
    path = Path(path)
    if path.exists():
        raise LaposeError(f"{path} exists already: give another name or remove it")
    if seconds * rate_hz < 2 or min(width, height, supersample) < 1:
        raise LaposeError(
            "a drive needs two frames or more, of at least one pixel: raise --seconds, --rate or the size"
        )
    load_numba()  # where it is missing, before there is half a bag
    clips = sample_drive(seed, seconds, rate_hz)
    try:
        _write(path, clips, width, height, supersample, jpeg_quality if compressed else None, progress)
    except OSError as error:
        raise LaposeError(f"cannot write {path} ({error.strerror}): choose another place") from None
    return clips


def _write(
    path: Path, clips: Clips, width: int, height: int, supersample: int, jpeg_quality: int | None, progress: bool
) -> None:
    base_camera = clips.pose_base_camera_B44[0]
    bases = clips.pose_world_camera_BT44[0] @ invert_pose(base_camera)
    motions = invert_pose(bases[:-1]) @ bases[1:]
    stamps = [_START_NS + int(stamp) for stamp in clips.stamps_ns_BT[0]]
    image_topic, image_type = "/camera/front/image", RAW_IMAGE_TYPE
    if jpeg_quality is not None:
        image_topic, image_type = "/camera/front/image/compressed", COMPRESSED_IMAGE_TYPE
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        volatile, latched = _qos(QosDurability.VOLATILE), _qos(QosDurability.TRANSIENT_LOCAL)
        connections = {
            topic: writer.add_connection(topic, kind, typestore=messages.STORE, offered_qos_profiles=[qos])
            for topic, kind, qos in (
                ("/tf_static", messages.TF, latched),
                (image_topic, image_type, volatile),
                ("/camera/front/camera_info", CAMERA_INFO_TYPE, volatile),
                ("/ground_truth/odometry", messages.ODOMETRY, volatile),
                ("/tf", messages.TF, volatile),
            )
        }

        def write(topic: str, stamp_ns: int, message) -> None:
            messages.write_message(writer, connections[topic], stamp_ns, message)

        write("/tf_static", stamps[0], messages.transform(stamps[0], BASE_FRAME, CAMERA_FRAME, base_camera))
        bar = tqdm(total=len(stamps), desc="drawing", unit="frame", disable=not progress)
        for begin in range(0, len(stamps), _CHUNK):
            for offset, image in enumerate(_draw(clips, begin, height, width, supersample)):
                i = begin + offset
                stamp, step = stamps[i], max(i - 1, 0)
                place = stamp, "map", TRUE_BASE_FRAME, bases[i]
                # Over the step that leads there, in the vehicle's own axes.
                interval_s = (stamps[step + 1] - stamps[step]) * 1e-9
                twist = np.concatenate([motions[step, :3, 3], rotation_vector_of(motions[step])]) / interval_s
                write("/tf", stamp, messages.transform(*place))
                write("/ground_truth/odometry", stamp, messages.odometry(*place, _COVARIANCE, twist, _COVARIANCE))
                write("/camera/front/camera_info", stamp, _camera_info(stamp, clips.cameras_BTC[0, i], width, height))
                write(image_topic, stamp, _image(stamp, image, jpeg_quality))
                bar.update()
        bar.close()
