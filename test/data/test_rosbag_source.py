"""ROS bags, written by `rosbags` as ROS 2 would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError
from lapose_core.geometry import ROTATION_BODY_OPTICAL, make_pose, quaternion_of

TYPES = get_typestore(Stores.ROS2_JAZZY)
RAW, COMPRESSED, TRUTH = "/camera/front/image", "/camera/front/image/compressed", "/ground_truth/odometry"
CAMERA_FRAME = "camera_front_optical"
START_NS = 1_700_000_000_000_000_000
RECEIVED_LATE_NS = 40_000_000

#: 1.2 m ahead of and 1.5 m above base_link, looking ahead.
POSE_BASE_CAMERA = make_pose([1.2, 0.0, 1.5], quaternion_of(ROTATION_BODY_OPTICAL))

Messages = list[tuple[str, int, Any]]
WriteBag = Callable[..., Path]


def message(name: str, **fields: Any) -> Any:
    """A message by its short name, such as `std_msgs/Header`."""
    package, kind = name.split("/")
    return TYPES.types[f"{package}/msg/{kind}"](**fields)


def header(stamp_ns: int, frame_id: str) -> Any:
    time = message("builtin_interfaces/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return message("std_msgs/Header", stamp=time, frame_id=frame_id)


def raw_image(image: np.ndarray, stamp_ns: int, encoding: str = "rgb8") -> Any:
    height, width = image.shape[:2]
    return message(
        "sensor_msgs/Image", header=header(stamp_ns, CAMERA_FRAME), height=height, width=width, encoding=encoding,
        is_bigendian=0, step=image[0].size, data=image.ravel(),
    )  # fmt: skip


def compressed_image(image: np.ndarray, stamp_ns: int) -> Any:
    _, data = cv2.imencode(".png", image[..., ::-1])
    return message(
        "sensor_msgs/CompressedImage", header=header(stamp_ns, CAMERA_FRAME), format="png", data=data.ravel()
    )


def camera_info(stamp_ns: int) -> Any:
    roi = message("sensor_msgs/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    matrix = np.array([100.0, 0.0, 80.0, 0.0, 100.0, 48.0, 0.0, 0.0, 1.0])
    return message(
        "sensor_msgs/CameraInfo", header=header(stamp_ns, CAMERA_FRAME), height=96, width=160,
        distortion_model="plumb_bob", d=np.zeros(5), k=matrix, r=np.eye(3).ravel(), p=np.zeros(12),
        binning_x=0, binning_y=0, roi=roi,
    )  # fmt: skip


def pose_message(pose: np.ndarray) -> Any:
    x, y, z, w = quaternion_of(pose)
    return message(
        "geometry_msgs/Pose",
        position=message("geometry_msgs/Point", **dict(zip("xyz", pose[:3, 3], strict=True))),
        orientation=message("geometry_msgs/Quaternion", x=x, y=y, z=z, w=w),
    )


def odometry(pose: np.ndarray, stamp_ns: int) -> Any:
    zero = message("geometry_msgs/Vector3", x=0.0, y=0.0, z=0.0)
    twist = message("geometry_msgs/Twist", linear=zero, angular=zero)
    return message(
        "nav_msgs/Odometry", header=header(stamp_ns, "map"), child_frame_id="base_link",
        pose=message("geometry_msgs/PoseWithCovariance", pose=pose_message(pose), covariance=np.zeros(36)),
        twist=message("geometry_msgs/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )  # fmt: skip


def pose_stamped(pose: np.ndarray, stamp_ns: int) -> Any:
    return message("geometry_msgs/PoseStamped", header=header(stamp_ns, "map"), pose=pose_message(pose))


def tf(parent: str, child: str, pose: np.ndarray, stamp_ns: int) -> Any:
    placed = pose_message(pose)
    translation = message("geometry_msgs/Vector3", x=placed.position.x, y=placed.position.y, z=placed.position.z)
    transform = message("geometry_msgs/Transform", translation=translation, rotation=placed.orientation)
    stamped = message(
        "geometry_msgs/TransformStamped", header=header(stamp_ns, parent), child_frame_id=child, transform=transform
    )
    return message("tf2_msgs/TFMessage", transforms=[stamped])


def stamps() -> list[int]:
    return [START_NS + index * 100_000_000 for index in range(12)]


def base_poses() -> np.ndarray:
    """True poses of base_link in the map: 0.5 m forward and 3 degrees left a step, from (10, 20, 0)."""
    start = make_pose([10.0, 20.0, 0.0], [0.0, 0.0, 0.0, 1.0])
    step = make_pose([0.5, 0.0, 0.0], [0.0, 0.0, np.sin(np.deg2rad(1.5)), np.cos(np.deg2rad(1.5))])
    return np.stack([start @ np.linalg.matrix_power(step, index) for index in range(12)])


@pytest.fixture
def write_bag(tmp_path: Path) -> WriteBag:
    """Write messages, received 40 ms after their stamps, into a bag folder; bytes go in as they are."""

    def write(
        messages: Messages, storage: StoragePlugin = StoragePlugin.MCAP, types: dict[str, str] | None = None
    ) -> Path:
        with Writer(tmp_path / "bag", version=9, storage_plugin=storage) as writer:
            connections = {}
            for topic, stamp_ns, content in messages:
                if topic not in connections:
                    kind = (types or {}).get(topic) or content.__msgtype__
                    connections[topic] = writer.add_connection(topic, kind, typestore=TYPES)
                connection = connections[topic]
                data = content if isinstance(content, bytes) else TYPES.serialize_cdr(content, connection.msgtype)
                writer.write(connection, stamp_ns + RECEIVED_LATE_NS, data)
        return tmp_path / "bag"

    return write


@pytest.fixture
def raw_messages(images: list[np.ndarray]) -> Messages:
    return [(RAW, stamp_ns, raw_image(image, stamp_ns)) for image, stamp_ns in zip(images, stamps(), strict=True)]


def static_tf() -> tuple[str, int, Any]:
    return "/tf_static", START_NS, tf("base_link", CAMERA_FRAME, POSE_BASE_CAMERA, START_NS)


@pytest.mark.parametrize("whole_folder", [True, False])
@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize("kind", [raw_image, compressed_image])
def test_images_come_as_rgb_with_the_stamps_of_their_headers(
    images: list[np.ndarray], write_bag: WriteBag, storage: StoragePlugin, kind: Callable[..., Any], whole_folder: bool
) -> None:
    bag = write_bag(
        [("/image", stamp, kind(image, stamp)) for image, stamp in zip(images, stamps(), strict=True)], storage
    )
    path = bag if whole_folder else next(file for file in bag.iterdir() if file.suffix in (".mcap", ".db3"))

    source = open_source(path)
    frames = list(source)

    assert [frame.stamp_ns for frame in frames] == stamps()
    assert source.frame_count == 12
    assert source.intrinsics is None
    assert source.poses is None
    for frame, image in zip(frames, images, strict=True):
        np.testing.assert_array_equal(frame.image_HWC, image)


def test_the_topic_must_be_given_where_there_are_several(write_bag: WriteBag, images: list[np.ndarray]) -> None:
    bag = write_bag([
        (topic, START_NS, raw_image(image, START_NS)) for topic, image in zip(("/left", "/right"), images, strict=False)
    ])  # fmt: skip

    with pytest.raises(LaposeError, match=r"--topic: /left, /right"):
        open_source(bag)
    with pytest.raises(LaposeError, match=r"no images on /front: .* /left, /right"):
        open_source(bag, topic="/front")
    np.testing.assert_array_equal(next(iter(open_source(bag, topic="/right"))).image_HWC, images[1])


def test_a_bag_without_images_names_its_topics(write_bag: WriteBag) -> None:
    with pytest.raises(LaposeError, match="no image topic, only /tf_static"):
        open_source(write_bag([static_tf()]))


def test_true_poses_are_those_of_the_camera(write_bag: WriteBag, raw_messages: Messages) -> None:
    truths = [(TRUTH, stamp, odometry(pose, stamp)) for pose, stamp in zip(base_poses(), stamps(), strict=True)]
    other = ("/odom", START_NS, odometry(np.eye(4), START_NS))

    source = open_source(write_bag([static_tf(), other, *truths, *raw_messages]))

    assert source.poses is not None
    np.testing.assert_array_equal(source.poses.stamps_ns, stamps())
    np.testing.assert_allclose(source.poses.poses, base_poses() @ POSE_BASE_CAMERA, atol=1e-9)
    step = source.poses.motions()[0]
    assert step[2, 3] > 0.45  # forward is z
    assert step[0, 3] < 0.0  # the camera is ahead of the axle and swings to the left, which is minus x


def test_poses_may_be_stamped_poses_or_transforms(write_bag: WriteBag, raw_messages: Messages, tmp_path: Path) -> None:
    expected = base_poses() @ POSE_BASE_CAMERA
    pairs = list(zip(base_poses(), stamps(), strict=True))
    poses = [("/gt/pose", stamp, pose_stamped(pose, stamp)) for pose, stamp in pairs]
    transforms = [("/tf", stamp, tf("map", "base_link", pose, stamp)) for pose, stamp in pairs]

    bag = write_bag([static_tf(), *poses, *raw_messages])
    from_poses = open_source(bag).poses
    bag.rename(tmp_path / "first")
    from_tf = open_source(write_bag([static_tf(), *transforms, *raw_messages])).poses

    assert from_poses is not None
    assert from_tf is not None
    np.testing.assert_allclose(from_poses.poses, expected, atol=1e-9)
    np.testing.assert_allclose(from_tf.poses, expected, atol=1e-9)


def test_poses_of_an_unconnected_frame_are_left_out_and_told(
    write_bag: WriteBag, raw_messages: Messages, caplog: pytest.LogCaptureFixture
) -> None:
    bag = write_bag([(TRUTH, START_NS, odometry(np.eye(4), START_NS)), *raw_messages])

    assert open_source(bag).poses is None
    assert "'base_link'" in caplog.text


@pytest.mark.parametrize("topic", [RAW, COMPRESSED])
def test_the_camera_info_beside_the_images_is_used(write_bag: WriteBag, images: list[np.ndarray], topic: str) -> None:
    kind = compressed_image if topic == COMPRESSED else raw_image
    messages = [
        (topic, START_NS, kind(images[0], START_NS)),
        ("/camera/front/camera_info", START_NS, camera_info(START_NS)),
    ]

    intrinsics = open_source(write_bag(messages)).intrinsics

    assert intrinsics is not None
    assert (intrinsics.fx, intrinsics.cy, intrinsics.width) == (100.0, 48.0, 160)


def test_damaged_messages_are_left_out_and_counted(
    write_bag: WriteBag, raw_messages: Messages, images: list[np.ndarray]
) -> None:
    messages = raw_messages.copy()
    short = raw_image(images[3], stamps()[3])
    short.data = short.data[:100]
    messages[3] = (RAW, stamps()[3], short)
    messages[0] = (RAW, stamps()[0], b"\x00\x01\x00\x00 not a message")

    source = open_source(write_bag(messages, types={RAW: "sensor_msgs/msg/Image"}))

    assert [frame.stamp_ns for frame in source] == [stamp for i, stamp in enumerate(stamps()) if i not in (0, 3)]
    assert source.undecodable == 2
    assert source.poses is None  # looks through the bag too, and counts nothing
    assert source.undecodable == 2


def test_an_unknown_encoding_ends_in_one_line(write_bag: WriteBag, images: list[np.ndarray]) -> None:
    bag = write_bag([(RAW, START_NS, raw_image(images[0], START_NS, encoding="32FC1"))])

    with pytest.raises(LaposeError, match="'32FC1' is not supported"):
        list(open_source(bag))


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_a_bag_that_was_cut_short_ends_in_one_line(
    write_bag: WriteBag, raw_messages: Messages, storage: StoragePlugin
) -> None:
    bag = write_bag(raw_messages, storage)
    file = next(file for file in bag.iterdir() if file.suffix in (".mcap", ".db3"))
    file.write_bytes(file.read_bytes()[:5000])

    with pytest.raises(LaposeError, match="cannot read the bag") as caught:
        list(open_source(bag))
    assert "\n" not in str(caught.value)
