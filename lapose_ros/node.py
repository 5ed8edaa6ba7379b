"""The node: images in, the vehicle's odometry, transform, path and ego-motion out."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import rclpy
from lapose.msg import EgoMotion
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image

from lapose_core.data.encodings import UndecodableFrameError
from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.models import find_model
from lapose_core.motion import Motion, Odometry
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.body import body_odometry, camera_in_body
from lapose_core.runtime.odometer import Odometer, StaleFrameError
from lapose_ros import messages, parameters
from lapose_ros.image_topic import ImageTopic
from lapose_ros.publishers import Publishers
from lapose_ros.ros_support import create_transform_lookup, rotation_from_rpy
from lapose_ros.worker import NewestFirstWorker

#: An image this much older than the newest is a clock set back (a bag played again), not an image that came late.
CLOCK_SET_BACK_NS = 1_000_000_000


@dataclass(frozen=True)
class Arrival:
    """An image, and when it came by `time.monotonic`."""

    message: Image | CompressedImage
    arrived_s: float


@dataclass
class FrameCounts:
    """Frames since activation.

    Attributes:
        processed: that went through the model.
        left_out: for the rate, or because their stamp was not newer than that of the one before.
        undecodable: that could not be decoded, or that the odometer refused.
    """

    processed: int = 0
    left_out: int = 0
    undecodable: int = 0


@dataclass(frozen=True)
class Timing:
    """Seconds from the message to an RGB array, from there to the motion, and in all since the image came."""

    preprocessing_s: float
    inference_s: float
    latency_s: float


class EgoMotionNode(LifecycleNode):
    """Watches a camera and says how the vehicle moves.

    Callbacks only choose frames by their stamps; decoding and the model run in a thread of their own, on the newest
    frame. An undecodable frame is not replaced by the next one; the step over it is longer. Unless `autostart` is
    false the node configures and activates itself.

    Attributes:
        failed: done, with one line for the user as its result, once the node cannot go on.
        counts: frames since activation.
    """

    def __init__(self, **node_arguments) -> None:
        """Takes what `rclpy.node.Node` takes; raises rclpy's ParameterException for values that cannot be."""
        super().__init__("lapose", **node_arguments)
        self.failed = Future()
        self.counts = FrameCounts()
        self._image_topic: ImageTopic | None = None  # while active
        self._worker = NewestFirstWorker(self._process)
        self._pose_base_camera: np.ndarray | None = None  # once known
        parameters.declare(self)
        self.parameters = parameters.Parameters()
        self.add_post_set_parameters_callback(lambda _: self._adopt_parameters())
        if self.get_parameter("autostart").value and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    @property
    def frames_dropped(self) -> int:
        """Frames since activation that a newer one replaced while the model was busy."""
        return self._worker.dropped

    # Transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return super().on_configure(state) if self._succeeds(self._configure) else TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return super().on_activate(state) if self._succeeds(self._activate) else TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_working()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_working()
        if state.label != "unconfigured":
            self._release()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        self._stop_working()
        super().destroy_node()

    def _succeeds(self, transition: Callable[[], None]) -> bool:
        """Whether a transition went well; rclpy itself would swallow what it raises."""
        try:
            transition()
        except LaposeError as error:
            self._fail(str(error))
            return False
        except Exception:
            self._fail_by_bug()
            return False
        return True

    def _configure(self) -> None:
        self._adopt_parameters()
        self._camera_from_parameters = camera_in_body(
            np.array(self.parameters.camera_xyz), rotation_from_rpy(*self.parameters.camera_rpy)
        )
        # Building an engine takes minutes the first time, and says so.
        report = self.get_logger().info
        backend = open_backend(find_model(self.parameters.model), self.parameters.backend, report=report)
        self._odometer = Odometer(backend)
        self._outputs = Publishers(self)
        self._transform_lookup = create_transform_lookup(self) if self.parameters.camera_tf else None
        self.get_logger().info(f"model {self.parameters.model} runs on {backend.name}")

    def _activate(self) -> None:
        self.counts = FrameCounts()
        self._sampler = FrameSampler(self.parameters.rate_hz)
        self._newest_stamp_ns = -1
        self._start_anew()
        self._worker = NewestFirstWorker(self._process)
        self._image_topic = ImageTopic(
            self,
            self.parameters.image_topic,
            self.parameters.image_transport,
            on_image=self._on_image,
            timeout_s=self.parameters.topic_timeout_s,
            on_timeout=self._fail,
        )
        self._worker.start()

    def _stop_working(self) -> None:
        if self._image_topic is not None:
            self._image_topic.close()
            self._worker.stop()
            self._image_topic = None

    def _release(self) -> None:
        self._outputs.close()
        if self._transform_lookup:
            self._transform_lookup.close()

    def _adopt_parameters(self) -> None:
        rate_before_hz = self.parameters.rate_hz
        self.parameters = parameters.read(self)
        if self.parameters.rate_hz != rate_before_hz:
            self._sampler = FrameSampler(self.parameters.rate_hz)

    def _fail(self, line: str) -> None:
        """Say why the node cannot go on; whoever spins it sees `failed`."""
        if not self.failed.done():
            self.get_logger().error(line)
            self.failed.set_result(line)

    def _fail_by_bug(self) -> None:
        self._fail(f"a bug in lapose, please report it: {traceback.format_exc()}")

    # Callbacks: never wait

    def _on_image(self, message: Image | CompressedImage, arrived_s: float) -> None:
        stamp_ns = messages.stamp_ns(message.header.stamp)
        if stamp_ns < self._newest_stamp_ns - CLOCK_SET_BACK_NS:
            self._sampler = FrameSampler(self.parameters.rate_hz)
        elif stamp_ns <= self._newest_stamp_ns:
            line = "left out an image whose stamp is not newer than that of the one before"
            self.get_logger().warning(line, throttle_duration_sec=5.0)
            self.counts.left_out += 1
            return
        self._newest_stamp_ns = stamp_ns
        if not self._sampler.wants(stamp_ns):
            self.counts.left_out += 1
            return
        self._sampler.keep(stamp_ns)
        self._worker.put(Arrival(message, arrived_s))

    # In the worker's thread

    def _process(self, arrival: Arrival) -> None:
        try:
            self._process_frame(arrival)
        except UndecodableFrameError as error:
            self._leave_out(error)
        except LaposeError as error:
            # From the very first frame it is the camera that does not fit, not one frame that is bad.
            if self.counts.processed:
                self._leave_out(error)
            else:
                self._fail(str(error))
        except Exception:
            if self.context.ok():  # else the node is going down, and publishing has failed
                self._fail_by_bug()

    def _leave_out(self, error: LaposeError) -> None:
        self.counts.undecodable += 1
        self.get_logger().warning(f"undecodable frame: {error}", throttle_duration_sec=5.0)

    def _process_frame(self, arrival: Arrival) -> None:
        header = arrival.message.header
        started_s = time.monotonic()
        frame = Frame(messages.image_of(arrival.message), messages.stamp_ns(header.stamp))
        decoded_s = time.monotonic()
        odometry = self._register(frame)
        finished_s = time.monotonic()
        self.counts.processed += 1
        if self._pose_base_camera is None:
            self._pose_base_camera = self._find_camera(header.frame_id)

        self._outputs.publish_odometry(body_odometry(odometry, self._pose_base_camera), self.parameters)
        if odometry.motion is not None:
            timing = Timing(decoded_s - started_s, finished_s - decoded_s, time.monotonic() - arrival.arrived_s)
            message = self._ego_motion(odometry.motion, odometry.window_fill, header.frame_id, timing)
            self._outputs.publish_ego_motion(message)

    def _register(self, frame: Frame) -> Odometry:
        try:
            return self._odometer.register_frame(frame)
        except StaleFrameError:
            # Late images do not come this far: the clock was set back.
            self.get_logger().warning("the images' clock was set back: starting anew from the origin")
            self._start_anew()
            return self._odometer.register_frame(frame)

    def _start_anew(self) -> None:
        self._odometer.reset()
        self._pose_base_camera = None
        self._outputs.start_path()

    def _find_camera(self, camera_frame: str) -> np.ndarray:
        """pose_base_camera from TF, waiting for it a little, else from the parameters.

        Found once and kept: another one later would make the odometry jump.
        """
        base_frame = self.parameters.base_frame
        give_up_s = time.monotonic() + self.parameters.camera_tf_timeout_s
        while self._transform_lookup is not None and camera_frame:
            pose = self._transform_lookup.look_up(camera_frame, base_frame)
            if pose is not None:
                self.get_logger().info(f"camera {camera_frame} in {base_frame} from TF")
                return pose
            if time.monotonic() > give_up_s or not self.context.ok():
                break
            time.sleep(0.02)
        self.get_logger().info(f"camera {camera_frame!r} in {base_frame} from the parameters camera_xyz and camera_rpy")
        return self._camera_from_parameters

    def _ego_motion(self, motion: Motion, window_fill: int, camera_frame: str, timing: Timing) -> EgoMotion:
        message = messages.ego_motion_message(motion, camera_frame)
        message.window_fill = window_fill
        message.preprocessing_s = timing.preprocessing_s
        message.inference_s = timing.inference_s
        message.latency_s = timing.latency_s
        message.frames_processed = self.counts.processed
        message.frames_left_out = self.counts.left_out
        message.frames_dropped = self.frames_dropped
        message.frames_undecodable = self.counts.undecodable
        return message


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is stopped; exit code 2 and one line where it cannot go on."""
    rclpy.init(args=arguments)
    node = None
    try:
        node = EgoMotionNode()
        if not node.failed.done():
            rclpy.spin_until_future_complete(node, node.failed)
        return 2 if node.failed.done() else 0
    except ParameterException as error:
        print(f"lapose: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        if node is not None:
            node.destroy_node()
        with suppress(RuntimeError):  # rclpy's signal handler may be shutting down just now
            rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
