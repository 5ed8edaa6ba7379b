"""Counts, rates and latencies of a running odometer. Clocks are given, none is read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from lapose_core.motion import Motion

#: Latencies and rates are over so many of the newest frames.
NEWEST = 100
#: A camera that is silent for so many of its own intervals, and a second, has no rate.
_SILENT_INTERVALS = 3

#: A motion known worse than this (one standard deviation, metres and radians a second) is not to be relied on.
UNCERTAIN_SPEED_MPS = 8.0
UNCERTAIN_TURN_RADPS = 0.2


class TrackingState(IntEnum):
    """What the odometry is worth. The numbers are those of msg/Status.msg.

    `WAITING`: no image has come. `STARTING`: one frame of the window is there, and no motion. `TRACKING`: all is well.
    `UNCERTAIN`: the model doubts the newest motion. `SILENT`: the images have stopped. `PAUSED`: asked to wait.
    """

    WAITING = 0
    STARTING = 1
    TRACKING = 2
    UNCERTAIN = 3
    SILENT = 4
    PAUSED = 5


@dataclass
class FrameCounts:
    """Frames since activation.

    Attributes:
        received: that came.
        processed: that went through the model.
        left_out: for the rate, or while paused.
        duplicate: with the stamp of another.
        late: older than the one before.
        dropped: replaced by a newer one while the model was busy.
        undecodable: that could not be decoded, or that the odometer refused.
    """

    received: int = 0
    processed: int = 0
    left_out: int = 0
    duplicate: int = 0
    late: int = 0
    dropped: int = 0
    undecodable: int = 0


class Newest:
    """Last, mean and largest of the newest numbers; 0 before the first."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=NEWEST)

    def add(self, value: float) -> None:
        self._values.append(value)

    @property
    def last(self) -> float:
        return self._values[-1] if self._values else 0.0

    @property
    def mean(self) -> float:
        values = tuple(self._values)
        return sum(values) / len(values) if values else 0.0

    @property
    def max(self) -> float:
        return max(tuple(self._values), default=0.0)


class Rate:
    """How often something comes, by the newest times."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=NEWEST)

    def add(self, now_s: float) -> None:
        self._times_s.append(now_s)

    def hz(self, now_s: float) -> float:
        """Times a second; 0 where it has stopped, or not come twice."""
        times_s = [time_s for time_s in tuple(self._times_s) if time_s > now_s - 10.0]
        if len(times_s) < 2 or times_s[-1] <= times_s[0]:
            return 0.0
        interval_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
        return 0.0 if now_s - times_s[-1] > max(1.0, _SILENT_INTERVALS * interval_s) else 1.0 / interval_s


class Statistics:
    """What is counted and measured since activation.

    Attributes:
        preprocessing, inference: seconds from the message to a decompressed and rectified image, and from there, by
            crop, colours, shrinking and the model, to the motion.
        latency: seconds from an image's arrival to its odometry, waiting included.
        images, odometry: rates.
        window_fill: frames in the window, at its newest step.
        motion: the newest step's, or None.
    """

    def __init__(self) -> None:
        self.counts = FrameCounts()
        self.preprocessing, self.inference, self.latency = Newest(), Newest(), Newest()
        self.images, self.odometry = Rate(), Rate()
        self.window_fill = 0
        self.motion: Motion | None = None

    def tracking_state(self, *, silent: bool, paused: bool) -> TrackingState:
        """What the odometry is worth now.

        Args:
            silent: no image has come for too long.
            paused: the node is told to wait.
        """
        if paused:
            return TrackingState.PAUSED
        if not self.counts.received:
            return TrackingState.WAITING
        if silent:
            return TrackingState.SILENT
        if self.motion is None:
            return TrackingState.STARTING
        return TrackingState.UNCERTAIN if is_uncertain(self.motion) else TrackingState.TRACKING


def is_uncertain(motion: Motion) -> bool:
    """Whether the model itself doubts a motion."""
    deviation = np.sqrt(motion.variance) / motion.interval_s
    return bool(np.any(deviation[:3] > UNCERTAIN_SPEED_MPS) or np.any(deviation[3:] > UNCERTAIN_TURN_RADPS))
