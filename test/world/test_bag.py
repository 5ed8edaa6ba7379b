"""A drive written as a bag reads back as the same drive."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError
from lapose_core.geometry import invert_pose, make_pose
from lapose_core.world.bag import write_drive_bag
from lapose_core.world.clips import Clips
from lapose_core.world.preview import write_contact_sheet


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Clips]:
    path = tmp_path_factory.mktemp("bags") / "drive"
    size = {"width": 96, "height": 64, "supersample": 1}
    return path, write_drive_bag(path, seconds=3.0, rate_hz=4.0, seed=2, progress=False, **size)


def _messages(path: Path, topic: str) -> list:
    with AnyReader([path]) as reader:
        connections = [c for c in reader.connections if c.topic == topic]
        return [reader.deserialize(data, c.msgtype) for c, _, data in reader.messages(connections)]


def _ns(header) -> int:
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def _pose(position, orientation) -> np.ndarray:
    return make_pose([position.x, position.y, position.z], [orientation.x, orientation.y, orientation.z, orientation.w])


def test_images_and_camera_info_come_in_pairs_at_the_asked_rate(bag: tuple[Path, Clips]):
    path, clips = bag
    images = _messages(path, "/camera/front/image/compressed")
    infos = _messages(path, "/camera/front/camera_info")
    assert len(images) == len(infos) == 12
    assert [_ns(m.header) for m in images] == [_ns(m.header) for m in infos]
    np.testing.assert_array_equal(np.diff([_ns(m.header) for m in images]), np.diff(clips.stamps_ns_BT[0]))
    for image, info in zip(images, infos, strict=True):
        assert cv2.imdecode(image.data, cv2.IMREAD_COLOR).shape == (64, 96, 3) == (info.height, info.width, 3)
        assert image.header.frame_id == info.header.frame_id == "camera_front_optical"
        assert 2 * np.arctan(info.width / (2 * info.k[0])) == pytest.approx(clips.fov_x_B[0])


def test_true_base_poses_and_tf_static_give_the_camera_poses(bag: tuple[Path, Clips]):
    path, clips = bag
    (static,) = _messages(path, "/tf_static")
    (mount,) = static.transforms
    assert (mount.header.frame_id, mount.child_frame_id) == ("base_link", "camera_front_optical")
    base_camera = _pose(mount.transform.translation, mount.transform.rotation)
    truth = _messages(path, "/ground_truth/odometry")
    bases = np.stack([_pose(m.pose.pose.position, m.pose.pose.orientation) for m in truth])
    np.testing.assert_allclose(bases @ base_camera, clips.pose_world_camera_BT44[0], atol=1e-6)
    assert 1.0 < mount.transform.translation.z < 2.6
    assert {(m.header.frame_id, m.child_frame_id) for m in truth} == {("map", "ground_truth/base_link")}


def test_the_bag_is_a_source_with_the_cameras_true_poses(bag: tuple[Path, Clips]):
    path, clips = bag
    source = open_source(path)
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == source.poses.stamps_ns.tolist()
    np.testing.assert_allclose(source.poses.motions(), clips.motions_BS44[0], atol=1e-6)


def test_tf_agrees_with_the_odometry_and_leaves_base_link_alone(bag: tuple[Path, Clips]):
    path, _ = bag
    truth, transforms = _messages(path, "/ground_truth/odometry"), _messages(path, "/tf")
    for odometry, message in zip(truth, transforms, strict=True):
        (stamped,) = message.transforms
        assert (stamped.header.frame_id, stamped.child_frame_id) == ("map", "ground_truth/base_link")
        np.testing.assert_allclose(
            _pose(stamped.transform.translation, stamped.transform.rotation),
            _pose(odometry.pose.pose.position, odometry.pose.pose.orientation),
        )


def test_twist_is_the_motion_in_the_vehicles_axes(bag: tuple[Path, Clips]):
    truth = _messages(bag[0], "/ground_truth/odometry")
    bases = np.stack([_pose(m.pose.pose.position, m.pose.pose.orientation) for m in truth])
    steps = invert_pose(bases[:-1]) @ bases[1:]
    linear = [[getattr(m.twist.twist.linear, axis) for axis in "xyz"] for m in truth[1:]]
    np.testing.assert_allclose(linear, steps[:, :3, 3] / 0.25, atol=1e-6)


def test_raw_images_on_request(tmp_path: Path):
    size = {"width": 32, "height": 16, "supersample": 2}
    write_drive_bag(tmp_path / "raw", seconds=0.5, rate_hz=4.0, compressed=False, progress=False, **size)
    image, _ = _messages(tmp_path / "raw", "/camera/front/image")
    assert (image.height, image.width, image.encoding, image.step) == (16, 32, "rgb8", 96)
    assert image.data.size == 16 * 96


def test_an_existing_target_is_left_alone(tmp_path: Path):
    with pytest.raises(LaposeError, match="exists already"):
        write_drive_bag(tmp_path, progress=False)


def test_without_numba_there_is_no_half_a_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(LaposeError, match="pip install numba"):
        write_drive_bag(tmp_path / "drive", seconds=1.0)
    assert not (tmp_path / "drive").exists()


def test_contact_sheet_is_a_picture_of_the_asked_size(tmp_path: Path):
    write_contact_sheet(tmp_path / "new" / "sheet.png", clips=2, frames=3, width=64, height=32, flow=True)
    assert cv2.imread(str(tmp_path / "new" / "sheet.png")).shape == (2 * 32, 3 * 64, 3)
