"""What the ROS graph knows of image topics: which type a topic has, and what to tell a user whose topic is silent."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

IMAGE_TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}

#: Names of `image_transport` in parameters.
TRANSPORTS = {"raw": Image, "compressed": CompressedImage}


def choose_image_type(node: Node, topic: str, transport: str) -> type[Image] | type[CompressedImage]:
    """The message type to subscribe to: as told, else as published, else by the topic's name."""
    if transport in TRANSPORTS:
        return TRANSPORTS[transport]
    for publisher in node.get_publishers_info_by_topic(topic):
        if publisher.topic_type in IMAGE_TYPES:
            return IMAGE_TYPES[publisher.topic_type]
    return CompressedImage if topic.endswith("/compressed") else Image


def describe_silence(node: Node, topic: str, silent_s: float) -> str:
    """One line on a topic that brings no images: who publishes it, and which image topics there are."""
    published = {publisher.topic_type for publisher in node.get_publishers_info_by_topic(topic)}
    if not published:
        cause = "it has no publisher"
    elif published & IMAGE_TYPES.keys():
        cause = f"its publisher ({', '.join(sorted(published))}) is silent, or image_transport is not its type"
    else:
        cause = f"it carries {', '.join(sorted(published))}, which is no image"
    candidates = [
        f"{name} ({types[0]})"
        for name, types in node.get_topic_names_and_types()
        if types[0] in IMAGE_TYPES and node.count_publishers(name)
    ]
    there_are = f"image topics there are: {', '.join(candidates)}" if candidates else "there are no image topics"
    return f"no image on {topic} for {silent_s:.0f} s: {cause}; {there_are}. Set image_topic to one that is published"
