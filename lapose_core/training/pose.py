"""Pose training on rendered drives (paper, "pose post-training"), with the matching's free supervision.

Latent actions have no pretraining yet: the inverse dynamics model learns together with the pose head.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig, preset
from lapose_core.model.lapose import LAPose
from lapose_core.model.losses import couple_scale, doubt_loss, matching_losses, pose_losses
from lapose_core.model.matching import Matches
from lapose_core.training.augment import augment
from lapose_core.training.batches import ClipBatch, batches
from lapose_core.training.checkpoint import AveragedWeights, load_checkpoint, save_checkpoint
from lapose_core.training.config import TASKS, TrainConfig
from lapose_core.training.simulated_matches import simulate_matches

#: Added to the seed for clips that no training step sees.
VALIDATION_SEED = 1_000_003
VALIDATION_CLIPS = 16


def train_pose(config: TrainConfig, output: Path, *, start_from: Sequence[Path] = ()) -> Path:
    """Train and write checkpoints into `output`; returns that folder.

    Args:
        start_from: folders of checkpoints to go on from (weights only); each later one replaces what its last task
            trained. Without any, `output` itself goes on if it holds one.
    """
    device = _device(config.device)
    torch.manual_seed(config.seed)
    random.seed(config.seed)
    sizes = preset(config.preset)
    model = LAPose(sizes).to(device, memory_format=torch.channels_last)
    history: list[dict] = []
    if not start_from and (output / "progress.json").exists():
        start_from = [output]
    for i, folder in enumerate(start_from):
        weights, progress = load_checkpoint(folder, sizes)
        trained = TASKS[progress["runs"][-1]["config"]["task"]] if i else ("",)
        model.load_state_dict(
            {name: value for name, value in weights.items() if name.startswith(trained)}, strict=not i
        )
        history += progress["runs"]
    # Not the clips of the earlier runs over again.
    config.seed += len(history)
    Trainer(config, sizes, model, device, output, history).run()
    return output


class Trainer:
    """One run: batch in, losses, step, and now and then a word about it."""

    def __init__(
        self, config: TrainConfig, sizes: ModelConfig, model: LAPose, device: torch.device, output: Path, history: list
    ) -> None:
        self.config, self.sizes, self.model, self.device = config, sizes, model, device
        self.output, self.history = output, history
        output.mkdir(parents=True, exist_ok=True)
        for name, parameter in model.named_parameters():
            trained = name.startswith(TASKS[config.task]) and not name.startswith(tuple(config.frozen))
            parameter.requires_grad_(trained)
        self.matching_learns = any(
            parameter.requires_grad and name.startswith(TASKS["matching"])
            for name, parameter in model.named_parameters()
        )
        self.optimizer = _optimizer(model, config)
        self.average = AveragedWeights(model, config.average_decay)
        self.averages: dict[str, float] = defaultdict(float)
        self.started = time.monotonic()
        self.step = 0
        self.log = (output / "log.jsonl").open("a")

    def run(self) -> None:
        held_out = self._held_out()
        fresh = batches(self.config, self.sizes, self.device, None if self.matching_learns else self._look)
        while self.progress < 1.0:
            self.train_step(next(fresh))
            if self.step % self.config.log_every == 0:
                self.report()
            if self.step % self.config.validate_every == 0:
                self.validate(held_out)
            if self.step % self.config.save_every == 0:
                self.save()
        self.validate(held_out)
        self.save()

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by minutes, whichever is further."""
        minutes = (time.monotonic() - self.started) / 60
        by_time = minutes / self.config.minutes if self.config.minutes else 0.0
        return max(self.step / self.config.steps, by_time)

    def train_step(self, batch: ClipBatch) -> None:
        rate = learning_rate(self.config, self.step, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self.losses(self._window(batch))
        weights = self.config.loss_weights
        total = sum(weights.get(name, 1.0) * value for name, value in losses.items())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        # One rotten batch must not poison the weights; on the GPU the check costs a wait, so it stays on the device.
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self.optimizer.step()
        self.average.update(self.model)
        self.step += 1
        for name, value in {**losses, "gradient": norm}.items():
            self.averages[name] = self.averages[name] + value.detach()

    def _window(self, batch: ClipBatch) -> ClipBatch:
        steps = batch.intervals_BS.shape[1]
        if self.config.task == "matching" or random.random() >= self.config.short_share:
            return batch
        length = random.randint(1, steps)
        begin = random.randint(0, steps - length)
        return batch.window(begin, begin + length)

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        self.model.train()
        if self.config.task == "motion":
            return _all_pose_losses(self._predict_from_flow(batch), batch)
        if batch.maps_BTCHW is not None:
            return _all_pose_losses(self._predict_from_sight(batch), batch)
        frames = augment(batch.frames_BTCHW)
        if self.config.task == "matching":
            with self._precision():
                matches = self._match(frames)
            return self._matching_losses(matches, batch)
        blind_B = torch.rand(frames.shape[0], device=self.device) < self.config.blind_share
        with self._precision():
            prediction, matches = self.model(frames, batch.intervals_BS, blind_B)
        return _all_pose_losses(prediction, batch) | self._matching_losses(matches, batch)

    def _descriptors(self, frames_BTCHW: Tensor) -> dict[str, Tensor]:
        flat = frames_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        maps = self.model.tokenizer.descriptors(flat)
        return {name: value.unflatten(0, frames_BTCHW.shape[:2]) for name, value in maps.items()}

    def _match(self, frames_BTCHW: Tensor) -> Matches:
        maps = self._descriptors(frames_BTCHW)
        previous = {name: value[:, :-1].flatten(0, 1) for name, value in maps.items()}
        current = {name: value[:, 1:].flatten(0, 1) for name, value in maps.items()}
        return self.model.matching(previous, current)

    def _matching_losses(self, matches: Matches, batch: ClipBatch) -> dict[str, Tensor]:
        target, visible = batch.target_BSN2.flatten(0, 1), batch.visible_BSN.flatten(0, 1)
        return matching_losses(matches, target, visible, self.sizes)

    def _predict_from_flow(self, batch: ClipBatch) -> dict[str, Tensor]:
        size = self.sizes.image_width, self.sizes.image_height
        forth = simulate_matches(batch.target_BSN2, batch.visible_BSN, *size)
        back = simulate_matches(batch.back_target_BSN2, batch.back_visible_BSN, *size)
        with self._precision():
            return self.model.forward_matched(forth, back, batch.intervals_BS, self._kept_tokens())

    @torch.no_grad()
    def _look(self, batch: ClipBatch) -> ClipBatch:
        """What the frozen parts make of the pictures, in their place: computed once for all uses of a clip."""
        if batch.frames_BTCHW is None:
            return batch
        with self._precision():
            seen = self._descriptors(augment(batch.frames_BTCHW))
            previous = {name: value[:, :-1].flatten(0, 1) for name, value in seen.items()}
            current = {name: value[:, 1:].flatten(0, 1) for name, value in seen.items()}
            found = []
            for matches in (self.model.matching(previous, current), self.model.matching(current, previous)):
                numbers = torch.cat([matches.target_BN2, self.model.matching.confidence(matches)], dim=-1)
                found.append(numbers.float().unflatten(0, batch.intervals_BS.shape))
        maps_BTCHW = seen["maps"].to(torch.bfloat16)
        return replace(batch, frames_BTCHW=None, maps_BTCHW=maps_BTCHW, forth_BSN5=found[0], back_BSN5=found[1])

    def _predict_from_sight(self, batch: ClipBatch) -> dict[str, Tensor]:
        forth, back = (value.split((2, 3), dim=-1) for value in (batch.forth_BSN5, batch.back_BSN5))
        kept = self._kept_tokens()
        blind_B = torch.rand(batch.intervals_BS.shape[0], device=self.device) < self.config.blind_share
        with self._precision():
            maps = batch.maps_BTCHW.flatten(0, 1).float().contiguous(memory_format=torch.channels_last)
            tokens_BTND = self.model.tokenizer.tokens(maps, kept).unflatten(0, batch.maps_BTCHW.shape[:2])
            tokens_BTND = tokens_BTND * (~blind_B)[:, None, None, None]
            return self.model.forward_matched(forth, back, batch.intervals_BS, kept, tokens_BTND)

    def _kept_tokens(self) -> Tensor | None:
        if not self.model.training or self.config.token_share == 1:
            return None
        tokens = math.prod(self.sizes.grid)
        return torch.randperm(tokens, device=self.device)[: max(1, round(tokens * self.config.token_share))]

    def _precision(self):
        if self.config.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def _held_out(self) -> list[ClipBatch]:
        settings = TrainConfig(
            **{
                **asdict(self.config),
                "seed": VALIDATION_SEED,
                "reuse": 1,
                "draw_workers": min(1, self.config.draw_workers),
            }
        )
        clips: Iterator[ClipBatch] = batches(settings, self.sizes, self.device)
        count = math.ceil(VALIDATION_CLIPS / self.config.clips)
        return [next(clips) for _ in range(count)]

    @torch.no_grad()
    def validate(self, held_out: list[ClipBatch]) -> None:
        """Figures on held-out clips with the averaged weights, next to those of going straight ahead."""
        kept = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.weights)
        self.model.eval()
        results = defaultdict(list)
        for batch in held_out:
            matches = prediction = None
            with self._precision():
                if self.config.task == "motion":
                    prediction = self._predict_from_flow(batch)
                elif self.config.task == "matching":
                    matches = self._match(batch.frames_BTCHW.float() / 255)
                else:
                    prediction, matches = self.model(batch.frames_BTCHW, batch.intervals_BS)
            for name, value in (_motion_figures(prediction, batch) if prediction else {}).items():
                results[name].append(value)
            for name, value in (_matching_figures(matches, batch) if matches else {}).items():
                results[name].append(value)
        self.model.load_state_dict(kept)
        figures = {name: torch.cat(values).float() for name, values in results.items()}
        self._say("held out", {name: value.median().item() for name, value in figures.items()})

    def report(self) -> None:
        count = self.config.log_every
        self._say("train", {name: (value / count).item() for name, value in self.averages.items()})
        self.averages.clear()

    def _say(self, kind: str, figures: dict[str, float]) -> None:
        seconds = time.monotonic() - self.started
        line = {"kind": kind, "step": self.step, "seconds": round(seconds, 1)}
        line |= {name: float(f"{value:.4g}") for name, value in figures.items()}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        numbers = "  ".join(f"{name} {value:.3g}" for name, value in figures.items())
        print(f"{kind:8} step {self.step:6}  {seconds / 60:6.1f} min  {numbers}", flush=True)

    def save(self) -> None:
        run = {
            "config": asdict(self.config), "steps": self.step, "device": _device_name(self.device),
            "minutes": round((time.monotonic() - self.started) / 60, 2),
        }  # fmt: skip
        save_checkpoint(self.output, self.average.weights, self.sizes, {"runs": [*self.history, run]})


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Linear warm-up, then a cosine over all legs down to a hundredth."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    done = (config.leg - 1 + min(1.0, progress)) / config.legs
    return config.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def _all_pose_losses(prediction: dict[str, Tensor], batch: ClipBatch) -> dict[str, Tensor]:
    # Small, for the sake of the common gradient clipping: the doubt learns in layers of its own.
    return pose_losses(prediction, batch.motions) | {"doubt": doubt_loss(prediction, batch.motions) * 0.01}


