"""The node: images in, the vehicle's odometry, transform, path and ego-motion out."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image

from lapose_core.data.sampling import FrameSampler
from lapose_core.data.stamps import StampGuard, StampVerdict
from lapose_core.errors import LaposeError
from lapose_core.models import digest, find_model
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.body import camera_in_body
from lapose_core.runtime.odometer import Odometer, OdometerConfig
from lapose_core.runtime.vehicle import VehicleOdometer
from lapose_ros import messages, parameters
from lapose_ros.camera_info import CameraInfoTopic
from lapose_ros.estimator import Estimator
from lapose_ros.image_topic import ImageTopic
from lapose_ros.processes import run_program
from lapose_ros.publishers import Publishers
from lapose_ros.reporter import Reporter
from lapose_ros.ros_support import SteadyLifecycleNode, create_transform_lookup, rotation_from_rpy, spin_until
from lapose_ros.services import Services


class EgoMotionNode(SteadyLifecycleNode):
    """Watches a camera and says how the vehicle moves.

    Callbacks only judge frames by their stamps; decoding and the model run in the thread of the `Estimator`, on the
    newest frame. Unless `autostart` is false the node configures and activates itself.

    Attributes:
        failed: done, with one line for the user as its result, once the node cannot go on.
        parameters: their values of the moment.
        estimator, image_topic: what takes the images and where they come from; None unless active.
        outputs, backend, model_version: publishers, what runs the model, and which; from configuration on.
        newest_image: stamp (ns) and frame_id.
    """

    def __init__(self, **node_arguments) -> None:
        """Takes what `rclpy.node.Node` takes; raises rclpy's ParameterException for values that cannot be."""
        super().__init__("lapose", **node_arguments)
        self.failed = Future()
        self.estimator: Estimator | None = None
        self.image_topic: ImageTopic | None = None
        self.newest_image = (0, "")
        self._configured = False
        parameters.declare(self)
        self.parameters = parameters.Parameters()
        self.add_on_set_parameters_callback(_check_parameters)
        self.add_post_set_parameters_callback(lambda _: self._adopt_parameters())
        self._control = Services(self)
        if self.get_parameter("autostart").value and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

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
            self.fail(str(error))
            return False
        except Exception:
            if self.context.ok():  # else it is an interrupt that shuts rclpy down under our feet
                self.fail_by_bug()
            return False
        return True

    def _configure(self) -> None:
        self.parameters = given = parameters.read(self)
        model_dir = find_model(given.model)
        # Building an engine takes minutes the first time, and says so.
        self.backend = open_backend(model_dir, given.backend, report=self.get_logger().info)
        self.model_version = digest(model_dir)
        initial_pose = np.eye(4)
        initial_pose[:3, :3], initial_pose[:3, 3] = rotation_from_rpy(*given.initial_rpy), given.initial_xyz
        config = OdometerConfig(max_gap_s=given.max_gap_s, camera_height_m=given.camera_height or None)
        self._odometer = VehicleOdometer(Odometer(self.backend, config), initial_pose)
        self.outputs = Publishers(self, given)
        self._transform_lookup = create_transform_lookup(self) if given.camera_tf else None
        self._configured = True
        self.get_logger().info(f"model {given.model} {self.model_version} runs on {self.backend.name}")

    def _activate(self) -> None:
        self.newest_image = (0, "")
        self._guard = StampGuard()
        self._sampler = FrameSampler(self.parameters.rate_hz)
        self.estimator = Estimator(self, self._odometer)
        try:
            self.image_topic = ImageTopic(
                self,
                lambda: self.parameters,
                on_topic=self._listen_to_camera_info,
                on_image=self._on_image,
                on_timeout=self.fail,
            )
        except LaposeError:
            self._stop_working()
            raise
        self._reporter = Reporter(self)

    def _stop_working(self) -> None:
        if self.image_topic is not None:
            self._reporter.close()
            self.image_topic.close()
            self.image_topic = None
        if self.estimator is not None:
            self.estimator.stop()
            if self.estimator.camera_info is not None:
                self.estimator.camera_info.close()
            self.estimator = None

    def _release(self) -> None:
        if self._configured:
            self._configured = False
            self.outputs.close()
            if self._transform_lookup:
                self._transform_lookup.close()
            del self.backend, self._odometer

    def _adopt_parameters(self) -> None:
        before, self.parameters = self.parameters, parameters.read(self)
        if self._configured:
            config = self._odometer.odometer.config
            self._odometer.odometer.config = replace(config, max_gap_s=self.parameters.max_gap_s)
        given = self.parameters
        if self.estimator is not None and (given.rate_hz, given.every_frame) != (before.rate_hz, before.every_frame):
            self._sampler = FrameSampler(given.rate_hz)
            self.estimator.follow_rate()

    @property
    def takes_every_frame(self) -> bool:
        """Whether images between the window's steps go through the model too."""
        every_frame = self.parameters.every_frame
        return self.backend.on_gpu if every_frame == "auto" else every_frame == "always"

    def fail(self, line: str) -> None:
        """Say why the node cannot go on; whoever spins it sees `failed`."""
        if not self.failed.done():
            self.get_logger().error(line)
            self.failed.set_result(line)

    def fail_by_bug(self) -> None:
        self.fail(f"a bug in lapose, please report it: {traceback.format_exc()}")

    # Callbacks: never wait

    def _listen_to_camera_info(self, image_topic: str) -> None:
        if self.parameters.use_camera_info:
            self.estimator.camera_info = CameraInfoTopic(self, image_topic, self.parameters.camera_info_topic)

    def _on_image(self, message: Image | CompressedImage, arrived_s: float) -> None:
        if self.estimator is None:  # an executor with several threads may call after deactivation
            return
        statistics, stamp_ns = self.estimator.statistics, messages.stamp_ns(message.header.stamp)
        statistics.counts.received += 1
        statistics.images.add(arrived_s)
        if self.estimator.paused:
            statistics.counts.left_out += 1
            return
        verdict = self._guard.judge(stamp_ns)
        statistics.counts.duplicate, statistics.counts.late = self._guard.duplicates, self._guard.late
        if verdict in (StampVerdict.DUPLICATE, StampVerdict.LATE):
            line = f"left out an image whose stamp is not newer than that of the one before ({verdict.value})"
            self.get_logger().warning(line, throttle_duration_sec=5.0)
            return
        if verdict is StampVerdict.SET_BACK:
            kept = "the pose stays" if self.parameters.on_clock_set_back == "keep" else "from the initial pose"
            line = f"the images' clock went back by {self._guard.set_back_ns * 1e-9:.1f} s: a new window starts, {kept}"
            self.get_logger().warning(line)
            self._sampler = FrameSampler(self.parameters.rate_hz)
            self.estimator.start_anew()
        self.newest_image = (stamp_ns, message.header.frame_id)
        if not self.takes_every_frame and not self._sampler.takes(stamp_ns):
            statistics.counts.left_out += 1
            return
        self.estimator.put(message, arrived_s)

    # In the estimator's thread

    def find_camera(self, camera_frame: str) -> np.ndarray:
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
            stopping = self.image_topic is None or not self.context.ok()
            if stopping or time.monotonic() > give_up_s:
                break
            time.sleep(0.02)
        self.get_logger().info(f"camera {camera_frame!r} in {base_frame} from the parameters camera_xyz and camera_rpy")
        rotation = rotation_from_rpy(*self.parameters.camera_rpy)
        return camera_in_body(np.array(self.parameters.camera_xyz), rotation)


def _check_parameters(changed: list[Parameter]) -> SetParametersResult:
    try:
        for parameter in changed:
            parameters.check(parameter.name, parameter.value)
    except LaposeError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is stopped; exit code 2 and one line where it cannot go on."""
    return run_program(_run, arguments)


def _run() -> int:
    node = None
    try:
        node = EgoMotionNode()
        if not node.failed.done():
            spin_until(node, node.failed)
        return 2 if node.failed.done() else 0
    except ParameterException as error:
        raise LaposeError(str(error)) from None
    finally:
        if node is not None:
            node.destroy_node()


if __name__ == "__main__":
    sys.exit(main())
