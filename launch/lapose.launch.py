"""Start the node, with RViz or a bag where asked: `ros2 launch lapose lapose.launch.py -s` lists the arguments."""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import suppress
from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from lapose_core.data.rosbag import RosbagSource
from lapose_core.errors import LaposeError
from lapose_ros.parameters import Parameters

SHARE = Path(__file__).resolve().parents[1]
YES_OR_NO = ("true", "false")

#: Name, default, description and choices of what is not a parameter of the node.
OTHER_ARGUMENTS = (
    ("config", str(SHARE / "config" / "lapose.yaml"), "File of parameters; arguments given here come before it.", ()),
    ("namespace", "", "Namespace of the node, one for each camera; image_topic auto looks there first.", ()),
    ("use_sim_time", "false", "Take the time from /clock.", YES_OR_NO),
    ("log_level", "info", "What the node says.", ("debug", "info", "warn", "error")),
    ("bag", "", "A bag to play: its folder, or its .mcap or .db3 file.", ()),
    ("bag_rate", "1.0", "Times faster than the bag was recorded.", ()),
    ("bag_loop", "false", "Play the bag again and again.", YES_OR_NO),
    ("rviz", "false", "Show image, odometry, path, trajectory and frames in RViz.", YES_OR_NO),
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*declare_arguments(), OpaqueFunction(function=start)])


def declare_arguments() -> list[DeclareLaunchArgument]:
    """One for each parameter of the node, empty where the config file decides, and the others."""
    parameters = [
        (field.name, "", f"{field.metadata['description']} Empty: as in config.", parameter_choices(field))
        for field in dataclasses.fields(Parameters)
    ]
    return [
        DeclareLaunchArgument(name, default_value=default, description=description, choices=choices or None)
        for name, default, description, choices in (*parameters, *OTHER_ARGUMENTS)
    ]


def parameter_choices(field: dataclasses.Field) -> tuple[str, ...]:
    choices = YES_OR_NO if isinstance(field.default, bool) else field.metadata["choices"]
    return ("", *choices) if choices else ()


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    names = [field.name for field in dataclasses.fields(Parameters)] + [name for name, *_ in OTHER_ARGUMENTS]
    argument = {name: LaunchConfiguration(name).perform(context) for name in names}
    node = Node(
        package="lapose",
        executable="lapose_node",
        name="lapose",
        namespace=argument["namespace"],
        parameters=[argument["config"], given_parameters(argument)],
        arguments=["--ros-args", "--log-level", f"lapose:={argument['log_level']}"],
        output="screen",
        emulate_tty=True,
    )
    started = [node]
    if argument["bag"]:
        started.append(play_bag(argument))
    if argument["rviz"] == "true":
        started.append(rviz(context, argument))
    return started


def given_parameters(argument: dict[str, str]) -> dict[str, object]:
    """The node's parameters among the arguments, with the types that the node wants."""
    given: dict[str, object] = {"use_sim_time": argument["use_sim_time"] == "true"}
    for field in dataclasses.fields(Parameters):
        text = argument[field.name]
        if not text:
            continue
        if isinstance(field.default, str):
            given[field.name] = text
        elif isinstance(field.default, tuple):
            given[field.name] = [float(value) for value in yaml.safe_load(text)]
        else:
            given[field.name] = type(field.default)(yaml.safe_load(text))
    return given


def play_bag(argument: dict[str, str]) -> Node:
    """The package's own player: unlike `ros2 bag play` it waits until the node listens."""
    options = ["--rate", argument["bag_rate"], "--wait", "60"]
    options += ["--clock"] if argument["use_sim_time"] == "true" else []
    options += ["--loop"] if argument["bag_loop"] == "true" else []
    return Node(
        package="lapose", executable="lapose_bag_player", arguments=[argument["bag"], *options], output="screen"
    )


def rviz(context: LaunchContext, argument: dict[str, str]) -> Node:
    """RViz on the topics of this node, wherever its namespace puts them, and on its images where they are known."""
    pushed = context.launch_configurations.get("ros_namespace", "")  # by a launch file that includes this one
    namespace = make_namespace_absolute(prefix_namespace(pushed, argument["namespace"]) or "").rstrip("/")
    config = (SHARE / "rviz" / "lapose.rviz").read_text().replace("Value: /lapose/", f"Value: {namespace}/lapose/")
    if images := image_topic(argument):
        # No remapping: RViz chooses the transport by what the topic's name ends in.
        config = config.replace("Value: /camera/front/image", f"Value: {prefix_namespace(namespace or '/', images)}")
    with tempfile.NamedTemporaryFile("w", prefix="lapose-", suffix=".rviz", delete=False) as file:
        file.write(config)
    return Node(package="rviz2", executable="rviz2", arguments=["--display-config", file.name])


def image_topic(argument: dict[str, str]) -> str | None:
    """The images' topic where it is known before the node looks for it: the argument's, or the bag's only one."""
    if argument["image_topic"] not in ("", "auto"):
        return argument["image_topic"]
    if argument["bag"]:
        with suppress(LaposeError):  # the player says what is wrong with it
            return RosbagSource(Path(argument["bag"])).topic
    return None
