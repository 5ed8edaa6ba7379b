"""Plays a bag into ROS 2 in real time, for where `ros2 bag play` is not installed."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.utilities import remove_ros_args
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection, ConnectionExtRosbag2, QosDurability
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from lapose_core.errors import LaposeError
from lapose_ros.messages import time_message
from lapose_ros.processes import run_program

#: After the last message: what is sent best effort and still on its way would be lost with its publisher.
LINGER_S = 1.0


class BagPlayer:
    """Publishes the messages of a ROS 2 bag (MCAP or sqlite3) on the topics that they were recorded from.

    Messages go out as the bytes that they are; a topic whose message package is not installed is left out.

    Attributes:
        start_ns, end_ns: when the first and the last message were recorded.
        left_out: topics that are not played.
    """

    def __init__(self, node: Node, path: Path, *, clock: bool = False) -> None:
        """Open the bag and create the publishers.

        Args:
            path: the bag's folder, or its .mcap or .db3 file.
            clock: publish the time of recording on /clock, for nodes with `use_sim_time`.

        Raises LaposeError where the bag cannot be read.
        """
        self._reader = _open(path)
        self._clock = node.create_publisher(Clock, "/clock", 10) if clock else None
        self._publishers: dict[str, Publisher] = {}
        self.left_out: list[str] = []
        for connection in self._reader.connections:
            message_type = _message_type(connection.msgtype)
            if message_type is None:
                self.left_out.append(connection.topic)
            elif connection.topic not in self._publishers:
                self._publishers[connection.topic] = node.create_publisher(
                    message_type, connection.topic, _qos(connection)
                )
        self.start_ns, self.end_ns = self._reader.start_time, self._reader.end_time

    def wait_for_listener(self, timeout_s: float) -> bool:
        """Wait until someone listens to an image topic; whether it came to that."""
        images = [p for p in self._publishers.values() if p.msg_type in (Image, CompressedImage)]
        give_up_s = time.monotonic() + timeout_s
        while not any(publisher.get_subscription_count() for publisher in images):
            if time.monotonic() > give_up_s:
                return False
            time.sleep(0.05)
        time.sleep(0.5)  # until the listener knows of us too; there is no way to ask
        return True

    def play(self, *, rate: float = 1.0, on_message: Callable[[str, int], None] | None = None) -> None:
        """Publish everything once, as far apart in time as it was recorded, divided by `rate`.

        Args:
            on_message: called with topic and time of recording after each message.
        """
        played = [c for c in self._reader.connections if c.topic in self._publishers]
        started_s = time.monotonic()
        for connection, recorded_ns, data in self._reader.messages(played):
            due_s = started_s + (recorded_ns - self.start_ns) * 1e-9 / rate
            time.sleep(max(0.0, due_s - time.monotonic()))
            if self._clock:
                self._clock.publish(Clock(clock=time_message(recorded_ns)))
            self._publishers[connection.topic].publish(bytes(data))
            if on_message:
                on_message(connection.topic, recorded_ns)
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=1))

    def close(self) -> None:
        self._reader.close()


def _open(path: Path) -> AnyReader:
    try:
        reader = AnyReader([path])
        reader.open()
    except Exception as error:  # rosbags raises many kinds for a damaged bag
        raise LaposeError(f"cannot read the bag {path} ({error}): give a bag's folder or its .mcap file") from None
    if not reader.is2:
        raise LaposeError(f"{path} is a ROS 1 bag: convert it with `rosbags-convert --src {path} --dst OUT`")
    return reader


def _message_type(name: str) -> type | None:
    """The Python class of `package/msg/Type`, or None where its package is not installed."""
    package, kind, type_name = name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.{kind}"), type_name, None)
    except ImportError:
        return None


def _qos(connection: Connection) -> QoSProfile:
    """Reliable, and kept for late listeners where it was so when recorded."""
    offered = connection.ext.offered_qos_profiles if isinstance(connection.ext, ConnectionExtRosbag2) else []
    if connection.topic == "/tf_static" or any(qos.durability == QosDurability.TRANSIENT_LOCAL for qos in offered):
        return QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    return QoSProfile(depth=10)


def main(arguments: list[str] | None = None) -> int:
    """Play a bag from the command line; exit code 2 and one line where it cannot be read."""
    arguments = sys.argv if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="lapose_bag_player", description=__doc__)
    parser.add_argument("bag", type=Path, help="folder of a bag, or its .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="times faster than it was recorded (default 1)")
    parser.add_argument("--loop", action="store_true", help="start again at the end")
    parser.add_argument("--clock", action="store_true", help="publish /clock, for nodes with use_sim_time")
    parser.add_argument("--wait", type=float, default=10.0, metavar="S", help="for a listener to the images, at most")
    options = parser.parse_args(remove_ros_args(arguments)[1:])
    if not options.rate > 0:
        parser.error("--rate must be positive")

    def play() -> int:
        player = BagPlayer(rclpy.create_node("lapose_bag_player"), options.bag, clock=options.clock)
        if player.left_out:
            print(f"not played, for want of their message packages: {', '.join(player.left_out)}", file=sys.stderr)
        player.wait_for_listener(options.wait)
        player.play(rate=options.rate)
        while options.loop:
            player.play(rate=options.rate)
        time.sleep(LINGER_S)
        return 0

    return run_program(play, arguments)


if __name__ == "__main__":
    sys.exit(main())
