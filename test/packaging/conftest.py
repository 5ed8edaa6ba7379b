"""The package installed as ROS 2 does it, once for all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files without what was built in its folder."""
    copy = tmp_path_factory.mktemp("source") / "lapose"
    ignored = shutil.ignore_patterns(".*", "build", "install", "runs", "test", "demo", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


def run(*command: str | Path, **environment: str) -> str:
    """Output of a command that must end well."""
    ended = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.stdout


@pytest.fixture(scope="session")
def cmake_prefix(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package built and installed as colcon does it, against the environment of the tests."""
    pytest.importorskip("rosidl_generator_py", reason="needs ROS 2: see `make test`")
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("prefix")
    environment = {"AMENT_PREFIX_PATH": sys.prefix, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    settings = {"CMAKE_INSTALL_PREFIX": prefix, "CMAKE_PREFIX_PATH": sys.prefix, "Python3_EXECUTABLE": sys.executable}
    definitions = [f"-D{name}={value}" for name, value in settings.items()]
    run("cmake", "-S", source, "-B", build, *definitions, "-DBUILD_TESTING=OFF", "-Wno-dev", **environment)
    run("cmake", "--build", build, "--parallel", "2", **environment)
    run("cmake", "--install", build, **environment)
    return prefix


def overlay(prefix: Path) -> dict[str, str]:
    """What sourcing the prefix's setup file would set."""
    return {
        "PYTHONPATH": str(prefix / SITE_PACKAGES),
        "LD_LIBRARY_PATH": f"{prefix / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "AMENT_PREFIX_PATH": f"{prefix}:{sys.prefix}",
    }
