"""The node's life: transitions from outside, and what it says as a process."""

from __future__ import annotations

import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from lapose_core.runtime.memory import memory_bytes
from lapose_ros.messages import pose_of, stamp_ns
from lapose_ros.node import EgoMotionNode

from .conftest import participant
from .drive import STEP_NS, Drive, picture, raw_message, wait_until


def change_state(drive: Drive, transition: int) -> bool:
    return drive.call(ChangeState, "change_state", ChangeState.Request(transition=Transition(id=transition))).success


def state(drive: Drive) -> int:
    return drive.call(GetState, "get_state").current_state.id


def test_inactive_node_is_silent_and_starts_anew_when_activated(start_drive):
    drive = start_drive()
    drive.drive(3)
    assert change_state(drive, Transition.TRANSITION_DEACTIVATE)
    assert state(drive) == State.PRIMARY_STATE_INACTIVE
    drive.show(raw_message(picture(3), 1_000_000_000 + 3 * STEP_NS))

    assert change_state(drive, Transition.TRANSITION_ACTIVATE)
    drive.wait_for_node()
    drive.drive(2, start_ns=10_000_000_000)
    assert len(drive.odometry) == 5
    assert np.allclose(pose_of(drive.odometry[3].pose.pose), np.eye(4))


def test_node_waits_for_a_lifecycle_manager_when_asked_to(start_drive):
    drive = start_drive(autostart=False)
    assert state(drive) == State.PRIMARY_STATE_UNCONFIGURED
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert change_state(drive, transition)
    drive.wait_for_node()
    drive.drive(2)
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    ):
        assert change_state(drive, transition)
    assert state(drive) == State.PRIMARY_STATE_FINALIZED


def test_transition_that_does_not_fit_is_refused_and_changes_nothing(start_drive):
    drive = start_drive()
    assert not change_state(drive, Transition.TRANSITION_CONFIGURE)
    assert not change_state(drive, Transition.TRANSITION_CLEANUP)
    assert state(drive) == State.PRIMARY_STATE_ACTIVE
    drive.drive(2)


