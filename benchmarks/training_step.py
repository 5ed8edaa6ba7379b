"""Time of a training step and of its parts, drawing included: python -m benchmarks.training_step [CONFIG]

Prints a table and a JSON line. Target: under 100 ms for 24 clips of 16 frames at 480x224 on an H100.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.measure import device_name, time_calls
from lapose_core.model.config import preset
from lapose_core.training.config import TrainConfig
from lapose_core.training.pose import pose_engine

REPEATS = 20


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "config/train/pose_compact.yaml")
    config = TrainConfig.load(path)
    sizes = preset(config.preset)
    trainer = pose_engine(config, Path(tempfile.mkdtemp()))
    device = trainer.fabric.device
    repeats = REPEATS if device.type == "cuda" else 2
    source = trainer.stage.batches(trainer.share, 0)

    def median_ms(action: Callable[[], object]) -> float:
        return time_calls(action, count=repeats, device=device).p50

    batch = next(source)
    figures = {
        "draw": median_ms(lambda: next(source)),
        "forward and losses": median_ms(lambda: trainer.wrapped(batch)),
        "step without drawing": median_ms(lambda: trainer.train_step(batch)),
        "whole step": median_ms(lambda: trainer.train_step(next(source))),
    }
    print(
        f"{config.preset}, {config.clips} clips of {config.frames} frames at {sizes.image_width}x{sizes.image_height}"
    )
    for part, milliseconds in figures.items():
        print(f"{part:24} {milliseconds:9.1f} ms")
    names = {"machine": device_name(device), "torch": torch.__version__}
    print(json.dumps(names | {part: round(value, 2) for part, value in figures.items()}))


if __name__ == "__main__":
    main()
