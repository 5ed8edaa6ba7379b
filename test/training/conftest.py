"""Runs of the command in processes of their own, so that they can be killed, or be several."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

CONFIGS = Path(__file__).parents[2] / "config" / "train"


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """A config that ships, with some settings changed."""

    def write(name: str, **changes) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()) | changes))
        return path

    return write


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def start_training() -> Callable[..., subprocess.Popen]:
    """Start `lapose train STAGE ...`, in one process or in several that talk through gloo."""
    started: list[subprocess.Popen] = []

    def start(
        *words: str | Path, processes: int = 1, launcher: Sequence[str] = (), variables: dict[str, str] | None = None
    ) -> subprocess.Popen:
        if processes > 1:
            launcher = ["torch.distributed.run", f"--nproc-per-node={processes}", f"--master-port={free_port()}"]
        command = [sys.executable, *(["-m", *launcher] if launcher else []), "-m", "lapose_core.cli", "train"]
        process = subprocess.Popen(
            [*command, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"} | (variables or {}),
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