def _motion_figures(prediction: dict[str, Tensor], batch: ClipBatch) -> dict[str, Tensor]:
    """Errors of each step: rotation and direction in degrees, log of the scale; `still` is the rotation itself."""
    dot_BS = (prediction["quaternion_BS4"] * batch.quaternion_BS4).sum(-1).abs().clamp(max=1.0)
    translation_BS3 = couple_scale(prediction["translation_BS3"], prediction["log_scale_B"].exp())
    moving = batch.translation_BS3.norm(dim=-1) > 0.1
    cosine = torch.cosine_similarity(translation_BS3, batch.translation_BS3, dim=-1)
    scale_B = batch.translation_BS3.norm(dim=-1).mean(-1)
    log_scale = (prediction["log_scale_B"] - scale_B.clamp(min=0.05).log()).abs()
    return {
        "rotation_deg": torch.rad2deg(2 * torch.acos(dot_BS)).flatten(),
        "still_deg": torch.rad2deg(2 * torch.acos(batch.quaternion_BS4[..., 3].clamp(max=1.0))).flatten(),
        "direction_deg": torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))[moving],
        "log_scale": log_scale[scale_B > 0.1],
        "fov_deg": torch.rad2deg((prediction["fov_x_BS"].mean(-1) - batch.fov_x_B).abs()),
    }


def _matching_figures(matches: Matches, batch: ClipBatch) -> dict[str, Tensor]:
    """Pixels between found and true positions of visible cells, before and after refinement; and how many are right."""
    visible, truth = batch.visible_BSN.flatten(0, 1), batch.target_BSN2.flatten(0, 1)
    error = (matches.target_BN2.float() - truth).norm(dim=-1)[visible]
    coarse = (matches.coarse_target_BN2.float() - truth).norm(dim=-1)[visible]
    return {"match_px": error, "coarse_px": coarse, "within_4px": (error < 4).float().mean()[None]}


def _optimizer(model: LAPose, config: TrainConfig) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = next(model.parameters()).device.type == "cuda"
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=fused)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise LaposeError("no CUDA GPU here: set device: cpu in the training config, or leave it at auto")
    return torch.device(name)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
