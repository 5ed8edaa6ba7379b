"""Pose training on rendered drives (paper, "pose post-training"), with the matching's free supervision.

Latent actions have no pretraining yet: the inverse dynamics model learns together with the pose head.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from lapose_core.errors import LaposeError
from lapose_core.model.config import preset
from lapose_core.model.lapose import LAPose
from lapose_core.training.batches import ClipBatch, batches
from lapose_core.training.checkpoint import AveragedWeights, load_checkpoint, save_checkpoint
from lapose_core.training.config import TASKS, TrainConfig
from lapose_core.training.processes import Processes
from lapose_core.training.tasks import choose_task

#: Seed of clips that no training step sees, and how many there are at least.
VALIDATION_SEED = 1_000_003
VALIDATION_CLIPS = 32


def train_pose(config: TrainConfig, output: Path, *, start_from: Sequence[Path] = ()) -> Path:
    """Train and write checkpoints into `output`; returns that folder.

    What `output` holds already is gone on from: its weights, under the config's schedule anew.

    Args:
        start_from: where `output` is new, folders of checkpoints to go on from; each later one replaces what its last
            task trained.
    """
    processes = Processes()
    device = _device(config.device, processes.local_rank)
    if (output / "progress.json").exists():
        print(f"going on from {output}", flush=True)
        start_from = [output]
    model = LAPose(preset(config.preset))
    history: list[dict] = []
    for i, folder in enumerate(start_from):
        weights, progress = load_checkpoint(folder, model.config)
        trained = TASKS[progress["runs"][-1]["config"]["task"]] if i and progress["runs"] else ("",)
        taken = {name: value for name, value in weights.items() if name.startswith(trained)}
        model.load_state_dict(taken, strict=not i)
        history += progress["runs"]
    # Not the clips and the light of the earlier runs, or of another process, over again.
    config = replace(config, seed=config.seed + len(history) * 64 + processes.rank)
    torch.manual_seed(config.seed)
    random.seed(config.seed)
    Trainer(config, model.to(device, memory_format=torch.channels_last), device, output, history, processes).run()
    processes.close()
    return output


class Trainer:
    """One run: batch in, losses, step, and now and then a word about it."""

    def __init__(
        self, config: TrainConfig, model: LAPose, device: torch.device, output: Path, history: list[dict],
        processes: Processes | None = None,
    ) -> None:  # fmt: skip
        self.config, self.model, self.device = config, model, device
        self.processes = processes or Processes()
        self.processes.share(model)
        self.output, self.history = output, history
        output.mkdir(parents=True, exist_ok=True)
        for name, parameter in model.named_parameters():
            trained = name.startswith(TASKS[config.task]) and not name.startswith(tuple(config.frozen))
            parameter.requires_grad_(trained)
        self.task = choose_task(model, config)
        self.optimizer = _optimizer(model, config)
        self.average = AveragedWeights(model, config.average_decay)
        self.sums: dict[str, torch.Tensor | float] = defaultdict(float)
        self.started = time.monotonic()
        self.step = 0
        self.progress = 0.0
        self.log = (output / "log.jsonl").open("a")

    def run(self) -> None:
        held_out = self._held_out()
        fresh = batches(self.config, self.model.config, self.device, self.task.prepare)
        while self.progress < 1.0:
            self.train_step(next(fresh))
            self.progress = self.processes.agree(self._progress())
            if not self.processes.first:
                continue
            if self.step % self.config.log_every == 0:
                self._report()
            if self.step % self.config.validate_every == 0:
                self._validate(held_out)
            if self.step % self.config.save_every == 0:
                self.save()
        if self.processes.first:
            self._validate(held_out)
            self.save()

    def _progress(self) -> float:
        """Share of the run that is done, by steps or by minutes, whichever is further."""
        minutes = (time.monotonic() - self.started) / 60
        by_time = minutes / self.config.minutes if self.config.minutes else 0.0
        return max(self.step / self.config.steps, by_time)

    def train_step(self, batch: ClipBatch) -> None:
        """One optimiser step on a batch that went through the task's `prepare`."""
        rate = learning_rate(self.config, self.step, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        losses = self.task.losses(batch)
        total = sum(self.config.loss_weights.get(name, 1.0) * value for name, value in losses.items())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.processes.average_gradients(self.model)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        # One rotten batch must not poison the weights, and asking whether it is one would wait for the GPU.
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self.optimizer.step()
        self.average.update(self.model)
        self.step += 1
        for name, value in {**losses, "gradient": norm}.items():
            self.sums[name] = self.sums[name] + value.detach()

    def save(self) -> None:
        run = {
            "config": asdict(self.config), "steps": self.step, "device": _device_name(self.device),
            "processes": self.processes.count,
            "minutes": round((time.monotonic() - self.started) / 60, 2),
        }  # fmt: skip
        save_checkpoint(self.output, self.average.weights, self.model.config, {"runs": [*self.history, run]})

    def _held_out(self) -> list[ClipBatch]:
        workers = min(1, self.config.draw_workers)
        settings = replace(self.config, seed=VALIDATION_SEED, reuse=1, draw_workers=workers)
        clips = batches(settings, self.model.config, self.device)
        return [next(clips) for _ in range(math.ceil(VALIDATION_CLIPS / self.config.clips))]

    @torch.no_grad()
    def _validate(self, held_out: list[ClipBatch]) -> None:
        """Median figures of the averaged weights on held-out clips."""
        kept = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.weights)
        self.model.eval()
        figures = defaultdict(list)
        # A compiled part would be compiled once more to be run without gradients.
        with torch.compiler.set_stance("force_eager"):
            for batch in held_out:
                for name, values in self.task.figures(batch).items():
                    figures[name].append(values.float())
        self.model.load_state_dict(kept)
        self._say("held out", {name: torch.cat(values).median().item() for name, values in figures.items()})

    def _report(self) -> None:
        self._say("train", {name: float(value) / self.config.log_every for name, value in self.sums.items()})
        self.sums.clear()

    def _say(self, kind: str, figures: dict[str, float]) -> None:
        seconds = time.monotonic() - self.started
        line = {"kind": kind, "step": self.step, "seconds": round(seconds, 1)}
        line |= {name: float(f"{value:.4g}") for name, value in figures.items()}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        numbers = "  ".join(f"{name} {value:.3g}" for name, value in figures.items())
        print(f"{kind:8} step {self.step:6}  {seconds / 60:6.1f} min  {numbers}", flush=True)


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Linear warm-up, then a cosine over all legs down to a hundredth."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    done = (config.leg - 1 + min(1.0, progress)) / config.legs
    return config.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def _optimizer(model: LAPose, config: TrainConfig) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = next(model.parameters()).device.type == "cuda"
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=fused)


def _device(name: str, index: int = 0) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise LaposeError("no CUDA GPU here: set device: cpu in the training config, or leave it at auto")
    if name == "cuda":
        torch.cuda.set_device(index)
    return torch.device(name, index) if name == "cuda" else torch.device(name)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
