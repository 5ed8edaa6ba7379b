"""Train the table's runs one after the other; a second call goes on where the first one stopped.

    python -m experiments.run --seed 0 --minutes 9
    CUDA_VISIBLE_DEVICES=1 python -m experiments.run --seed 1 --minutes 9     # beside it, on a second GPU
    python -m experiments.run --seed 0 --budget minutes --matching models/compact        # a third of an hour on an H100

Each run has a folder with its checkpoint and log, and, once it is over, a result in `results/seedN/NAME.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from experiments.scores import rendered_scores
from experiments.table import BUDGETS, WORLD, Run, config_of, runs
from lapose_core.files import write_atomically
from lapose_core.model.config import preset
from lapose_core.model.lapose import LAPose
from lapose_core.training.checkpoint import load_checkpoint, model_config_of, save_checkpoint
from lapose_core.training.config import PretrainConfig, RunConfig, TrainConfig, VQVAETrainConfig
from lapose_core.training.engine import Engine
from lapose_core.training.pose import pose_engine
from lapose_core.training.pretrain import pretrain_engine, take_matching
from lapose_core.training.processes import start_fabric
from lapose_core.training.vqvae import vqvae_engine

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0.0, help="stop in good order after so many; 0 for no limit")
    parser.add_argument("--budget", choices=BUDGETS, default="hours", help="how long the runs are")
    parser.add_argument("--matching", type=Path, default=None, help="take what finds the matches from this model")
    parser.add_argument("--only", nargs="*", default=None, help="names of runs; what they start from has to be there")
    parser.add_argument("--real", default=None, help="shards of real unlabelled video (folder or URL)")
    parser.add_argument("--size", default="compact", help="preset: compact, or tiny to try the script")
    parser.add_argument("--clips", type=int, default=256, help="rendered clips to score with at each rate")
    options = parser.parse_args()
    deadline = time.monotonic() + options.minutes * 60 if options.minutes else None
    for run in runs(options.size, BUDGETS[options.budget], options.real):
        if options.only is not None and run.name not in options.only:
            continue
        if not train(run, options, deadline):
            print(f"time is up in {run.name}: call again to go on", flush=True)
            return
    print("all runs are over", flush=True)


def train(run: Run, options: argparse.Namespace, deadline: float | None) -> bool:
    """Train one run, or go on with it; returns whether it is over."""
    folder = options.output / f"seed{options.seed}" / run.name
    result = options.output / "results" / f"seed{options.seed}" / f"{run.name}.json"
    if result.exists():
        return True
    if run.kind == "matching" and options.matching:
        _start_with_matching(options.matching, folder, options.size, options.seed)
        return True
    print(f"=== {run.name}, seed {options.seed}", flush=True)
    if not _last_leg(folder).get("finished", False):
        engine = _engine(run, options, folder)
        if not engine.run(deadline):
            return False
        del engine
        torch.compiler.reset()
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    record: dict[str, Any] = {
        "name": run.name, "seed": options.seed, "kind": run.kind, "start_from": run.start_from, "changes": run.changes,
        "run": _last_leg(folder), "curve": [line for line in lines if line["kind"] == "held out"],
    }  # fmt: skip
    if run.kind == "pose":
        model = LAPose(model_config_of(folder))
        model.load_state_dict(load_checkpoint(folder, model.config)[0])
        record["rendered"] = rendered_scores(model, _device(), options.clips)
    write_atomically(result, lambda path: path.write_text(json.dumps(record, indent=1) + "\n"))
    return True


def _start_with_matching(source: Path, folder: Path, size: str, seed: int) -> None:
    """Let `folder` hold an untrained model but for what finds the matches, which is taken from a trained one."""
    if (folder / "progress.json").exists():
        return
    torch.manual_seed(seed)
    untrained = LAPose(preset(size))
    take_matching(untrained, source)
    save_checkpoint(folder, untrained.state_dict(), untrained.config, {"runs": []})


def _engine(run: Run, options: argparse.Namespace, folder: Path) -> Engine:
    common = {"seed": 1000 * options.seed, "minutes": 0.0, "save_every": 500, "log_every": 50}
    if options.size == "tiny":
        common |= {"save_every": 2, "log_every": 1}
    changes = common | run.changes
    path = config_of(run, options.size)
    base = folder.parent
    if run.kind == "vqvae":
        config = _in_world(VQVAETrainConfig.load(path, **changes))
        return vqvae_engine(config, folder, fabric=start_fabric(config))
    if run.kind == "pretrain":
        config = _in_world(PretrainConfig.load(path, **changes))
        start = base / run.start_from if run.start_from else None
        return pretrain_engine(config, folder, base / "vqvae", start_from=start)
    if run.kind == "pose":
        changes["label_seed"] = options.seed
    config = _in_world(TrainConfig.load(path, **changes))
    return pose_engine(config, folder, start_from=[base / run.start_from] if run.start_from else ())


def _in_world(config: AnyConfig) -> AnyConfig:
    return replace(config, world={**config.world, **WORLD})


def _last_leg(folder: Path) -> dict[str, Any]:
    """What the newest run in a folder has written about itself; nothing where there is none."""
    path = folder / "progress.json"
    return json.loads(path.read_text())["runs"][-1] if path.exists() else {}


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
