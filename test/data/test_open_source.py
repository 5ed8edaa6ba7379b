"""What becomes of a path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LaposeError, match=r"no such file or folder: .*missing"):
        open_source(tmp_path / "missing.mp4")


def test_a_folder_with_nothing_to_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")

    with pytest.raises(LaposeError, match="holds no images"):
        open_source(tmp_path)


def test_impossible_rates_are_told(tmp_path: Path, images: list[np.ndarray], write_video: Callable[..., Path]) -> None:
    video = write_video(tmp_path / "drive.avi", images)

    with pytest.raises(LaposeError, match="--fps 0"):
        open_source(video, fps=0.0)
    with pytest.raises(LaposeError, match="rate of -1 Hz"):
        open_source(video, rate_hz=-1.0)


def test_running_needs_neither_torch_nor_ros_and_reading_no_numba() -> None:
    code = (
        "import sys, lapose_core.data.open\n"
        "numba = 'numba' in sys.modules\n"
        "import lapose_core.runtime.run\n"
        "sys.exit(numba or bool({'torch', 'rclpy'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
