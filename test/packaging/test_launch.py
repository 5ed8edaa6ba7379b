"""The launch file under the real `ros2 launch`, which a full ROS 2 has and the wheels on PyPI lack."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, overlay, run

pytest.importorskip("ros2launch", reason="launch, launch_ros and ros2cli are part of a full ROS 2")

LAUNCH_FILE = ROOT / "launch" / "lapose.launch.py"
DOMAIN = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


ROS2 = str(Path(sys.executable).parent / "ros2")


@contextmanager
def launched(prefix: Path, *arguments: str | Path, beside: Path | None = None) -> Iterator[Callable[[str], str]]:
    """`ros2 launch` with these arguments; yields a function that waits for a line with a pattern.

    `beside` is the prefix of another package.
    """
    command = [ROS2, "launch", *map(str, arguments)]
    environment = os.environ | overlay(prefix) | DOMAIN | {"PYTHONUNBUFFERED": "1"}
    if beside:
        environment["AMENT_PREFIX_PATH"] += f":{beside}"
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    ) as process:
        thread = threading.Thread(target=lambda: [lines.append(line) for line in process.stdout], daemon=True)
        thread.start()

        def wait_for(pattern: str, timeout_s: float = 60.0) -> str:
            give_up_s = time.monotonic() + timeout_s
            while True:
                last_look = time.monotonic() > give_up_s or not thread.is_alive()  # nothing more will come
                if found := [line for line in list(lines) if re.search(pattern, line)]:
                    return found[0]
                assert not last_look, "".join(lines)
                time.sleep(0.05)

        try:
            yield wait_for
        finally:
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def rviz_prefix(tmp_path: Path) -> Path:
    """A package rviz2 whose program keeps the configuration that RViz would show, as shown.rviz."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "rviz2").touch()
    program = tmp_path / "lib" / "rviz2" / "rviz2"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\ncp "$2" {tmp_path}/config && mv {tmp_path}/config {tmp_path}/shown.rviz\n')
    program.chmod(0o755)
    return tmp_path


def shown_topics(rviz_prefix: Path) -> set[str]:
    """The topics that RViz was started with."""
    give_up_s = time.monotonic() + 60.0
    while not (config := rviz_prefix / "shown.rviz").exists():
        assert time.monotonic() < give_up_s, "RViz was not started"
        time.sleep(0.05)
    displays = yaml.safe_load(config.read_text())["Visualization Manager"]["Displays"]
    return {display["Topic"]["Value"] for display in displays if "Topic" in display}


def test_arguments_read_well(cmake_prefix: Path):
    environment = overlay(cmake_prefix) | DOMAIN
    shown = run(ROS2, "launch", "lapose", "lapose.launch.py", "-s", **environment)
    for part in (
        "'image_topic':\n        Topic of the camera's images; auto takes the only camera there is",
        "'image_qos'",
        "Valid choices are: ('', 'sensor_data', 'reliable')",
        "'rviz'",
        "'bag':\n        A bag to play",
    ):
        assert part in shown, shown


def test_wrong_choice_is_refused(cmake_prefix: Path):
    with launched(cmake_prefix, "lapose", "lapose.launch.py", "image_qos:=fast") as wait_for:
        wait_for(r'"image_qos" provided value "fast" is not valid')


def test_bag_is_played_into_a_node_that_finds_its_camera(cmake_prefix: Path, tiny_model_dir: Path):
    bag = ROOT / "demo" / "drive"
    with launched(
        cmake_prefix, "lapose", "lapose.launch.py", f"bag:={bag}", "bag_rate:=10.0", f"model:={tiny_model_dir}"
    ) as wait_for:
        wait_for(r"looking for the camera")
        wait_for(r"listening to /camera/front/image/compressed \(CompressedImage\)")
        wait_for(r"camera camera_front_optical in base_link from TF")


def test_launch_file_is_included_by_others_once_for_each_camera(
    cmake_prefix: Path, rviz_prefix: Path, tiny_model_dir: Path, tmp_path: Path
):
    outer = tmp_path / "vehicle.launch.py"
    outer.write_text(f"""
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace, SetRemap

def camera(name, arguments):
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource({str(LAUNCH_FILE)!r}),
        launch_arguments={{"model": {str(tiny_model_dir)!r}, **arguments}}.items(),
    )
    return GroupAction([PushRosNamespace("car"), SetRemap("image", f"/sensors/{{name}}/image_raw"), include])

def generate_launch_description():
    return LaunchDescription([
        camera("front", {{"namespace": "front", "image_topic": "image", "rviz": "true"}}),
        camera("rear", {{"namespace": "rear", "image_topic": "/rear/image", "camera_rpy": "[0, 0, 3.14]"}}),
    ])
""")
    with launched(cmake_prefix, outer, beside=rviz_prefix) as wait_for:
        wait_for(r"\[car.front.lapose\]: listening to /sensors/front/image_raw")
        wait_for(r"\[car.rear.lapose\]: listening to /rear/image")
        assert "/car/front/lapose/odometry" in shown_topics(rviz_prefix)


@pytest.mark.parametrize(
    ("arguments", "lapose", "images"),
    [
        ((), "/lapose", "/camera/front/image"),
        (("namespace:=left", "image_topic:=/left/image/compressed"), "/left/lapose", "/left/image/compressed"),
        ((f"bag:={ROOT / 'demo' / 'drive'}",), "/lapose", "/camera/front/image/compressed"),
    ],
)
def test_rviz_is_started_on_the_topics_of_this_node(
    cmake_prefix: Path, rviz_prefix: Path, tiny_model_dir: Path, arguments: tuple, lapose: str, images: str
):
    given = (f"model:={tiny_model_dir}", "rviz:=true", *arguments)
    with launched(cmake_prefix, "lapose", "lapose.launch.py", *given, beside=rviz_prefix):
        expected = {f"{lapose}/{topic}" for topic in ("odometry", "path", "trajectory")}
        assert shown_topics(rviz_prefix) == expected | {images}


def test_ros2_command_knows_the_node(cmake_prefix: Path, tiny_model_dir: Path):
    environment = os.environ | overlay(cmake_prefix) | DOMAIN

    def says(expected: str, *words: str) -> None:
        """Until the command, which looks at the graph for a moment only, has found the node."""
        command = [ROS2, *words, "--no-daemon", "--spin-time", "3"]
        give_up_s = time.monotonic() + 60.0
        while (
            expected not in (ended := subprocess.run(command, capture_output=True, text=True, env=environment)).stdout
        ):
            assert time.monotonic() < give_up_s, ended.stdout + ended.stderr

    model = f"model:={tiny_model_dir}"
    with launched(cmake_prefix, "lapose", "lapose.launch.py", model, "namespace:=left", "rate_hz:=2.5") as wait_for:
        wait_for("looking for the camera")
        says("/left/lapose", "node", "list")
        says("/left/lapose/odometry", "topic", "list")
        says("2.5", "param", "get", "/left/lapose", "rate_hz")
        says("active", "lifecycle", "get", "/left/lapose")
        says("Frames a second that the window takes", "param", "describe", "/left/lapose", "rate_hz")
