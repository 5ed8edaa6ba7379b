"""What stands in for packages that the wheels on PyPI lack."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from tf2_msgs.msg import TFMessage

from lapose_core.geometry import invert_pose, make_pose
from lapose_ros.messages import transform_message
from lapose_ros.ros_support import create_transform_lookup, rotation_from_rpy

from .drive import latched, wait_until

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
