"""The camera's topic: of which type its messages are, and what to tell a user when none come."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CompressedImage, Image

from lapose_core.errors import LaposeError

#: A topic silent for this long is worth a warning.
SILENCE_S = 5.0

_TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
_TRANSPORTS = {"raw": Image, "compressed": CompressedImage}


class ImageTopic:
    """A subscription that follows the publisher's type, and notices silence."""

    def __init__(
        self,
        node: Node,
        topic: str,
        transport: str,
        *,
        on_image: Callable[[Image | CompressedImage, float], None],
        timeout_s: float,
        on_timeout: Callable[[str], None],
    ) -> None:
        """Subscribe with sensor-data QoS.

        Args:
            transport: raw, compressed or auto.
            on_image: called with each message and its time of arrival by `time.monotonic`.
            timeout_s: `on_timeout` is called with one line if no image has come after this long; 0 waits for ever.

        Raises LaposeError for a topic that cannot be.
        """
        try:
            validate_topic_name(topic)
        except InvalidTopicNameException:
            raise LaposeError(f"{topic!r} is no topic: set image_topic to letters, digits, _ and /") from None
        self._node = node
        self._topic = node.resolve_topic_name(topic)
        self._transport = transport
        self._on_image = on_image
        self._timeout_s = timeout_s
        self._on_timeout = on_timeout
        self._newest_s = time.monotonic()
        self._any_came = False
        self._subscription = self._subscribe(self._choose_type())
        self._timer = node.create_timer(1.0, self._watch)

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self, image_type: type) -> Subscription:
        self._node.get_logger().info(f"listening to {self._topic} ({image_type.__name__})")
        return self._node.create_subscription(image_type, self._topic, self._receive, qos_profile_sensor_data)

    def _receive(self, message: Image | CompressedImage) -> None:
        self._newest_s = time.monotonic()
        self._any_came = True
        self._on_image(message, self._newest_s)

    def _choose_type(self) -> type:
        """As told, else as published, else by the topic's name."""
        if self._transport in _TRANSPORTS:
            return _TRANSPORTS[self._transport]
        published = [_TYPES[name] for name in self._published_types() if name in _TYPES]
        by_name = CompressedImage if self._topic.endswith("/compressed") else Image
        return published[0] if published else by_name

    def _watch(self) -> None:
        """Once a second: follow the publisher's type, and complain if nothing comes."""
        if not self._any_came and (image_type := self._choose_type()) is not self._subscription.msg_type:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._subscribe(image_type)
        silent_s = time.monotonic() - self._newest_s
        if not self._any_came and 0 < self._timeout_s <= silent_s:
            self._on_timeout(self._describe_silence(silent_s))
        elif silent_s > SILENCE_S:
            self._node.get_logger().warning(self._describe_silence(silent_s), throttle_duration_sec=10.0)

    def _describe_silence(self, silent_s: float) -> str:
        """One line: who publishes the topic, and which image topics there are."""
        published = self._published_types()
        if not published:
            cause = "it has no publisher"
        elif published & _TYPES.keys():
            cause = f"its publisher ({', '.join(sorted(published))}) is silent, or image_transport is not its type"
        else:
            cause = f"it carries {', '.join(sorted(published))}, which is no image"
        candidates = [
            f"{name} ({types[0]})"
            for name, types in self._node.get_topic_names_and_types()
            if types[0] in _TYPES and self._node.count_publishers(name)
        ]
        there_are = f"image topics there are: {', '.join(candidates)}" if candidates else "there are no image topics"
        advice = "set image_topic to one that is published"
        return f"no image on {self._topic} for {silent_s:.0f} s: {cause}; {there_are}; {advice}"

    def _published_types(self) -> set[str]:
        return {publisher.topic_type for publisher in self._node.get_publishers_info_by_topic(self._topic)}
