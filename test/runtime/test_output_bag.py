"""The recording of a run, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from lapose_core.data.bag_poses import camera_in_vehicle
from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError
from lapose_core.geometry import Trajectory, invert_pose, make_pose
from lapose_core.runtime.run import run

DRIVE = Path(__file__).parents[2] / "demo" / "drive"


@pytest.fixture(scope="module")
def recording(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The demo's drive at 1 Hz: folder of the run, and the bag."""
    folder = tmp_path_factory.mktemp("run")
    bag = folder / "bags" / "out.mcap"
    run(DRIVE, folder, rate_hz=1.0, model=tiny_model_dir, output_bag=bag, progress=False)
    return folder, bag


def read(reader: AnyReader, topic: str) -> list:
    connections = [c for c in reader.connections if c.topic == topic]
    return [(recorded, reader.deserialize(data, c.msgtype)) for c, recorded, data in reader.messages(connections)]


def test_the_inputs_messages_are_all_there_as_they_were(recording: tuple[Path, Path]) -> None:
    with AnyReader([DRIVE]) as before, AnyReader([recording[1]]) as after:
        for topic in before.topics:
            kept = [
                (t, bytes(data)) for _, t, data in after.messages([c for c in after.connections if c.topic == topic])
            ]
            for _, t, data in before.messages([c for c in before.connections if c.topic == topic]):
                assert (t, bytes(data)) in kept, topic


def test_odometry_and_transform_are_those_of_the_base_at_the_images_stamps(recording: tuple[Path, Path]) -> None:
    cameras = Trajectory.read_tum(recording[0] / "trajectory.tum")
    with AnyReader([recording[1]]) as reader:
        base_camera = camera_in_vehicle(reader, "camera_front_optical")
        odometry = read(reader, "/lapose/odometry")
        transforms = [m.transforms[0] for _, m in read(reader, "/tf") if m.transforms[0].header.frame_id == "odom"]
        images = dict(read(reader, "/camera/front/image/compressed"))
    assert len(odometry) == len(transforms) == len(cameras)
    expected = base_camera @ cameras.poses @ invert_pose(base_camera)
    for (recorded, message), transform, pose in zip(odometry, transforms, expected, strict=True):
        assert images[recorded].header.stamp == message.header.stamp == transform.header.stamp
        assert (message.header.frame_id, message.child_frame_id) == ("odom", "base_link")
        p, q = message.pose.pose.position, message.pose.pose.orientation
        np.testing.assert_allclose(make_pose([p.x, p.y, p.z], [q.x, q.y, q.z, q.w]), pose, atol=1e-5)
        assert np.linalg.eigvalsh(message.pose.covariance.reshape(6, 6))[0] > 0
        assert transform.transform.translation.x == p.x


def test_path_grows_to_the_whole_way(recording: tuple[Path, Path]) -> None:
    with AnyReader([recording[1]]) as reader:
        paths, odometry = read(reader, "/lapose/path"), read(reader, "/lapose/odometry")
    assert len(paths[-1][1].poses) == len(odometry)
    assert paths[-1][1].poses[-1].pose == odometry[-1][1].pose.pose


def test_a_recording_is_a_source_again(recording: tuple[Path, Path]) -> None:
    assert open_source(recording[1]).topic == "/camera/front/image/compressed"


def test_what_cannot_be_is_told_before_the_work(tmp_path: Path, tiny_model_dir: Path) -> None:
    with pytest.raises(LaposeError, match=r"has to end in \.mcap"):
        run(DRIVE, tmp_path, model=tiny_model_dir, output_bag=tmp_path / "out.bag", progress=False)
    images = tmp_path / "images"
    images.mkdir()
    (images / "1.png").write_bytes(b"")
    with pytest.raises(LaposeError, match="is no bag"):
        run(images, tmp_path, model=tiny_model_dir, fps=1.0, output_bag=tmp_path / "out.mcap", progress=False)
