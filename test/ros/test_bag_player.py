"""A recorded drive, played into the node."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CompressedImage

from lapose_core.errors import LaposeError
from lapose_ros.bag_player import BagPlayer
from lapose_ros.messages import stamp_ns

from .drive import STEP_NS, picture, png_message, wait_until

FRAMES = 6
START_NS = 1_700_000_000_000_000_000
LAST_NS = START_NS + (FRAMES - 1) * STEP_NS


@pytest.fixture(params=[StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=["mcap", "sqlite3"])
def bag(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Six frames at 5 Hz on /camera."""
    with Writer(tmp_path / "bag", version=9, storage_plugin=request.param) as writer:
        types = get_typestore(Stores.ROS2_JAZZY)
        camera = writer.add_connection("/camera", "sensor_msgs/msg/CompressedImage", typestore=types)
        for index in range(FRAMES):
            now_ns = START_NS + index * STEP_NS
            writer.write(camera, now_ns, serialize_message(png_message(picture(index), now_ns)))
    return tmp_path / "bag"


def test_player_keeps_stamps_and_time_between_messages(start_drive, bag: Path):
    drive = start_drive(CompressedImage)
    player = BagPlayer(drive.helper, bag)
    assert player.wait_for_listener(10.0)
    played = []
    started_s = time.monotonic()
    player.play(on_message=lambda topic, recorded_ns: played.append((topic, recorded_ns)))
    assert time.monotonic() - started_s == pytest.approx((FRAMES - 1) * STEP_NS * 1e-9, abs=0.2)
    player.close()
    assert played == [("/camera", START_NS + index * STEP_NS) for index in range(FRAMES)]
    wait_until(lambda: len(drive.odometry) == FRAMES)
    assert [stamp_ns(o.header.stamp) for o in drive.odometry] == [recorded_ns for _, recorded_ns in played]


def test_player_and_node_meet_as_processes(start_drive, bag: Path):
    drive = start_drive(CompressedImage)
    command = [sys.executable, "-m", "lapose_ros.bag_player", str(bag), "--rate", "2"]
    subprocess.run(command, check=True, timeout=30)
    wait_until(lambda: bool(drive.odometry) and stamp_ns(drive.odometry[-1].header.stamp) == LAST_NS)


def test_player_tells_of_a_bag_that_it_cannot_read(start_drive, tmp_path: Path):
    with pytest.raises(LaposeError, match="cannot read the bag"):
        BagPlayer(start_drive().helper, tmp_path / "none.mcap")
