"""From an image message to what is published, in a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from lapose.msg import EgoMotion
from sensor_msgs.msg import CompressedImage, Image

from lapose_core.data.encodings import UndecodableFrameError
from lapose_core.data.raw_image import RawImage
from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.motion import Odometry
from lapose_core.runtime.camera import Calibration, Rectifier
from lapose_core.runtime.odometer import StaleFrameError
from lapose_core.runtime.statistics import Statistics
from lapose_core.runtime.vehicle import VehicleOdometer, VehicleStep
from lapose_ros import messages
from lapose_ros.camera_info import CameraInfoTopic
from lapose_ros.worker import NewestFirstWorker

if TYPE_CHECKING:
    from lapose_ros.node import EgoMotionNode


@dataclass(frozen=True)
class Arrival:
    """An image, and when it came by `time.monotonic`."""

    message: Image | CompressedImage
    arrived_s: float


class Estimator:
    """Rectifies and registers the newest image while the node is active, and publishes what that gives.

    With odometry for every frame the window's steps are chosen here, among the images that the model gets round to. An
    undecodable frame is not replaced by the next one; the step over it is longer.

    Attributes:
        camera_info: the camera's calibration; None where it is not used or the camera is not known yet.
        paused: images are left unseen.
        rectifier: what the images go through; None for as they are.
        camera_trouble: why they are not rectified though there is a calibration.
    """

    def __init__(self, node: EgoMotionNode, odometer: VehicleOdometer) -> None:
        self._node = node
        self._odometer = odometer
        self._statistics = Statistics()
        self._requests: deque[Callable[[], None]] = deque()
        self._worker = NewestFirstWorker(self._process)
        self._calibration: Calibration | None = None
        self.camera_info: CameraInfoTopic | None = None
        self.paused = False
        self.rectifier: Rectifier | None = None
        self.camera_trouble: str | None = None
        self._odometer.odometer.know_camera(None, None)  # what was known before the node was last deactivated
        self._reset()
        self._worker.start()

    @property
    def statistics(self) -> Statistics:
        self._statistics.counts.dropped = self._worker.dropped
        return self._statistics

    # Called by the node; never waits

    def put(self, message: Image | CompressedImage, arrived_s: float) -> None:
        """Hand over an image; one that still waits is dropped."""
        self._worker.put(Arrival(message, arrived_s))

    def reset(self) -> None:
        """Start again from the initial pose with the next image."""
        self._requests.append(self._reset)

    def set_pose(self, pose_odom_body: np.ndarray, covariance: np.ndarray) -> None:
        """See `VehicleOdometer.set_pose`."""
        self._requests.append(lambda: self._odometer.set_pose(pose_odom_body, covariance))

    def follow_rate(self) -> None:
        """The parameters of the rate have changed."""
        self._requests.append(self._start_steps)

    def start_anew(self) -> None:
        """The clock went back: begin a new window with the next image, where the parameter says."""
        self._requests.append(self._restart if self._node.parameters.on_clock_set_back == "keep" else self._reset)

    def stop(self) -> None:
        """End after the image in work."""
        self._worker.stop()

    # In the worker's thread

    def _process(self, arrival: Arrival) -> None:
        try:
            while self._requests:
                self._requests.popleft()()
            self._process_frame(arrival)
        except UndecodableFrameError as error:
            self._leave_out(error)
        except LaposeError as error:
            # From the very first frame it is the camera that does not fit, not one frame that is bad.
            if self._statistics.counts.processed:
                self._leave_out(error)
            else:
                self._node.fail(str(error))
        except Exception:
            if self._node.context.ok():  # else the node is going down, and publishing has failed
                self._node.fail_by_bug()

    def _process_frame(self, arrival: Arrival) -> None:
        header = arrival.message.header
        self._meet_camera(header.frame_id)
        started_s = time.monotonic()
        image = self._rectify(messages.image_of(arrival.message))
        ready_s = time.monotonic()
        step = self._register(Frame(image, messages.stamp_ns(header.stamp)))
        finished_s = time.monotonic()

        self._node.outputs.publish_odometry(step.body, self._node.parameters)
        if step.camera.is_step:
            self._node.outputs.extend_path(step.body, self._node.parameters)
        self._note(step, ready_s - started_s, finished_s - ready_s, time.monotonic() - arrival.arrived_s)
        if step.camera.is_step and step.camera.motion is not None:
            self._node.outputs.publish_ego_motion(lambda: self._ego_motion(step.camera, header.frame_id))

    def _meet_camera(self, frame_id: str) -> None:
        """Before the first frame, wait a little for what is known of the camera."""
        if self._odometer.pose_body_camera is None:
            self._odometer.pose_body_camera = self._node.find_camera(frame_id)
        if self.camera_info is not None and not self._statistics.counts.processed:
            self.camera_info.wait(self._node.parameters.camera_tf_timeout_s)

    def _register(self, frame: Frame) -> VehicleStep:
        try:
            return self._odometer.take_frame(frame, self._steps)
        except StaleFrameError:  # an image from before the clock went back slipped in
            self._restart()
            return self._odometer.take_frame(frame, self._steps)

    def _note(self, step: VehicleStep, preprocessing_s: float, inference_s: float, latency_s: float) -> None:
        statistics = self._statistics
        statistics.counts.processed += 1
        statistics.odometry.add(time.monotonic())
        if step.camera.is_step:
            statistics.window_fill = step.camera.window_fill
            statistics.motion = step.camera.motion
        statistics.preprocessing.add(preprocessing_s)
        statistics.inference.add(inference_s)
        statistics.latency.add(latency_s)

    def _ego_motion(self, odometry: Odometry, camera_frame: str) -> EgoMotion:
        message = messages.ego_motion_message(odometry.motion, camera_frame)
        message.window_fill = odometry.window_fill
        message.preprocessing_s = self._statistics.preprocessing.last
        message.inference_s = self._statistics.inference.last
        message.latency_s = self._statistics.latency.last
        return message

    def _leave_out(self, error: LaposeError) -> None:
        self._statistics.counts.undecodable += 1
        self._node.get_logger().warning(f"undecodable frame: {error}", throttle_duration_sec=5.0)

    def _reset(self) -> None:
        self._odometer.reset()
        self._odometer.pose_body_camera = None  # it may have been mounted elsewhere
        self._start_steps()
        self._node.outputs.start_path()

    def _restart(self) -> None:
        self._odometer.restart_window()
        self._start_steps()

    def _start_steps(self) -> None:
        """Without odometry for every frame the node has chosen the steps already, and all that come are some."""
        self._steps = FrameSampler(self._node.parameters.rate_hz if self._node.takes_every_frame else None)

    def _rectify(self, image: np.ndarray | RawImage) -> np.ndarray | RawImage:
        """The image as a centred pinhole camera sees it, if its calibration is known."""
        if self.camera_info is None:
            return image
        self._adopt_calibration(image.shape[1], image.shape[0])
        return self.rectifier.rectify(image) if self.rectifier else image

    def _adopt_calibration(self, width: int, height: int) -> None:
        """Follow the camera_info; a new one, as of a camera that zooms, begins a new window."""
        try:
            calibration = self.camera_info.calibration()
            if calibration is None:
                return
            calibration = calibration.for_size(width, height)
            if calibration.same_as(self._calibration):
                return
            rectifier = Rectifier(calibration)
        except LaposeError as error:
            self.rectifier, self._calibration, self.camera_trouble = None, None, str(error)
            self._odometer.odometer.know_camera(None, None)
            self._node.get_logger().warning(f"images are not rectified: {error}", throttle_duration_sec=10.0)
            return
        if self._statistics.counts.processed:
            self._restart()
        self._calibration, self.rectifier, self.camera_trouble = calibration, rectifier, None
        self._odometer.odometer.know_camera(rectifier.middle, rectifier.fov_x_rad)
        done = "are rectified" if rectifier.is_needed else "need no rectification"
        self._node.get_logger().info(f"camera_info on {self.camera_info.topic}: images {done}")