def test_active_node_can_be_shut_down(start_drive):
    drive = start_drive()
    drive.drive(2)
    assert change_state(drive, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state(drive) == State.PRIMARY_STATE_FINALIZED


@pytest.fixture
def node_without_helper(tiny_model_dir: Path):
    """The node alone, driven by its own triggers."""
    with participant() as context:
        given = {"model": str(tiny_model_dir), "image_topic": "/camera", "autostart": False}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = EgoMotionNode(parameter_overrides=overrides, context=context)
        yield node
        node.destroy_node()
    gc.collect()


def test_transitions_in_any_order_a_hundred_times_leave_nothing_behind(node_without_helper: EgoMotionNode):
    node = node_without_helper
    choose = random.Random(6).choice
    now = "unconfigured"
    ways = {
        "unconfigured": [("configure", "inactive")],
        "inactive": [("activate", "active"), ("cleanup", "unconfigured")],
        "active": [("deactivate", "inactive")],
    }

    def go(transition: str) -> None:
        assert getattr(node, f"trigger_{transition}")() == TransitionCallbackReturn.SUCCESS

    def held() -> dict[str, int]:
        gc.collect()
        kinds = ("publishers", "subscriptions", "timers", "services", "clients", "guards")
        threads = sum(thread.name == "odometer" for thread in threading.enumerate())
        files = len(list(Path("/proc/self/fd").iterdir()))
        return {kind: len(list(getattr(node, kind))) for kind in kinds} | {"threads": threads, "files": files}

    go("configure"), go("activate"), go("deactivate"), go("cleanup")
    before, memory = held(), memory_bytes()
    done = 0
    while done < 100 or now != "unconfigured":
        transition, now = choose(ways[now])
        go(transition)
        done += 1
    assert held() == before
    assert memory_bytes() - memory < 50e6
    assert not node.failed.done()


def test_manager_changes_its_state_a_hundred_times_while_images_come(start_drive):
    drive = start_drive()
    choose = random.Random(6).choice
    configure, activate = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
    deactivate, cleanup = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
    ways = {
        State.PRIMARY_STATE_UNCONFIGURED: [(configure, State.PRIMARY_STATE_INACTIVE)],
        State.PRIMARY_STATE_INACTIVE: [
            (activate, State.PRIMARY_STATE_ACTIVE),
            (cleanup, State.PRIMARY_STATE_UNCONFIGURED),
        ],
        State.PRIMARY_STATE_ACTIVE: [(deactivate, State.PRIMARY_STATE_INACTIVE)],
    }
    stop = threading.Event()

    def film() -> None:
        for index in itertools.count():
            if stop.wait(0.01):
                return
            drive.show(raw_message(picture(index % 50), 1_000_000_000 + index * STEP_NS))

    camera = threading.Thread(target=film)
    camera.start()
    client = drive.helper.create_client(ChangeState, "/lapose/change_state")

    def go(transition: int) -> None:
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        wait_until(future.done)
        assert future.result().success

    def held() -> tuple[int, int]:
        gc.collect()
        return sum(thread.name == "odometer" for thread in threading.enumerate()), len(list(drive.node.subscriptions))

    try:
        before, memory, now = held(), memory_bytes(), State.PRIMARY_STATE_ACTIVE
        done = 0
        while done < 100 or now != State.PRIMARY_STATE_ACTIVE:
            transition, now = choose(ways[now])
            go(transition)
            done += 1
            for heard in (drive.odometry, drive.paths, drive.ego_motions, drive.transforms):
                heard.clear()  # paths would take more than the node
        assert state(drive) == now
        wait_until(lambda: drive.counts.processed > 2)
    finally:
        stop.set()
        camera.join()
    assert held() == before
    assert memory_bytes() - memory < 150e6  # the threads' heaps; it levels off at 90 MB, also after 400 changes
    assert not drive.node.failed.done()


def test_node_shares_context_and_executor_with_the_users_own(tiny_model_dir: Path):
    with participant() as context:
        overrides = [Parameter("model", value=str(tiny_model_dir)), Parameter("image_topic", value="/camera")]
        node = EgoMotionNode(parameter_overrides=overrides, context=context)
        own = Node("users_own", context=context)
        heard: list[Odometry] = []
        own.create_subscription(Odometry, "/lapose/odometry", heard.append, 10)
        camera = own.create_publisher(Image, "/camera", 10)
        executor = MultiThreadedExecutor(num_threads=3, context=context)
        executor.add_node(node), executor.add_node(own)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        wait_until(lambda: camera.get_subscription_count() > 0 and own.count_publishers("/lapose/odometry") > 0)
        for index in range(3):
            camera.publish(raw_message(picture(index), 1_000_000_000 + index * STEP_NS))
            wait_until(lambda number=index + 1: len(heard) == number)
        assert [stamp_ns(o.header.stamp) for o in heard] == [1_000_000_000 + index * STEP_NS for index in range(3)]
        executor.shutdown()
        thread.join()
        node.destroy_node()
        own.destroy_node()
    gc.collect()


def run_node(*parameters: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    arguments = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "lapose_ros.node", "--ros-args", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def one_error(ended: subprocess.CompletedProcess[str]) -> str:
    """The one line that is more than information."""
    lines = [line for line in ended.stderr.strip().splitlines() if not line.startswith("[INFO]")]
    assert len(lines) == 1, ended.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("parameter", "line"),
    [
        ("model:=no_such_model", "no model 'no_such_model'"),
        ("backend:=abacus", "parameter backend is 'abacus': choose one of auto, onnxruntime, torch"),
        ("rate_hz:=-1.0", "rate_hz out of range"),
        ("image_topic:='my camera'", "'my camera' is no topic"),
        ("camera_xyz:=[1.0, 2.0]", "parameter camera_xyz has 2 numbers: give 3"),
    ],
)
def test_wrong_parameter_ends_with_one_line_and_exit_code_2(parameter: str, line: str, tiny_model_dir: Path):
    ended = run_node(f"model:={tiny_model_dir}", parameter)
    assert ended.returncode == 2
    assert line in one_error(ended)


def test_wrong_weights_end_with_one_line_and_exit_code_2(tmp_path: Path, tiny_model_dir: Path):
    for file in tiny_model_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.onnx").write_bytes(b"not a network")
    ended = run_node(f"model:={tmp_path}", "backend:=onnxruntime")
    assert ended.returncode == 2
    assert "tokenizer.onnx" in one_error(ended)


def test_silent_topic_ends_with_one_line_that_names_the_image_topics(start_drive, tiny_model_dir: Path):
    start_drive()  # publishes /camera
    ended = run_node(f"model:={tiny_model_dir}", "image_topic:=/nowhere", "topic_timeout_s:=5.0")
    assert ended.returncode == 2
    assert "no image on /nowhere" in one_error(ended)
    assert "/camera (sensor_msgs/msg/Image)" in one_error(ended)


def test_interrupted_node_ends_quietly(tiny_model_dir: Path):
    command = [sys.executable, "-m", "lapose_ros.node", "--ros-args", "-p", f"model:={tiny_model_dir}"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stderr:
            if "looking for the camera" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
