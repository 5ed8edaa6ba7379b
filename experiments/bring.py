"""Weights of finished runs, in half precision (23 MB each, in pieces): python -m experiments.bring OUT NAME..."""

from __future__ import annotations

import argparse
from pathlib import Path

from lapose_core.training.checkpoint import load_checkpoint, model_config_of, save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="a folder that experiments.kitti can read")
    parser.add_argument("names", nargs="+", help="of runs")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.names:
        folder = options.runs / f"seed{options.seed}" / name
        config = model_config_of(folder)
        weights, progress = load_checkpoint(folder, config)
        halves = {key: value.half() for key, value in weights.items()}
        save_checkpoint(options.output / f"seed{options.seed}" / name, halves, config, {"runs": progress["runs"]})


if __name__ == "__main__":
    main()
