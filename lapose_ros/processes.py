"""What programs around nodes share: the node as a process, a thread that spins, and an orderly end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from lapose_core.errors import LaposeError
from lapose_core.runtime.memory import keep_freed_memory


@contextmanager
def running_node(
    *parameters: str, log_level: str = "info", module: str = "lapose_ros.node"
) -> Iterator[subprocess.Popen]:
    """The ego-motion node, or another, as a process of its own, with parameters NAME:=VALUE; interrupted at the end."""
    command = [sys.executable, "-m", module, "--ros-args", "--log-level", log_level]
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
        _shut_down()
        thread.join()


def run_program(program: Callable[[], int], arguments: list[str] | None) -> int:
    """Run what a command does, between rclpy's start and its end; returns the exit code.

    Interrupted in between, it has done what was wanted; a LaposeError is one line and exit code 2.
    """
    keep_freed_memory()
    rclpy.init(args=arguments)
    try:
        return program()
    except LaposeError as error:
        print(f"lapose: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except Exception:
        if rclpy.ok():  # else it is an interrupt that shuts rclpy down under our feet
            raise
        return 0
    finally:
        _shut_down()


def _shut_down() -> None:
    with suppress(RuntimeError):  # rclpy's signal handler may be shutting down just now
        rclpy.try_shutdown()
