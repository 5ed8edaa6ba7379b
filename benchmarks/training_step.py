"""Time of a training step and of its parts, drawing included: python -m benchmarks.training_step [CONFIG]

Prints a table and a JSON line. Target: under 100 ms for 24 clips of 16 frames at 480x224 on an H100.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch

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

    def median_ms(action) -> float:
        times = []
        for _ in range(repeats + 3):
            _wait(device)
            started = time.perf_counter()
            action()
            _wait(device)
            times.append((time.perf_counter() - started) * 1e3)
        return sorted(times[3:])[repeats // 2]

    batch = next(source)
    figures = {
        "draw": median_ms(lambda: next(source)),
        "forward and losses": median_ms(lambda: trainer.wrapped(batch)),
        "step without drawing": median_ms(lambda: trainer.train_step(batch)),
        "whole step": median_ms(lambda: trainer.train_step(next(source))),
    }
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"{config.preset}, {config.clips} clips of {config.frames} frames at {sizes.image_width}x{sizes.image_height}"
    )
    for part, milliseconds in figures.items():
        print(f"{part:24} {milliseconds:9.1f} ms")
    print(json.dumps({"machine": name, "torch": torch.__version__, **{k: round(v, 2) for k, v in figures.items()}}))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
