"""What a run starts from: the run in its own folder, which it goes on with, else other runs, else nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor

from lapose_core.training.checkpoint import RunState, load_checkpoint, load_state
from lapose_core.training.config import RunConfig

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)

#: Between the seeds of runs that go on from each other; the processes of one run have those between.
_SEEDS_APART = 64


@dataclass(frozen=True)
class Past:
    """What led to a run.

    Attributes:
        loaded: weights of each folder that it starts from, and the runs that made them.
        state: where the run in its own folder was cut off; None where it was not.
    """

    loaded: list[tuple[dict[str, Tensor], list[dict]]]
    state: RunState | None

    @property
    def history(self) -> list[dict]:
        """The runs before this one."""
        runs = [run for _, runs in self.loaded for run in runs]
        return runs[:-1] if self.state else runs

    def seed(self, config: AnyConfig) -> AnyConfig:
        """Seed torch, for the initial weights; returns the config with a seed of this run's own.

        Else it would see the clips and the light of the earlier runs over again.
        """
        config = replace(config, seed=config.seed + _SEEDS_APART * len(self.history))
        torch.manual_seed(config.seed)
        return config


def start_folders(output: Path, start_from: Sequence[Path] = ()) -> list[Path]:
    """The run's own folder where it holds something, else the others."""
    return [output] if (output / "progress.json").exists() else list(start_from)


def load_past(output: Path, folders: Sequence[Path], sizes: Any, fabric: Fabric) -> Past:
    """Load the folders of `start_folders`, and say if the run goes on; `sizes` is the model's config.

    Raises LaposeError for missing or broken files, or other sizes.
    """
    state = load_state(output)
    if output in folders and fabric.global_rank == 0:
        print(f"going on from {output}" + (f", step {state.numbers['step']}" if state else ""), flush=True)
    loaded = [load_checkpoint(folder, sizes) for folder in folders]
    return Past([(weights, progress["runs"]) for weights, progress in loaded], state)
