"""A node that answers each image with an odometry, without a look at it: what ROS, DDS and Python cost at least."""

from __future__ import annotations

import sys

import rclpy
from nav_msgs.msg import Odometry
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from lapose_ros.processes import run_program

TOPIC = "/benchmark/image"


def echo() -> int:
    node = rclpy.create_node("benchmark_echo")
    publisher = node.create_publisher(Odometry, "/lapose/odometry", 10)

    def answer(image: Image) -> None:
        publisher.publish(Odometry(header=image.header))

    node.create_subscription(Image, TOPIC, answer, qos_profile_sensor_data)
    rclpy.spin(node)
    return 0


if __name__ == "__main__":
    sys.exit(run_program(echo, None))
