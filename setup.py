"""What pyproject.toml cannot say: the files that go to share/lapose, where ROS 2 and `lapose` look for them."""

from pathlib import Path

from setuptools import setup

SHARED = ("models", "config", "launch", "rviz")


def share_files() -> list[tuple[str, list[str]]]:
    root = Path(__file__).parent
    files = sorted(path.relative_to(root) for name in SHARED for path in (root / name).rglob("*") if path.is_file())
    folders = sorted({path.parent for path in files})
    return [(f"share/lapose/{folder}", [str(path) for path in files if path.parent == folder]) for folder in folders]


setup(data_files=share_files())
