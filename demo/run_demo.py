"""Play a rendered drive into the real node through ROS 2, and tell how well the odometry follows the true path."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import rclpy
from lapose.msg import Status
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.node import Node
from tf2_msgs.msg import TFMessage
from tqdm import tqdm

from lapose_core.errors import LaposeError
from lapose_core.evaluation.comparison import compare_trajectories
from lapose_core.geometry import Trajectory, optical_from_body
from lapose_core.plot import plot_comparison
from lapose_ros.bag_player import BagPlayer
from lapose_ros.messages import pose_of, stamp_ns
from lapose_ros.processes import running_node, spinning

DEMO = Path(__file__).resolve().parent
DRIVE = DEMO / "drive"
PLOT = DEMO / "trajectory.png"
CAMERA = "/camera/front/image/compressed"
TRUTH = "/ground_truth/odometry"
RATE_HZ = 5.0
#: Longer than any machine should take to load the model.
NODE_TIMEOUT_S = 60.0


class Listener(Node):
    """Collects what the node publishes, and the true poses that the bag brings along."""

    def __init__(self) -> None:
        super().__init__("demo")
        self.odometry: list[Odometry] = []
        self.truth: list[Odometry] = []
        self.transforms = 0
        self.path: PathMessage | None = None
        self.newest = Status()
        self.create_subscription(Odometry, "/lapose/odometry", self.odometry.append, 100)
        self.create_subscription(Odometry, TRUTH, self.truth.append, 1000)
        self.create_subscription(PathMessage, "/lapose/path", lambda message: setattr(self, "path", message), 10)
        self.create_subscription(Status, "/lapose/status", lambda message: setattr(self, "newest", message), 100)
        self.create_subscription(TFMessage, "/tf", self._count_transforms, 100)

    def status(self) -> str:
        """Where the vehicle is by now, in a few words."""
        if not self.odometry:
            return "waiting for the first odometry"
        message, dropped = self.odometry[-1], self.newest.frames_dropped
        position, speed_mps = message.pose.pose.position, message.twist.twist.linear.x
        frames = f"{len(self.odometry)} frames ({dropped} dropped)"
        return f"{frames}  x {position.x:.1f} m  y {position.y:.1f} m  {speed_mps:.1f} m/s"

    def _count_transforms(self, message: TFMessage) -> None:
        self.transforms += sum(transform.header.frame_id == "odom" for transform in message.transforms)


def wait_for_node(node: subprocess.Popen, player: BagPlayer) -> None:
    """Wait until the node listens to the camera; raises LaposeError where that does not come."""
    print("waiting for the node", flush=True)
    give_up_s = time.monotonic() + NODE_TIMEOUT_S
    while not player.wait_for_listener(0.5):
        if node.poll() is not None:
            raise LaposeError("the node has ended: its line above says why")
        if time.monotonic() > give_up_s:
            raise LaposeError(
                f"the node does not listen to {CAMERA} after {NODE_TIMEOUT_S:.0f} s: try again when the "
                "machine is less busy, and see that nothing keeps UDP from the loopback interface"
            )


def play(player: BagPlayer, listener: Listener) -> None:
    """Play the drive in real time, showing where the node says that the vehicle is."""
    seconds = (player.end_ns - player.start_ns) * 1e-9
    with tqdm(total=seconds, bar_format="{n:.0f} of {total:.0f} s |{bar:20}| {desc}", mininterval=0.5) as progress:

        def show(_: str, recorded_ns: int) -> None:
            progress.set_description_str(listener.status(), refresh=False)
            progress.update((recorded_ns - player.start_ns) * 1e-9 - progress.n)

        player.play(on_message=show)
        wait_for_silence(listener)
        progress.set_description_str(listener.status())


def wait_for_silence(listener: Listener, quiet_s: float = 1.0) -> None:
    """Wait until the node has answered the last frames."""
    count = -1
    while count != len(listener.odometry):
        count = len(listener.odometry)
        time.sleep(quiet_s)


def trajectory(messages: list[Odometry]) -> Trajectory:
    """Poses of the base, with optical axes, as the evaluation takes them."""
    if len(messages) < 2:
        raise LaposeError("no odometry came: the lines of the node above say why")
    by_stamp = {stamp_ns(message.header.stamp): pose_of(message.pose.pose) for message in messages}
    return Trajectory(np.array([*by_stamp]), optical_from_body(np.stack([*by_stamp.values()])))


def report(listener: Listener) -> None:
    """Compare with the truth, print and plot."""
    estimated, truth = trajectory(listener.odometry), trajectory(listener.truth)
    comparison = compare_trajectories(estimated, truth, rate_hz=RATE_HZ)
    plot_comparison(PLOT, estimated, truth, "A rendered drive through the ROS 2 node")
    path_length = len(listener.path.poses) if listener.path else 0
    print(f"\n{comparison}")
    print(f"frames  {listener.newest.frames_processed} processed, {listener.newest.frames_dropped} dropped")
    print(f"topics  {len(estimated)} odometry, {listener.transforms} transforms, {path_length} poses in the path")
    print(f"\nplot    {PLOT.relative_to(Path.cwd()) if PLOT.is_relative_to(Path.cwd()) else PLOT}")


def main() -> int:
    # A domain of its own, on this machine only: the demo meets no other ROS 2. Domains above 101 would use ports that
    # Linux hands out to others.
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault("ROS_LOG_DIR", str(DEMO / "output" / "log"))
    rclpy.init()
    listener = Listener()
    parameters = f"image_topic:={CAMERA}", f"rate_hz:={RATE_HZ}"
    try:
        with running_node(*parameters) as node, spinning(listener), closing(BagPlayer(listener, DRIVE)) as player:
            wait_for_node(node, player)
            play(player, listener)
        report(listener)
    except LaposeError as error:
        print(f"lapose: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
