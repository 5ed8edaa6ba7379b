"""The camera's topic: which it is, of which type its messages are, and what to tell a user when none come."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CompressedImage, Image

from lapose_core.data.camera_topics import choose_camera_topic
from lapose_core.errors import LaposeError
from lapose_ros import qos
from lapose_ros.parameters import Parameters

_TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
_TRANSPORTS = {"raw": Image, "compressed": CompressedImage}

#: Name of `image_topic` that lets the node look for the camera.
AUTO = "auto"
#: The graph is looked at this often; what is found counts once it is the same so many times, as discovery takes time.
_LOOK_S, _STEADY_LOOKS = 0.5, 3


class ImageTopic:
    """A subscription that finds the camera, follows the publisher's type, and notices silence.

    Attributes:
        topic: the images' full name; None while it is looked for.
        silence: why no images come, in one sentence; None while they do.
    """

    def __init__(
        self,
        node: Node,
        parameters: Callable[[], Parameters],
        *,
        on_topic: Callable[[str], None],
        on_image: Callable[[Image | CompressedImage, float], None],
        on_timeout: Callable[[str], None],
    ) -> None:
        """Subscribe, or start to look for the camera.

        Args:
            parameters: gives their values of the moment.
            on_topic: called with the images' topic once it is known.
            on_image: called with each message and its time of arrival by `time.monotonic`.
            on_timeout: called with one sentence if no image has come after `topic_timeout_s`.

        Raises LaposeError for a topic that cannot be.
        """
        self._node, self._parameters = node, parameters
        self._on_topic, self._on_image, self._on_timeout = on_topic, on_image, on_timeout
        self._newest_s = time.monotonic()
        self._any_came = False
        self._subscription: Subscription | None = None
        self._found: list[str] = []
        self.topic: str | None = None
        self.silence: str | None = None
        wanted = parameters().image_topic
        if wanted == AUTO:
            node.get_logger().info("looking for the camera")
        else:
            try:
                validate_topic_name(wanted)
            except InvalidTopicNameException:
                raise LaposeError(f"{wanted!r} is no topic: set image_topic to letters, digits, _ and /") from None
            self._listen(node.resolve_topic_name(wanted))
        # Steady, because a clock of /clock may stand still.
        self._timer = node.create_timer(_LOOK_S, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _listen(self, topic: str) -> None:
        self.topic = topic
        self._subscription = self._subscribe(self._choose_type())
        self._on_topic(topic)

    def _subscribe(self, image_type: type) -> Subscription:
        parameters = self._parameters()
        self._node.get_logger().info(f"listening to {self.topic} ({image_type.__name__})")
        return self._node.create_subscription(
            image_type,
            self.topic,
            self._receive,
            qos.profile(parameters.image_qos, depth=5),
            event_callbacks=qos.subscription_events(self._node, self.topic, "set image_qos to sensor_data"),
        )

    def _receive(self, message: Image | CompressedImage) -> None:
        self._newest_s = time.monotonic()
        self._any_came = True
        self.silence = None
        self._on_image(message, self._newest_s)

    def _choose_type(self) -> type:
        """As told, else as published, else by the topic's name."""
        transport = self._parameters().image_transport
        if transport in _TRANSPORTS:
            return _TRANSPORTS[transport]
        published = sorted(name for name in self._published_types() if name in _TYPES)
        by_name = CompressedImage if self.topic.endswith("/compressed") else Image
        return _TYPES[published[0]] if published else by_name

    def _watch(self) -> None:
        """Look for the camera; follow the publisher's type; complain if nothing comes."""
        if self.topic is None:
            self._look_for_camera()
        elif (self.silence or not self._any_came) and (
            image_type := self._choose_type()
        ) is not self._subscription.msg_type:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._subscribe(image_type)
        parameters = self._parameters()
        silent_s = time.monotonic() - self._newest_s
        if not self._any_came and 0 < parameters.topic_timeout_s <= silent_s:
            self._on_timeout(self._describe_silence(silent_s))
        elif silent_s > parameters.silence_s:
            self.silence = self._describe_silence(silent_s)
            self._node.get_logger().warning(self.silence, throttle_duration_sec=10.0)

    def _look_for_camera(self) -> None:
        try:
            topic = choose_camera_topic(self._image_topics(), self._node.get_namespace())
        except LaposeError:
            self._found = []
            return
        self._found = [*self._found, topic] if self._found[-1:] == [topic] else [topic]
        if len(self._found) >= _STEADY_LOOKS:
            self._listen(topic)

    def _describe_silence(self, silent_s: float) -> str:
        """One sentence: who publishes the topic, or which image topics there are, and what to do."""
        if self.topic is None:
            try:
                choose_camera_topic(self._image_topics(), self._node.get_namespace())
            except LaposeError as error:
                return str(error)
            return "the cameras that are published change all the time: set image_topic"
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        heard = [publisher for publisher in publishers if publisher.topic_type in _TYPES]
        silence = f"no image on {self.topic} for {silent_s:.0f} s"
        if heard:
            names = ", ".join(map(_describe, heard))
            return f"{silence}: its publisher {names} is silent, or image_transport or image_qos does not fit it"
        types = ", ".join(sorted(self._published_types()))
        cause = f"it carries {types}, which is no image" if publishers else "it has no publisher"
        topics = ", ".join(f"{topic} ({kind})" for topic, kind in self._image_topics().items())
        there_are = f"set image_topic to one of {topics}" if topics else "there are no image topics: start the camera"
        return f"{silence}: {cause}; {there_are}"

    def _image_topics(self) -> dict[str, str]:
        """Published topics of the wanted type of image, with their types."""
        wanted = _TRANSPORTS.get(self._parameters().image_transport)
        return {
            name: kind
            for name, types in sorted(self._node.get_topic_names_and_types())
            for kind in types
            if kind in _TYPES and wanted in (None, _TYPES[kind]) and self._node.count_publishers(name)
        }

    def _published_types(self) -> set[str]:
        return {publisher.topic_type for publisher in self._node.get_publishers_info_by_topic(self.topic)}


def _describe(publisher: TopicEndpointInfo) -> str:
    """Its node, type and reliability."""
    node = f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
    return f"{node} ({publisher.topic_type}, {qos.describe(publisher.qos_profile.reliability)})"
