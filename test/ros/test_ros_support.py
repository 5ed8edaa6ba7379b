"""What stands in for packages that the wheels on PyPI lack."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from lapose_core.data.encodings import UndecodableFrameError
from lapose_core.errors import LaposeError
from lapose_core.geometry import invert_pose, make_pose
from lapose_ros import ros_support
from lapose_ros.messages import image_of, transform_message
from lapose_ros.ros_support import (
    create_cloud,
    create_transform_lookup,
    decode_by_cv_bridge,
    rotation_from_rpy,
    spin_until,
)

from .conftest import participant
from .drive import HEIGHT, STEP_NS, WIDTH, latched, picture, raw_message, wait_until

ANGLE = st.floats(-3.1, 3.1)


def stamped(parent: str, child: str, pose: np.ndarray) -> TransformStamped:
    message = TransformStamped(child_frame_id=child, transform=transform_message(pose))
    message.header.frame_id = parent
    return message


@pytest.fixture
def lookup(start_drive):
    """A lookup in a tree map - base - (mast - camera, lidar), spread over /tf_static."""
    poses = {
        ("map", "base"): make_pose([5, 6, 0], [0, 0, 0.6, 0.8]),
        ("base", "mast"): make_pose([1, 0, 2], [0, 0, 0, 1]),
        ("mast", "camera"): make_pose([0.1, 0, 0], [-0.5, 0.5, -0.5, 0.5]),
        ("base", "lidar"): make_pose([0, 0, 1], [0.6, 0, 0, 0.8]),
    }
    messages = [stamped(parent, child, pose) for (parent, child), pose in poses.items()]
    drive = start_drive(before=lambda helper: latched(helper, TFMessage(transforms=messages)))
    lookup = create_transform_lookup(drive.node)
    wait_until(lambda: lookup.look_up("lidar", "base") is not None)
    return lookup, poses


def test_lookup_chains_transforms_up_and_down_the_tree(lookup):
    lookup, poses = lookup
    camera = poses["base", "mast"] @ poses["mast", "camera"]
    assert np.allclose(lookup.look_up("camera", "base"), camera)
    assert np.allclose(lookup.look_up("base", "camera"), invert_pose(camera))
    assert np.allclose(lookup.look_up("camera", "lidar"), invert_pose(poses["base", "lidar"]) @ camera)
    assert np.allclose(lookup.look_up("camera", "map"), poses["map", "base"] @ camera)
    assert np.allclose(lookup.look_up("base", "base"), np.eye(4))


def test_lookup_knows_what_it_does_not_know(lookup):
    assert lookup[0].look_up("radar", "base") is None


@settings(max_examples=50, deadline=None)
@given(ANGLE, ANGLE, ANGLE)
def test_roll_pitch_yaw_turn_about_fixed_axes_in_this_order(roll, pitch, yaw):
    def about(axis: int, angle: float) -> np.ndarray:
        quaternion = [0.0, 0.0, 0.0, np.cos(angle / 2)]
        quaternion[axis] = np.sin(angle / 2)
        return make_pose(np.zeros(3), quaternion)[:3, :3]

    assert np.allclose(rotation_from_rpy(roll, pitch, yaw), about(2, yaw) @ about(1, pitch) @ about(0, roll))


@settings(max_examples=50, deadline=None)
@given(ANGLE, ANGLE, ANGLE)
def test_roll_pitch_yaw_are_those_of_tf_transformations(roll, pitch, yaw):
    tf_transformations = pytest.importorskip("tf_transformations", reason="part of a full ROS 2")
    assert ros_support.tf_transformations is tf_transformations
    used = rotation_from_rpy(roll, pitch, yaw)
    with pytest.MonkeyPatch.context() as without:
        without.setattr(ros_support, "tf_transformations", None)
        assert np.allclose(used, rotation_from_rpy(roll, pitch, yaw), rtol=0, atol=1e-14)


@pytest.mark.parametrize("count", [1, 7])
def test_cloud_is_byte_for_byte_that_of_sensor_msgs_py(monkeypatch, count: int):
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="part of a full ROS 2")
    assert ros_support.point_cloud2 is point_cloud2
    points = np.zeros(count, [(name, "<f4") for name in ("x", "y", "z", "rgb", "deviation")])
    for name in points.dtype.names:
        points[name] = np.random.default_rng(len(name)).normal(size=count)
    used = create_cloud(Header(frame_id="odom"), points)
    monkeypatch.setattr(ros_support, "point_cloud2", None)
    assert serialize_message(used) == serialize_message(create_cloud(Header(frame_id="odom"), points))


def sixteen_bits(image_HWC: np.ndarray, stamp_ns: int = 1) -> Image:
    """Colours that cv_bridge knows and lapose's own step does not."""
    message = raw_message(image_HWC, stamp_ns)
    message.encoding, message.step = "bgr16", 6 * image_HWC.shape[1]
    message.data = (image_HWC[..., ::-1].astype("<u2") * 257).tobytes()
    return message


