"""The table of parameters, and what is made from it."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest
import yaml

from lapose_ros.parameters import Parameters

ROOT = Path(__file__).parents[2]
FIELDS = dataclasses.fields(Parameters)


def test_config_file_lists_every_parameter_with_its_default():
    (section,) = yaml.safe_load((ROOT / "config" / "lapose.yaml").read_text()).values()
    defaults = {f.name: list(f.default) if isinstance(f.default, tuple) else f.default for f in FIELDS}
    assert section["ros__parameters"] == defaults


def test_parameters_describe_themselves_to_ros(start_drive):
    node = start_drive().node
    for field in FIELDS:
        descriptor = node.describe_parameter(field.name)
        assert descriptor.description.endswith(".")
        assert descriptor.read_only != field.metadata["changeable"]
        if type(field.default) in (int, float):
            assert descriptor.floating_point_range or descriptor.integer_range


def test_launch_file_is_valid_python_and_installed_with_what_it_starts():
    tree = ast.parse((ROOT / "launch" / "lapose.launch.py").read_text())
    assert "generate_launch_description" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    scripts = (ROOT / "lapose_ros" / "setup.cfg").read_text()
    assert "lapose_node" in scripts
    assert "lapose_bag_player" in scripts


def load_launch_file():
    """The launch file as `ros2 launch` reads it; the wheels on PyPI have no launch_ros, a full ROS 2 has."""
    pytest.importorskip("launch_ros")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    return get_launch_description_from_python_launch_file(str(ROOT / "launch" / "lapose.launch.py"))


def test_launch_file_offers_every_parameter():
    names = {argument.name for argument in load_launch_file().get_launch_arguments()}
    assert {field.name for field in FIELDS} < names
    assert {"bag", "rviz", "namespace", "config", "use_sim_time"} < names
