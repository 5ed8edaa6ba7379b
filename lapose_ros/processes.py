"""What programs around nodes share: the node as a process, a thread that spins, and an orderly end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


@contextmanager
def running_node(*parameters: str, log_level: str = "info") -> Iterator[subprocess.Popen]:
    """The ego-motion node as a process of its own, as on a vehicle, with parameters NAME:=VALUE; interrupted at the end."""
    command = [sys.executable, "-m", "lapose_ros.node", "--ros-args", "--log-level", log_level]
    command += [word for parameter in parameters for word in ("-p", parameter)]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def spinning(node: Node) -> Iterator[None]:
    """Serve the node's subscriptions in a thread; shuts rclpy down at the end."""

    def spin() -> None:
        with suppress(ExternalShutdownException):
            rclpy.spin(node)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        shut_down()
        thread.join()


def shut_down() -> None:
    """Shut rclpy down, if nothing else has."""
    with suppress(RuntimeError):  # rclpy's signal handler may be shutting down just now
        rclpy.try_shutdown()
