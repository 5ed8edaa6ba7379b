"""Start the node, with RViz or a bag where asked: `ros2 launch lapose lapose.launch.py -s` lists the arguments."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from lapose_ros.parameters import Parameters

SHARE = Path(__file__).resolve().parents[1]

#: Name, default and description of what is not a parameter of the node.
OTHER_ARGUMENTS = (
    ("config", str(SHARE / "config" / "lapose.yaml"), "File of parameters; arguments given here come before it."),
    ("namespace", "", "Namespace of the node, one for each camera."),
    ("use_sim_time", "false", "Take the time from /clock."),
    ("bag", "", "A bag to play."),
    ("rviz", "false", "Show image, odometry, path and frames in RViz."),
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*declare_arguments(), OpaqueFunction(function=start)])


def declare_arguments() -> list[DeclareLaunchArgument]:
    """One for each parameter of the node, empty where the config file decides, and the others."""
    parameters = [
        DeclareLaunchArgument(
            field.name,
            default_value="",
            description=f"{field.metadata['description']} Empty: as in config.",
            choices=["", *field.metadata["choices"]] if field.metadata["choices"] else None,
        )
        for field in dataclasses.fields(Parameters)
    ]
    others = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in OTHER_ARGUMENTS
    ]
    return parameters + others


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    argument = {name: LaunchConfiguration(name).perform(context) for name in context.launch_configurations}
    node = Node(
        package="lapose",
        executable="lapose_node",
        name="lapose",
        namespace=argument["namespace"],
        parameters=[argument["config"], given_parameters(argument)],
        output="screen",
        emulate_tty=True,
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["--display-config", str(SHARE / "rviz" / "lapose.rviz")],
        condition=IfCondition(argument["rviz"]),
    )
    return [node, rviz, *([play_bag(argument["bag"])] if argument["bag"] else [])]


def given_parameters(argument: dict[str, str]) -> dict[str, object]:
    """The node's parameters among the arguments, with the types that the node wants."""
    given: dict[str, object] = {"use_sim_time": yaml.safe_load(argument["use_sim_time"])}
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


def play_bag(bag: str) -> LaunchDescriptionEntity:
    """`ros2 bag play` where it is installed, else the package's own player."""
    try:
        get_package_share_directory("ros2bag")
    except PackageNotFoundError:
        return Node(package="lapose", executable="lapose_bag_player", arguments=[bag], output="screen")
    return ExecuteProcess(cmd=["ros2", "bag", "play", bag, "--clock"], output="screen")
