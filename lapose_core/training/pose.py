"""Pose training on rendered drives (paper, "pose post-training"), with the matching's free supervision.

On top of a pretrained model the encoder is frozen and the pose head learns from its latent actions alone, unless told
otherwise. From nothing, the inverse dynamics model learns together with the pose head.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from lapose_core.model.config import ModelConfig, preset
from lapose_core.model.lapose import LAPose
from lapose_core.training.batches import ClipBatch, batches
from lapose_core.training.checkpoint import model_config_of
from lapose_core.training.config import TASKS, TrainConfig
from lapose_core.training.engine import Engine
from lapose_core.training.head_alone import HeadAlone
from lapose_core.training.past import load_past, start_folders
from lapose_core.training.processes import start_fabric
from lapose_core.training.stage import VALIDATION_SEED, Share, Stage
from lapose_core.training.tasks import Task, choose_task

#: Clips that no training step sees, at least.
VALIDATION_CLIPS = 32
#: Parts that turn frames into latent actions, and these into what the pose head reads.
ENCODER = ("tokenizer.", "matching.", "inverse_dynamics.")


def train_pose(config: TrainConfig, output: Path, *, start_from: Sequence[Path] = ()) -> Path:
    """Train and write checkpoints into `output`; returns that folder.

    What `output` holds already is gone on from: a run that was cut off, exactly where its last checkpoint was; else
    its weights, under the config's schedule anew.

    Args:
        start_from: where `output` is new, folders of checkpoints to go on from; each later one replaces what its last
            task trained.
    """
    engine = pose_engine(config, output, start_from=start_from)
    engine.run()
    return output


def pose_engine(
    config: TrainConfig, output: Path, *, start_from: Sequence[Path] = (), fabric: Fabric | None = None
) -> Engine:
    """Everything that `train_pose` runs."""
    fabric = fabric or start_fabric(config)
    folders = start_folders(output, start_from)
    sizes = _sizes(config, folders)
    past = load_past(output, folders, sizes, fabric)
    config = past.seed(config)
    model = LAPose(sizes)
    for i, (weights, runs) in enumerate(past.loaded):
        _take(model, weights, runs[-1:], first=i == 0)
    pretrained = any(run.get("stage") == "pretrain" for run in past.history)
    frozen = config.encoder == "frozen" or (config.encoder == "auto" and pretrained)
    stage = PoseStage(model, config, frozen)
    return Engine(config, stage, output, fabric=fabric, history=past.history, state=past.state)


class PoseStage(Stage):
    """LAPose and the task that the config names."""

    model: LAPose

    def __init__(self, model: LAPose, config: TrainConfig, encoder_frozen: bool = False) -> None:
        super().__init__(model.to(memory_format=torch.channels_last), config)
        frozen = (*config.frozen, *(ENCODER if encoder_frozen else ()))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(TASKS[config.task]) and not name.startswith(frozen))
        self.task: Task = HeadAlone(model, config) if encoder_frozen else choose_task(model, config)

    @property
    def loss_weights(self) -> dict[str, float]:
        return self.config.loss_weights

    def compile_parts(self) -> None:
        self.task.compile_parts()

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        return self.task.losses(self._with_wrong_clock(batch))

    def figures(self, batch: ClipBatch) -> dict[str, Tensor]:
        return self.task.figures(batch)

    def _with_wrong_clock(self, batch: ClipBatch) -> ClipBatch:
        exponent_B1 = 2 * torch.rand_like(batch.intervals_BS[:, :1]) - 1
        return replace(batch, intervals_BS=batch.intervals_BS * self.config.wrong_clock**exponent_B1)

    def summarise(self, figures: list[dict[str, Tensor]], output: Path, step: int) -> dict[str, float]:
        """Medians."""
        columns = defaultdict(list)
        for batch in figures:
            for name, values in batch.items():
                columns[name].append(values.float())
        return {name: torch.cat(values).median().item() for name, values in columns.items()}

    def batches(self, share: Share, step: int) -> Iterator[ClipBatch]:
        config = self.config
        if step or share.rank:
            # Other clips than other processes draw, and than were drawn before.
            state = np.random.SeedSequence([config.seed, step, share.rank]).generate_state(1)
            config = replace(config, seed=int(state[0]))
        return batches(config, self.model.config, self.device, self.task.prepare)

    def held_out(self) -> list[ClipBatch]:
        workers = min(1, self.config.draw_workers)
        settings = replace(self.config, seed=VALIDATION_SEED, reuse=1, draw_workers=workers, labelled_clips=0)
        clips = batches(settings, self.model.config, self.device)
        return [next(clips) for _ in range(math.ceil(VALIDATION_CLIPS / self.config.clips))]


def _take(model: LAPose, weights: dict[str, Tensor], last_run: list[dict], first: bool) -> None:
    """Put weights into the model: the first folder's all, a later one's as far as its last task trained them."""
    stage = last_run[0].get("stage", "pose") if last_run else "pose"
    if stage == "pretrain":
        model.load_state_dict(
            {name: value for name, value in weights.items() if name.startswith(ENCODER)}, strict=False
        )
        return
    trained = ("",) if first or not last_run else TASKS[last_run[0]["config"]["task"]]
    taken = {name: value for name, value in weights.items() if name.startswith(trained)}
    model.load_state_dict(taken, strict=first)


def _sizes(config: TrainConfig, folders: Sequence[Path]) -> ModelConfig:
    """The preset's sizes; on top of another run, that run's: its bottleneck may be another one."""
    if not folders or not (folders[0] / "config.json").exists():
        return preset(config.preset)
    return model_config_of(folders[0], config.preset)
