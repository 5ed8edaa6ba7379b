"""What a training run is: one dataclass, one YAML file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lapose_core.errors import LaposeError

#: What each task trains: the beginnings of the parameters' names.
TASKS: dict[str, tuple[str, ...]] = {
    "matching": ("tokenizer.stem", "tokenizer.coarse", "tokenizer.fine", "matching.coarse", "matching.fine"),
    "motion": ("matching.embed", "inverse_dynamics.", "pose_head."),
    "all": ("",),
}


@dataclass
class TrainConfig:
    """One run of `lapose train pose`.

    Attributes:
        preset: model preset.
        task: `matching` trains stem and matching alone; `motion` trains inverse dynamics and pose head on the world's
            exact flow with simulated matching errors, without drawing a picture; `all` trains everything on pictures.
        steps: optimiser steps of this run.
        minutes: stop earlier, after so many minutes, with the learning rate's schedule fitted to them; 0 for no limit.
        leg, legs: this run is so many-th of so many that go on from each other under one learning rate schedule.
        clips, frames: clips in a batch and frames in a clip.
        learning_rate, warmup_steps, weight_decay, gradient_clip: AdamW with warm-up and cosine decay.
        average_decay: of the running average of the weights, which is what gets saved.
        precision: `bf16` or `fp32`.
        compile: compile the model and the augmentation with torch.compile: minutes at the start, then steps of half the
            time.
        device: `cuda`, `cpu`, or `auto`.
        draw_workers: processes (CPU) that draw ahead; a GPU draws in the training process.
        reuse: how often a clip that was drawn on the CPU is trained on, each time in another light.
        short_share: share of steps on a window of random length, as it is while it fills.
        blind_share: share of clips whose image tokens are hidden.
        token_share: share of the tokens that a step looks at, a new choice for each step; where no picture is drawn, or
            what finds the matches is frozen.
        frozen: names of parts that are not trained, such as `tokenizer.stem`.
        loss_weights: by name; see `lapose_core.model.losses`.
        world: fields of the world's config that differ from its defaults.
        seed: of world, augmentation and initial weights.
        log_every, save_every, validate_every: in steps.
    """

    preset: str = "compact"
    task: str = "all"
    steps: int = 10_000
    minutes: float = 0.0
    leg: int = 1
    legs: int = 1
    clips: int = 24
    frames: int = 16
    learning_rate: float = 6e-4
    warmup_steps: int = 200
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    average_decay: float = 0.998
    precision: str = "bf16"
    compile: bool = False
    device: str = "auto"
    draw_workers: int = 1
    reuse: int = 1
    short_share: float = 0.25
    blind_share: float = 0.25
    token_share: float = 1.0
    frozen: list[str] = field(default_factory=list)
    loss_weights: dict[str, float] = field(default_factory=dict)
    world: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    log_every: int = 20
    save_every: int = 500
    validate_every: int = 500

    @classmethod
    def load(cls, path: Path, **changes: Any) -> TrainConfig:
        """Read a YAML file, with some settings changed; raises LaposeError naming an unknown or ill-typed one."""
        try:
            values = yaml.safe_load(path.read_text()) or {}
        except FileNotFoundError:
            raise LaposeError(f"no training config at {path}: see config/train for those that ship") from None
        except yaml.YAMLError as error:
            raise LaposeError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        values |= {name: value for name, value in changes.items() if value is not None}
        known = {item.name: item for item in dataclasses.fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise LaposeError(f"{path}: no setting {name!r}; there are {', '.join(known)}")
            default = getattr(cls(), name)
            if isinstance(default, float) and isinstance(value, int):
                values[name] = float(value)
            elif not isinstance(value, type(default)):
                raise LaposeError(f"{path}: {name} must be a {type(default).__name__}, not {value!r}")
        config = cls(**values)
        if config.task not in TASKS:
            raise LaposeError(f"{path}: task must be one of {', '.join(TASKS)}, not {config.task!r}")
        if not 1 <= config.leg <= config.legs:
            raise LaposeError(f"{path}: leg must be from 1 to {config.legs}, the number of legs, not {config.leg}")
        return config
