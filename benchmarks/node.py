"""The whole node over DDS: from an image published to its odometry received.

    python -m benchmarks.node [--sizes 640x480 1280x720 1920x1080] [--rates 10 30] [--seconds S] [--json FILE]
    python -m benchmarks.node --sizes 1280x720 --rates 30 --minutes 30        # the slope of its memory

The node is a process of its own, asked for an odometry for each image; pictures are those
of SOURCE (by default the demo's rendered drive), enlarged to the size, as raw bgr8. Beside it, on the same pictures and
cores: the odometer alone, given the same bytes at the same rate in this process (what the node takes longer, messages
and DDS add); a node that answers each image without a look at it (what they add at least: `benchmarks.echo`); and the
peer, ORB with five-point RANSAC, as fast as it goes. Fast DDS has the shared memory of config/fastdds.xml, without
which it loses most raw images. Set ROS_DOMAIN_ID where other ROS 2 systems are near.
"""

from __future__ import annotations

import argparse
import array
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lapose.msg import Status
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from benchmarks.echo import TOPIC
from benchmarks.measure import Latency, machine, print_machine, print_table, time_calls, write_json
from lapose_core.data.open import open_source
from lapose_core.data.source import Frame
from lapose_core.evaluation.baselines.orb import orb_methods
from lapose_core.models import find_model
from lapose_core.runtime.backends.backend import Backend
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.odometer import Odometer
from lapose_ros.messages import image_of, stamp_ns, time_message
from lapose_ros.processes import running_node, spinning

ROOT = Path(__file__).resolve().parents[1]
DRIVE = ROOT / "demo" / "drive"
PICTURES = 32
_TICKS = os.sysconf("SC_CLK_TCK")


class Camera(Node):
    """Publishes pictures, and notes when each one's odometry comes."""

    def __init__(self) -> None:
        super().__init__("benchmark_camera")
        self.published_s: dict[int, float] = {}
        self.latencies_s: list[float] = []
        self.publishing_s: list[float] = []  # what is the camera's own in them
        self.newest = Status()
        self.gpu_memory = ""
        self._publisher = self.create_publisher(Image, TOPIC, qos_profile_sensor_data)
        self.create_subscription(Odometry, "/lapose/odometry", self._receive, 100)
        self.create_subscription(Status, "/lapose/status", lambda message: setattr(self, "newest", message), 10)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)

    def has_listener(self) -> bool:
        return self._publisher.get_subscription_count() > 0

    def publish(self, message: Image, stamp: int) -> None:
        message.header.stamp = time_message(stamp)
        self.published_s[stamp] = started_s = time.monotonic()
        self._publisher.publish(message)
        self.publishing_s.append(time.monotonic() - started_s)

    def _receive(self, message: Odometry) -> None:
        published_s = self.published_s.pop(stamp_ns(message.header.stamp), None)
        if published_s is not None:
            self.latencies_s.append(time.monotonic() - published_s)

    def _diagnose(self, message: DiagnosticArray) -> None:
        values = {item.key: item.value for status in message.status for item in status.values}
        self.gpu_memory = values["GPU memory (MiB)"]