def test_encoding_that_is_not_known_is_told_with_what_would_know_it(monkeypatch):
    monkeypatch.setattr(ros_support, "cv_bridge", None)
    with pytest.raises(LaposeError, match=r"'bgr16' is not supported: publish one of rgb8.*or install cv_bridge"):
        image_of(sixteen_bits(picture(0)))


def test_cv_bridge_decodes_what_is_not_known(start_drive):
    pytest.importorskip("cv_bridge", reason="part of a full ROS 2")
    np.testing.assert_array_equal(image_of(sixteen_bits(picture(0))), picture(0))
    drive = start_drive()
    for index in range(2):
        drive.show_and_wait(sixteen_bits(picture(index), 1_000_000_000 + index * STEP_NS))
    for index in range(2):
        drive.show_and_wait(raw_message(picture(index), 100_000_000_000 + index * STEP_NS))
    wait_until(lambda: len(drive.ego_motions) == 2)
    assert np.allclose(drive.ego_motions[0].latent_action, drive.ego_motions[1].latent_action, atol=1e-6)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "mono8", "mono16", "bayer_rggb8", "yuv422"])
def test_cv_bridge_and_the_own_step_give_the_same_numbers(encoding: str):
    pytest.importorskip("cv_bridge", reason="part of a full ROS 2")
    pixel_bytes = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "mono16": 2, "yuv422": 2}.get(encoding, 1)
    message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=pixel_bytes * WIDTH)
    smooth = np.tile(np.arange(pixel_bytes * WIDTH) // 8 % 200, (HEIGHT, 1)).astype(np.uint8)
    message.data = smooth.tobytes()
    difference = decode_by_cv_bridge(message).astype(int) - image_of(message).decode()
    assert np.abs(difference).max() <= 1


def test_cv_bridge_says_what_it_does_not_know_and_what_is_damaged():
    pytest.importorskip("cv_bridge", reason="part of a full ROS 2")
    message = sixteen_bits(picture(0))
    message.data = message.data[:100]
    with pytest.raises(UndecodableFrameError, match="cv_bridge cannot decode an image of 'bgr16'"):
        image_of(message)
    message = sixteen_bits(picture(0))
    for encoding in ("32FC1", "nonsense"):
        message.encoding = encoding
        with pytest.raises(LaposeError, match=f"'{encoding}' is not supported, nor by cv_bridge"):
            image_of(message)


def test_spinning_leaves_nothing_behind_in_the_future_and_ends_with_it():
    with participant() as context:
        node, future, turns = Node("spinner", context=context), Future(), []
        node.create_timer(0.001, lambda: turns.append(len(future._callbacks)))
        thread = threading.Thread(target=spin_until, args=(node, future), daemon=True)
        thread.start()
        wait_until(lambda: len(turns) > 50)
        future.set_result("done")
        thread.join(10.0)
        assert not thread.is_alive()
        node.destroy_node()
    assert max(turns) == 1
