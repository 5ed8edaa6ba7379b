"""The two ways to install: `pip install` and, as ROS 2 does, `cmake --install`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lapose_core

from .conftest import ROOT, SITE_PACKAGES, overlay, run


def test_cmake_install_brings_the_messages(cmake_prefix: Path, tmp_path: Path):
    program = (
        "import lapose.msg as m, lapose.srv as s; print(m.__file__); m.EgoMotion(latent_action=[0.0] * 50); "
        "m.Status(); s.SetPose.Request()"
    )
    assert run(sys.executable, "-c", program, **overlay(cmake_prefix)).startswith(str(cmake_prefix))


def test_cmake_install_brings_the_node_that_ros2_run_starts(cmake_prefix: Path):
    node = cmake_prefix / "lib" / "lapose" / "lapose_node"
    ended = subprocess.run(
        [node, "--ros-args", "-p", "model:=none"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | overlay(cmake_prefix),
    )
    assert ended.returncode == 2
    assert "no model 'none'" in ended.stderr
    assert (node.parent / "lapose_bag_player").exists()


def test_cmake_install_brings_what_the_node_is_started_with(cmake_prefix: Path):
    share = cmake_prefix / "share" / "lapose"
    for file in (
        "package.xml",
        "launch/lapose.launch.py",
        "config/lapose.yaml",
        "rviz/lapose.rviz",
        "msg/EgoMotion.msg",
    ):
        assert (share / file).is_file()
    assert sorted(p.name for p in (share / "models").iterdir()) == sorted(p.name for p in (ROOT / "models").iterdir())


def test_pip_install_brings_packages_models_and_command(source: Path, tmp_path: Path):
    run(sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--ignore-installed", "--prefix", tmp_path, source)
    program = "import lapose_core.models as m, lapose_ros; print(m.__file__, *m.model_folders(), sep='\\n')"
    environment = {"PYTHONPATH": str(tmp_path / SITE_PACKAGES)}
    file, *model_folders = run(sys.executable, "-P", "-c", program, **environment).splitlines()
    assert file.startswith(str(tmp_path))
    assert str(tmp_path / "share" / "lapose" / "models") in model_folders
    assert "evaluate" in run(tmp_path / "bin" / "lapose", "--help", **environment)
    installed = {p.relative_to(tmp_path / "share" / "lapose") for p in (tmp_path / "share" / "lapose").rglob("*.*")}
    assert Path("launch/lapose.launch.py") in installed
    shipped = {p.relative_to(ROOT) for p in (ROOT / "models").rglob("*.*") if p.is_file()}
    assert shipped <= installed


def test_versions_agree():
    catkin_package = pytest.importorskip("catkin_pkg.package", reason="needs ROS 2: see `make test`")
    assert catkin_package.parse_package(str(ROOT / "package.xml")).version == lapose_core.__version__


def test_package_xml_is_valid_and_names_every_ros_package_that_is_imported():
    catkin_package = pytest.importorskip("catkin_pkg.package", reason="needs ROS 2: see `make test`")
    package = catkin_package.parse_package(str(ROOT / "package.xml"))
    package.validate()
    assert package.package_format == 3
    named = {dependency.name for dependency in package.exec_depends}

    own = {"lapose", "lapose_core", "lapose_ros"}
    keys = {"tf2_ros": "tf2_ros_py", "rosbags": "python3-rosbags-pip"}
    files = [*(ROOT / "lapose_ros").glob("*.py"), ROOT / "launch" / "lapose.launch.py"]
    for name in sorted({name for file in files for name in imported(file)} - own - sys.stdlib_module_names):
        assert keys.get(name, name) in named or f"python3-{name}" in named, name


def imported(file: Path) -> set[str]:
    """Top-level names of the absolute imports in a file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names
