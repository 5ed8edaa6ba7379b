"""The node's status topic and its /diagnostics, from time to time."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from lapose.msg import Status
from rclpy.clock import Clock, ClockType

from lapose_core.runtime.health import Health, check_camera, check_model
from lapose_core.runtime.memory import gpu_memory_bytes, memory_bytes
from lapose_core.runtime.statistics import TrackingState
from lapose_ros import messages

if TYPE_CHECKING:
    from lapose_ros.node import EgoMotionNode

STATUS_PERIOD_S, DIAGNOSTICS_PERIOD_S = 0.5, 1.0


class Reporter:
    """Reports while the node is active."""

    def __init__(self, node: EgoMotionNode) -> None:
        self._node = node
        self._health = Health(node.estimator.statistics)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # the clock of /clock may stand still
        self._timers = [
            node.create_timer(STATUS_PERIOD_S, self._send_status, clock=steady),
            node.create_timer(DIAGNOSTICS_PERIOD_S, self._send_diagnostics, clock=steady),
        ]

    def close(self) -> None:
        for timer in self._timers:
            self._node.destroy_timer(timer)
        self._node.destroy_publisher(self._diagnostics)

    def _send_status(self) -> None:
        self._node.outputs.publish_status(self._status)

    def _status(self) -> Status:
        node, statistics = self._node, self._node.estimator.statistics
        message = messages.status_message(statistics, self._tracking_state(), time.monotonic())
        message.header = messages.header(*node.newest_image)
        message.model, message.model_version = node.parameters.model, node.model_version
        message.backend, message.window_size = node.backend.name, node.backend.config.clip_length
        rectifier = node.estimator.rectifier
        message.field_of_view_calibrated = rectifier.fov_x_rad if rectifier else 0.0
        message.field_of_view_predicted = statistics.motion.fov_x_rad if statistics.motion else 0.0
        return message

    def _send_diagnostics(self) -> None:
        if not self._diagnostics.get_subscription_count():
            return
        node, statistics, now_s = self._node, self._node.estimator.statistics, time.monotonic()
        estimator, topic = node.estimator, node.image_topic
        wanted_hz = 0.0 if estimator.paused else node.parameters.rate_hz
        checks = [
            self._health.check_images(now_s, silence=topic.silence, wanted_hz=wanted_hz),
            self._health.check_odometry(
                now_s,
                self._tracking_state(),
                node.backend.config.clip_length,
                enough_hz=node.parameters.rate_hz if node.takes_every_frame else math.inf,
            ),
            check_model(
                node.parameters.model, node.model_version, node.backend.name, gpu_memory_bytes(), memory_bytes()
            ),
            check_camera(
                estimator.rectifier.fov_x_rad if estimator.rectifier else None,
                statistics.motion.fov_x_rad if statistics.motion else None,
                estimator.camera_trouble,
            ),
        ]
        name = node.get_fully_qualified_name().lstrip("/")
        array = DiagnosticArray(status=[messages.diagnostic_status(c, name, topic.topic or "") for c in checks])
        array.header.stamp = node.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _tracking_state(self) -> TrackingState:
        return self._node.estimator.statistics.tracking_state(
            silent=self._node.image_topic.silence is not None, paused=self._node.estimator.paused
        )
