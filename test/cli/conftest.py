"""The command in this process, and small inputs for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from lapose_core.cli import main
from lapose_core.geometry import Trajectory, chain_motions, make_pose

FRAMES, PERIOD_NS = 24, 100_000_000


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture
def lapose(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run `lapose` with these arguments; an exception other than its exit fails the test."""

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lapose", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def kitti(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A KITTI sequence of 2.4 s at 10 Hz through a bend, 192x96; its `image_0` is a folder of images with times."""
    root = tmp_path_factory.mktemp("kitti")
    sequence = root / "sequences" / "03"
    (sequence / "image_0").mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 256, (96, 192), np.uint8)
    for index in range(FRAMES):
        cv2.imwrite(str(sequence / "image_0" / f"{index:06d}.png"), np.roll(picture, 2 * index, axis=1))
    (sequence / "times.txt").write_text("".join(f"{index * PERIOD_NS * 1e-9:.6e}\n" for index in range(FRAMES)))
    (sequence / "calib.txt").write_text("P0: 100 0 96 0 0 100 48 0 0 0 1 0\n")
    step = make_pose([0.0, 0.0, 1.0], [0.0, -0.01, 0.0, 1.0])
    truth = Trajectory(np.arange(FRAMES) * PERIOD_NS, chain_motions(np.tile(step, (FRAMES - 1, 1, 1))))
    (root / "poses").mkdir()
    truth.write_kitti(root / "poses" / "03.txt")
    return sequence
