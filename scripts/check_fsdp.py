"""Whether FSDP works on this machine's GPUs and learns what DDP learns.

    torchrun --standalone --nproc-per-node 2 scripts/check_fsdp.py VQVAE --config config/train/pretrain_tiny.yaml

Pretrains by DDP, by FSDP, and by FSDP cut off after the first step and gone on with, and says by how much the losses
and the weights differ. One that hangs prints the stacks of all its processes.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import tempfile
import time
from pathlib import Path

import torch

from lapose_core.training.checkpoint import load_checkpoint, model_config_of
from lapose_core.training.config import PretrainConfig
from lapose_core.training.pretrain import pretrain_engine
from lapose_core.training.processes import start_fabric

RUNS = {"ddp": ("ddp", False), "fsdp": ("fsdp", False), "fsdp, cut off": ("fsdp", True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vqvae", type=Path, help="folder of a trained VQ-VAE")
    parser.add_argument("--config", type=Path, default=Path("config/train/pretrain_tiny.yaml"))
    parser.add_argument("--from", dest="start_from", type=Path, default=None)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--patience", type=float, default=100.0, help="seconds until one counts as hanging")
    options = parser.parse_args()
    faulthandler.dump_traceback_later(options.patience, exit=True)
    every = {
        "steps": options.steps,
        "log_every": 1,
        "validate_every": max(1, options.steps // 2),
        "save_every": 100_000,
    }
    fabric = start_fabric(PretrainConfig.load(options.config, device="auto"))
    folder = Path(fabric.broadcast(tempfile.mkdtemp()))
    for name, (strategy, cut) in RUNS.items():
        begun = time.monotonic()
        config = PretrainConfig.load(options.config, device="auto", strategy=strategy, **every)
        for deadline in [0.0, None] if cut else [None]:
            pretrain_engine(config, folder / name, options.vqvae, start_from=options.start_from).run(deadline)
        if fabric.global_rank == 0:
            print(f"=== {name}: {time.monotonic() - begun:.0f} s", flush=True)
    if fabric.global_rank == 0:
        for name in list(RUNS)[1:]:
            print(f"{name} and ddp: {_difference(folder / name, folder / 'ddp')}", flush=True)


def _difference(one: Path, other: Path) -> str:
    (losses, weights), (others, other_weights) = map(_outcome, (one, other))
    apart = max(abs(a - b) for a, b in zip(losses, others, strict=True))
    moved = {key: (value - other_weights[key]).abs().max().item() for key, value in weights.items()}
    worst = max(moved, key=moved.__getitem__)
    return f"held-out losses {losses} and {others}, {apart:.2g} apart; weights at most {moved[worst]:.2g} ({worst})"


def _outcome(folder: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    losses = [line["loss"] for line in lines if line["kind"] == "held out"]
    return losses, load_checkpoint(folder, model_config_of(folder))[0]


if __name__ == "__main__":
    main()
