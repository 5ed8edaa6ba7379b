"""Quality of service by parameter, and what does not fit said in a sentence."""

from __future__ import annotations

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind

#: Value of image_qos and output_qos -> reliability.
RELIABILITY = {"sensor_data": ReliabilityPolicy.BEST_EFFORT, "reliable": ReliabilityPolicy.RELIABLE}


def profile(name: str, depth: int) -> QoSProfile:
    """The newest `depth` messages, volatile; `sensor_data` is best effort."""
    return QoSProfile(depth=depth, reliability=RELIABILITY[name])


def describe(reliability: ReliabilityPolicy) -> str:
    return "best effort" if reliability == ReliabilityPolicy.BEST_EFFORT else "reliable"


def subscription_events(node: Node, topic: str, cure: str) -> SubscriptionEventCallbacks:
    """Say which publisher cannot be heard, and the cure."""

    def tell(event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        node.get_logger().error(
            f"a publisher of {topic} cannot be heard: its {policy} is less than this node asks for; {cure}",
            throttle_duration_sec=1.0,
        )

    return SubscriptionEventCallbacks(incompatible_qos=tell)


def publisher_events(node: Node, topic: str) -> PublisherEventCallbacks:
    """Say that a subscriber asks for more than is offered, and the cure."""

    def tell(event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        node.get_logger().error(
            f"a subscriber of {node.resolve_topic_name(topic)} gets nothing: it asks for more {policy} than this node "
            "offers; set output_qos to reliable, or let the subscriber take best effort and volatile",
            throttle_duration_sec=1.0,
        )

    return PublisherEventCallbacks(incompatible_qos=tell)
