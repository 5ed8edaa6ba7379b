"""The real node over real DDS, in this process."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

# Nothing leaves this machine, and test runs side by side do not meet.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("ROS_LOG_DIR", tempfile.mkdtemp(prefix="lapose-ros-log-"))

try:
    import rclpy
except ImportError:  # an environment for training, without ROS 2
    collect_ignore_glob = ["test_*.py"]
else:
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from sensor_msgs.msg import Image

    import lapose_ros.node
    from lapose_ros.node import EgoMotionNode

    from .drive import Drive


@pytest.fixture
def start_drive(tiny_model_dir: Path) -> Iterator[Callable[..., Drive]]:
    """Starts the node with the tiny model and given parameters; returns the drive around it.

    Node and camera have a DDS participant each, so they meet as two processes do.
    """
    with ExitStack() as cleanup:

        def start(
            image_type: type = Image, before: Callable[[Node], None] | None = None, meet: bool = True, **given: Any
        ) -> Drive:
            given = {"model": str(tiny_model_dir), "image_topic": "/camera", "camera_tf_timeout_s": 0.0, **given}
            helper = Node("helper", context=cleanup.enter_context(participant()))
            cleanup.enter_context(spinning(helper))
            if before:
                before(helper)
            overrides = [Parameter(name, value=value) for name, value in given.items()]
            node = EgoMotionNode(parameter_overrides=overrides, context=cleanup.enter_context(participant()))
            cleanup.enter_context(spinning(node))
            drive = Drive(helper, node, image_type)
            if meet and given.get("autostart", True):
                drive.wait_for_node()
            return drive

        yield start
    gc.collect()  # a lifecycle node keeps its participant until then


@pytest.fixture
def slow_model(monkeypatch):
    """The real backend, as if on a machine that takes 0.2 s for a frame."""
    open_backend = lapose_ros.node.open_backend

    def open_slow(*arguments, **options):
        backend = open_backend(*arguments, **options)
        tokenize = backend.tokenize
        backend.tokenize = lambda frame: (time.sleep(0.2), tokenize(frame))[1]
        return backend

    monkeypatch.setattr(lapose_ros.node, "open_backend", open_slow)


@contextmanager
def participant() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@contextmanager
def spinning(node: Node) -> Iterator[None]:
    """Spin the node in a thread; destroy it in the end."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield
    executor.shutdown()
    thread.join()
    node.destroy_node()
