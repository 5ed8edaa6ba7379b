"""The core knows nothing of ROS: it runs, and is tested, where there is none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "lapose_core"
ROS = {
    "ament_index_python", "builtin_interfaces", "cv_bridge", "diagnostic_msgs", "diagnostic_updater", "geometry_msgs",
    "lapose", "lapose_ros", "launch", "launch_ros", "lifecycle_msgs", "nav_msgs", "rcl_interfaces", "rclpy",
    "sensor_msgs", "sensor_msgs_py", "std_msgs", "std_srvs", "tf2_msgs", "tf2_ros", "tf_transformations",
}  # fmt: skip


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports, within functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_no_file_of_the_core_imports_ros(path: Path) -> None:
    assert not ROS & set(imported(path))