class Usage:
    """CPU time and memory of a process, from /proc.

    Memory is the process's own: that which DDS shares with the publisher and that of mapped files are not counted.
    """

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self.memory_mb: list[tuple[float, float]] = []  # (seconds, MB)

    def cpu_s(self) -> float:
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def sample_memory(self) -> None:
        lines = (self._folder / "status").read_text().splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
        self.memory_mb.append((time.monotonic(), kib * 1024 / 1e6))

    def slope_mb_per_minute(self) -> float:
        """By least squares over the second half: the first one still fills caches."""
        samples = np.array(self.memory_mb[len(self.memory_mb) // 2 :])
        return float(np.polyfit(samples[:, 0] / 60, samples[:, 1], 1)[0]) if len(samples) > 2 else float("nan")


def pictures(source: Path, width: int, height: int) -> list[np.ndarray]:
    """The first frames of a source, RGB, cropped to the shape and enlarged to the size."""
    images = []
    for frame in itertools.islice(iter(open_source(source)), PICTURES):
        old_height, old_width = frame.image_HWC.shape[:2]
        scale = min(old_width / width, old_height / height)
        crop_width, crop_height = round(width * scale), round(height * scale)
        left, top = (old_width - crop_width) // 2, (old_height - crop_height) // 2
        crop = frame.image_HWC[top : top + crop_height, left : left + crop_width]
        images.append(cv2.resize(crop, (width, height), interpolation=cv2.INTER_CUBIC))
    return images


def image_message(image_HWC: np.ndarray) -> Image:
    height, width = image_HWC.shape[:2]
    message = Image(height=height, width=width, encoding="bgr8", step=3 * width)
    message.header.frame_id = "camera"
    message.data = array.array("B", cv2.cvtColor(image_HWC, cv2.COLOR_RGB2BGR).tobytes())
    return message


def drive(camera: Camera, messages: list[Image], rate_hz: float, seconds: float, usage: Usage) -> dict[str, Any]:
    """Publish there and back through the pictures at the rate; the first two seconds do not count."""
    swing = messages + messages[-2:0:-1]
    period_ns, warm = int(1e9 / rate_hz), int(2 * rate_hz)
    count = warm + int(seconds * rate_hz)
    start_ns, started_s = time.time_ns(), time.monotonic()
    cpu_s = counted_s = 0.0
    for index in range(count):
        time.sleep(max(0.0, started_s + index / rate_hz - time.monotonic()))
        if index == warm:
            camera.latencies_s.clear()
            camera.publishing_s.clear()
            camera.published_s.clear()  # of those on their way the answers do not count
            cpu_s, counted_s, dropped = usage.cpu_s(), time.monotonic(), camera.newest.frames_dropped
        camera.publish(swing[index % len(swing)], start_ns + index * period_ns)
        if index % max(1, int(rate_hz)) == 0:
            usage.sample_memory()
    passed_s, cpu_s = time.monotonic() - counted_s, usage.cpu_s() - cpu_s
    time.sleep(1.0)
    answered, published = len(camera.latencies_s), count - warm
    node_dropped = camera.newest.frames_dropped - dropped
    latency = Latency.of(camera.latencies_s or [float("nan")], 0.0)
    return {
        "p50 ms": latency.p50,
        "p95 ms": latency.p95,
        "p99 ms": latency.p99,
        "published": published,
        "answered": answered,
        "dropped by the node": node_dropped,
        # Status comes twice a second, so that a drop of just before may be counted.
        "lost on the way": max(0, published - answered - node_dropped),
        "CPU %": 100 * cpu_s / passed_s,
        "node's CPU ms a frame": 1e3 * cpu_s / max(1, answered),
        "publishing, p50 ms": 1e3 * float(np.median(camera.publishing_s)),
        "in the node, mean ms": 1e3 * camera.newest.latency_mean,
        "own memory MB": usage.memory_mb[-1][1],
        "GPU memory MiB": camera.gpu_memory,
        "slope MB/min": usage.slope_mb_per_minute(),
    }


def time_node(
    images: list[np.ndarray], rate_hz: float, seconds: float, *parameters: str, module: str = "lapose_ros.node"
) -> dict[str, Any]:
    rclpy.init()
    camera = Camera()
    messages = [image_message(image) for image in images]
    with running_node(*parameters, log_level="warn", module=module) as node, spinning(camera):
        give_up_s = time.monotonic() + 120.0
        while not camera.has_listener():
            if node.poll() is not None or time.monotonic() > give_up_s:
                raise SystemExit("the node did not start: its line above says why")
            time.sleep(0.1)
        time.sleep(1.0)
        return drive(camera, messages, rate_hz, seconds, Usage(node.pid))


def time_odometer(images: list[np.ndarray], rate_hz: float, seconds: float, backend: Backend) -> Latency:
    """The odometer alone, at the camera's rate: a GPU that waits between frames is slower than one kept busy."""
    odometer = Odometer(backend)
    raw = [image_of(image_message(image)) for image in images]
    swing, taken_s, cpu_s = raw + raw[-2:0:-1], [], 0.0
    warm = backend.config.clip_length
    started_s = time.monotonic()
    for index in range(warm + int(seconds * rate_hz)):
        time.sleep(max(0.0, started_s + index / rate_hz - time.monotonic()))
        before_s, before_cpu_s = time.perf_counter(), time.process_time()
        odometer.register_frame(Frame(swing[index % len(swing)], round(index * 1e9 / rate_hz)))
        if index >= warm:
            taken_s.append(time.perf_counter() - before_s)
            cpu_s += time.process_time() - before_cpu_s
    return Latency.of(taken_s, cpu_s)


def time_peer(images: list[np.ndarray]) -> Latency:
    """ORB and five-point RANSAC, image by image."""
    (peer,), cycle = orb_methods(None), itertools.cycle(images + images[-2:0:-1])
    previous = peer.describe(next(cycle))

    def register() -> None:
        nonlocal previous
        current = peer.describe(next(cycle))
        peer.compare(previous, current, 0.1)
        previous = current

    return time_calls(register, count=100, at_most_s=15.0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.node", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=DRIVE)
    parser.add_argument("--sizes", nargs="+", default=["640x480", "1280x720", "1920x1080"])
    parser.add_argument("--rates", nargs="+", type=float, default=[10.0, 30.0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--minutes", type=float, help="instead of --seconds")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--parameter", nargs="*", default=[], help="more of the node's parameters, as NAME:=VALUE")
    parser.add_argument("--default-transport", action="store_true", help="without config/fastdds.xml")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if not options.default_transport:
        os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds.xml"))
    seconds = 60 * options.minutes if options.minutes else options.seconds
    names = machine()
    print_machine(names)
    backend = open_backend(find_model("compact"), options.backend, report=print)
    rows = []
    for size in options.sizes:
        width, height = map(int, size.split("x"))
        images = pictures(options.source, width, height)
        peer = time_peer(images)
        print(
            f"{size}: the peer takes {peer.p50:.1f} ms a frame (p95 {peer.p95:.1f}), {peer.cpu:.1f} ms of CPU",
            flush=True,
        )
        for rate_hz in options.rates:
            alone = time_odometer(images, rate_hz, min(seconds, 5.0), backend)
            echo = time_node(images, rate_hz, min(seconds, 5.0), module="benchmarks.echo")
            given = f"image_topic:={TOPIC}", f"rate_hz:={rate_hz}", f"backend:={options.backend}"
            figures = time_node(images, rate_hz, seconds, *given, "camera_tf_timeout_s:=0.0", *options.parameter)
            figures |= {"alone p50 ms": alone.p50, "alone p99 ms": alone.p99, "alone CPU ms": alone.cpu}
            figures |= {"added p50 ms": figures["p50 ms"] - alone.p50}
            figures |= {"echo p50 ms": echo["p50 ms"], "echo p95 ms": echo["p95 ms"]}
            figures |= {"peer p50 ms": peer.p50, "peer's CPU ms": peer.cpu}
            rows.append({"size": size, "Hz": f"{rate_hz:g}", **figures})
            print(rows[-1], flush=True)
    print_table(rows)
    write_json(options.json, {"machine": names, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
