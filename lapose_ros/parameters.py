"""The node's parameters: one table that the node declares, the launch file offers and the tests check."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapose_core.errors import LaposeError
from lapose_core.runtime.backends.open import BACKENDS

if TYPE_CHECKING:
    from rclpy.node import Node


def _parameter(
    default: Any, description: str, *, limits: tuple | None = None, choices: tuple = (), changeable: bool = False
) -> Any:
    """A field of `Parameters`; `limits` are the smallest and the largest value, `changeable` means while running."""
    metadata = {"description": description, "limits": limits, "choices": choices, "changeable": changeable}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Parameters:
    """What the node can be told. Metres, radians, seconds."""

    image_topic: str = _parameter(
        "auto",
        "Topic of the camera's images; auto takes the only camera there is, or the only one with front in its name.",
    )
    image_transport: str = _parameter(
        "auto",
        "How images come: raw (sensor_msgs/Image), compressed (sensor_msgs/CompressedImage), or auto: from the "
        "publisher's type, and before there is one from a topic name that ends in /compressed.",
        choices=("auto", "raw", "compressed"),
    )
    image_qos: str = _parameter(
        "sensor_data",
        "How images are asked for: sensor_data (best effort, hears every publisher), or reliable.",
        choices=("sensor_data", "reliable"),
    )
    use_camera_info: bool = _parameter(
        True,
        "Rectify the images, cut evenly round the principal point, where a CameraInfo comes beside them, and take "
        "their field of view as known: direction, rotation and scale are better.",
    )
    camera_info_topic: str = _parameter("", "Topic of the CameraInfo; empty: camera_info beside the images.")
    rate_hz: float = _parameter(
        4.0, "Frames a second that the window takes: its steps.", limits=(0.1, 120.0), changeable=True
    )
    every_frame: str = _parameter(
        "auto",
        "Whether images between the window's steps have an odometry too, measured against its last frame: always, "
        "never (they are left out), or auto: where the model runs on a GPU.",
        choices=("auto", "always", "never"),
        changeable=True,
    )
    model: str = _parameter("compact", "Name of an installed model, or the path of a model folder.")
    backend: str = _parameter(
        "auto",
        "What runs the model; auto takes the fastest that works here.",
        choices=("auto", *BACKENDS),
    )
    odom_frame: str = _parameter("odom", "Frame in which the vehicle moves (REP-105).")
    base_frame: str = _parameter("base_link", "The vehicle's frame (REP-105).")
    publish_tf: bool = _parameter(True, "Publish the transform from odom_frame to base_frame.", changeable=True)
    invert_tf: bool = _parameter(
        False,
        "Publish odom_frame as the child of base_frame, for where base_frame has another parent already.",
        changeable=True,
    )
    initial_xyz: tuple[float, ...] = _parameter(
        (0.0, 0.0, 0.0), "Position of base_frame in odom_frame at the first image and after a reset."
    )
    initial_rpy: tuple[float, ...] = _parameter(
        (0.0, 0.0, 0.0), "Roll, pitch, yaw of base_frame in odom_frame at the first image and after a reset."
    )
    output_qos: str = _parameter(
        "reliable",
        "How odometry, path, trajectory, ego_motion and status are offered: reliable, or sensor_data (best effort).",
        choices=("reliable", "sensor_data"),
    )
    path_length: int = _parameter(
        2000,
        "Poses kept in the path and the trajectory, the newest; 0 publishes neither.",
        limits=(0, 100000),
        changeable=True,
    )
    camera_tf: bool = _parameter(
        True, "Take the camera's pose in base_frame from TF where it is known there, else from camera_xyz, camera_rpy."
    )
    camera_tf_timeout_s: float = _parameter(
        1.0, "How long the first frame waits for the camera's transform, and for its CameraInfo.", limits=(0.0, 60.0)
    )
    camera_xyz: tuple[float, ...] = _parameter((0.0, 0.0, 0.0), "Position of the camera in base_frame.")
    camera_rpy: tuple[float, ...] = _parameter(
        (0.0, 0.0, 0.0),
        "Roll, pitch, yaw of the camera in base_frame; zero looks straight ahead, upright.",
    )
    camera_height: float = _parameter(
        0.0,
        "Height of the camera above the road: the scale is as good as that. 0: not known.",
        limits=(0.0, 20.0),
    )
    max_gap_s: float = _parameter(
        2.5, "A longer time between frames starts a new window; the pose stays.", limits=(0.1, 60.0), changeable=True
    )
    on_clock_set_back: str = _parameter(
        "clear",
        "When the images' clock goes back (a bag played again): clear starts from the initial pose, keep goes on from "
        "the pose of the moment.",
        choices=("clear", "keep"),
        changeable=True,
    )
    silence_s: float = _parameter(
        5.0, "Images that stay away for this long are warned of.", limits=(0.5, 3600.0), changeable=True
    )
    topic_timeout_s: float = _parameter(
        0.0, "End with exit code 2 if no image has come after this long; 0 waits for ever.", limits=(0.0, 3600.0)
    )
    autostart: bool = _parameter(True, "Configure and activate at the start.")


def declare(node: Node) -> None:
    """Declare all parameters on the node with their descriptions and limits.

    Raises rclpy's exceptions for values given at the start that are out of limits or of the wrong type.
    """
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    for field in dataclasses.fields(Parameters):
        limits, choices = field.metadata["limits"], field.metadata["choices"]
        descriptor = ParameterDescriptor(
            description=field.metadata["description"],
            additional_constraints=f"one of: {', '.join(choices)}" if choices else "",
            read_only=not field.metadata["changeable"],
        )
        if limits and isinstance(field.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
        elif limits:
            descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=1)]
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        node.declare_parameter(field.name, default, descriptor)


def read(node: Node) -> Parameters:
    """The declared parameters' values; raises LaposeError for one that cannot be."""
    values = {field.name: node.get_parameter(field.name).value for field in dataclasses.fields(Parameters)}
    for name, value in values.items():
        check(name, value)
    return Parameters(**{name: tuple(value) if _is_list(value) else value for name, value in values.items()})


def check(name: str, value: Any) -> None:
    """Raise LaposeError for a value that cannot be; limits and types are ROS's business."""
    field = Parameters.__dataclass_fields__.get(name)
    if field is None:  # such as use_sim_time
        return
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise LaposeError(f"parameter {name} is {value!r}: choose one of {', '.join(choices)}")
    if isinstance(field.default, tuple) and len(value) != len(field.default):
        raise LaposeError(f"parameter {name} has {len(value)} numbers: give {len(field.default)}")


def _is_list(value: Any) -> bool:
    return not isinstance(value, (str, bool, int, float))
