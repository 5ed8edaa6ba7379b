"""What a training run is: one dataclass a stage, one YAML file a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml
from typing_extensions import Self

from lapose_core.errors import LaposeError

#: What each task trains: the beginnings of the parameters' names.
TASKS: dict[str, tuple[str, ...]] = {
    "matching": ("tokenizer.stem", "tokenizer.coarse", "tokenizer.fine", "matching.coarse", "matching.fine"),
    "motion": ("matching.embed", "inverse_dynamics.", "pose_head."),
    "all": ("",),
}


@dataclass
class RunConfig:
    """What every training run has; each stage adds its own.

    Attributes:
        preset: model preset.
        steps: optimiser steps of this run.
        minutes: stop earlier, after so many minutes, with the learning rate's schedule fitted to them; 0 for no limit.
        leg, legs: this run is so many-th of so many that go on from each other under one learning rate schedule.
        clips: clips in a batch, of each process.
        learning_rate, warmup_steps, weight_decay, gradient_clip: AdamW with warm-up and cosine decay.
        average_decay: of the running average of the weights, which is what gets used.
        precision: `bf16` or `fp32`.
        compile: compile the model and the augmentation (on a GPU): minutes at the start, then steps of half the time.
        device: `cuda`, `cpu`, or `auto`.
        devices: processes on each machine; 0 for one a GPU. torchrun and SLURM decide for themselves.
        nodes: machines.
        strategy: `ddp`, or `fsdp` for models that do not fit one GPU.
        draw_workers: processes (CPU) that draw ahead; a GPU draws in the training process.
        world: fields of the world's config that differ from its defaults.
        seed: of world, augmentation and initial weights.
        log_every, save_every, validate_every: in steps.
    """

    STAGE: ClassVar[str] = ""

    preset: str = "compact"
    steps: int = 10_000
    minutes: float = 0.0
    leg: int = 1
    legs: int = 1
    clips: int = 24
    learning_rate: float = 6e-4
    warmup_steps: int = 200
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    average_decay: float = 0.998
    precision: str = "bf16"
    compile: bool = False
    device: str = "auto"
    devices: int = 0
    nodes: int = 1
    strategy: str = "ddp"
    draw_workers: int = 1
    world: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    log_every: int = 20
    save_every: int = 500
    validate_every: int = 500

    @classmethod
    def load(cls, path: Path, **changes: Any) -> Self:
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
        config.check(path)
        return config

    def check(self, path: Path) -> None:
        """Raise LaposeError where settings do not fit each other."""
        for name, choices in self.choices().items():
            if getattr(self, name) not in choices:
                raise LaposeError(f"{path}: {name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        if not 1 <= self.leg <= self.legs:
            raise LaposeError(f"{path}: leg must be from 1 to {self.legs}, the number of legs, not {self.leg}")

    def choices(self) -> dict[str, Iterable[str]]:
        """Settings that are words, and the words they may be."""
        return {"precision": ("bf16", "fp32"), "device": ("auto", "cuda", "cpu"), "strategy": ("ddp", "fsdp")}


@dataclass
class TrainConfig(RunConfig):
    """One run of `lapose train pose`.

    Attributes:
        task: `matching` trains stem and matching alone; `motion` trains inverse dynamics and pose head on the world's
            exact flow with simulated matching errors, without drawing a picture; `all` trains everything on pictures.
        encoder: `frozen` trains the pose head alone, on latent actions; `trained` trains what `task` and `frozen` say;
            `auto` freezes it on top of a pretrained model.
        labelled_clips, label_seed: how many different clips there are to learn from, drawn by that seed; 0 for no end.
        frames: frames in a clip.
        reuse: how often a clip that was drawn on the CPU is trained on, each time in another light.
        short_share: share of steps on a window of random length, as it is while it fills.
        blind_share: share of clips whose image tokens are hidden.
        wrong_clock: clips are told intervals that are too long or too short by up to this factor, drawn log-uniformly
            for each clip, so that speeds that are usual tell nothing of scale and field of view.
        token_share: share of the tokens that a step looks at, a new choice for each step; where no picture is drawn, or
            what finds the matches is frozen.
        frozen: names of parts that are not trained, such as `tokenizer.stem`.
        loss_weights: by name; see `lapose_core.model.losses`.
    """

    STAGE: ClassVar[str] = "pose"

    task: str = "all"
    encoder: str = "auto"
    labelled_clips: int = 0
    label_seed: int = 0
    frames: int = 16
    reuse: int = 1
    short_share: float = 0.25
    blind_share: float = 0.25
    wrong_clock: float = 1.0
    token_share: float = 1.0
    frozen: list[str] = field(default_factory=list)
    loss_weights: dict[str, float] = field(default_factory=dict)

    def check(self, path: Path) -> None:
        super().check(path)
        if not self.wrong_clock >= 1:
            raise LaposeError(f"{path}: wrong_clock must be 1 (the true intervals) or more, not {self.wrong_clock}")

    def choices(self) -> dict[str, Iterable[str]]:
        return super().choices() | {"task": TASKS, "encoder": ("auto", "frozen", "trained")}


@dataclass
class ClipConfig(RunConfig):
    """A run on unlabelled clips.

    Attributes:
        sources: where clips come from, each a mapping with `kind` (`rendered`, `folder` or `shards`), `path` (a folder
            of drives; a folder or URL of shards), `weight` (its share of the clips; 1 by default) and, for a folder
            whose videos do not tell it, `fps`.
        rate_hz: slowest and fastest frame rate of a clip, drawn log-uniformly (paper: 1 to 4).
        frames: frames in a clip.
        draw_clips: clips that are rendered at once; with the seed it decides what they are.
        read_workers: processes for each folder or shards that read and decode.
        held_out_clips: rendered clips for validation.
    """

    sources: list[dict[str, Any]] = field(default_factory=lambda: [{"kind": "rendered"}])
    rate_hz: list[float] = field(default_factory=lambda: [1.0, 4.0])
    frames: int = 16
    draw_clips: int = 8
    read_workers: int = 2
    held_out_clips: int = 64

    def check(self, path: Path) -> None:
        super().check(path)
        for source in self.sources:
            kind = source.get("kind") if isinstance(source, dict) else None
            known = {"rendered": {"kind", "weight"}, "folder": {"kind", "weight", "path", "fps"}}
            known["shards"] = known["rendered"] | {"path"}
            if kind not in known:
                raise LaposeError(f"{path}: a source's kind must be one of {', '.join(known)}, not {kind!r}")
            if unknown := set(source) - known[kind]:
                raise LaposeError(f"{path}: a source of kind {kind} has no {', '.join(sorted(unknown))}")
            if kind != "rendered" and not source.get("path"):
                raise LaposeError(f"{path}: a source of kind {kind} needs a path")
        if len(self.rate_hz) != 2:
            raise LaposeError(f"{path}: rate_hz must be two numbers, the slowest and the fastest rate")
        if self.frames < 2:
            raise LaposeError(f"{path}: frames must be 2 or more, not {self.frames}")


@dataclass
class VQVAETrainConfig(ClipConfig):
    """One run of `lapose train vqvae`.

    Attributes:
        show_frames: rendered frames in the contact sheet, and as many real ones where there are any.
    """

    STAGE: ClassVar[str] = "vqvae"

    frames: int = 4
    show_frames: int = 6


@dataclass
class PretrainConfig(ClipConfig):
    """One run of `lapose train pretrain`.

    Attributes:
        action_width: numbers in a latent action, the bottleneck (paper: 50, and 1536 for none).
        matching: what finds the matches, in presets that have it: `frozen`, as rendered supervision left it (`--from`);
            `random`, with the stem learning from its tokens alone; `auto` is frozen where there is a `--from`.
        augment: the inverse dynamics model sees clips in another light than the one whose codes are predicted.
        probe_clips: rendered clips for the linear probe, half of them to fit it.
    """

    STAGE: ClassVar[str] = "pretrain"

    action_width: int = 50
    matching: str = "auto"
    augment: bool = True
    probe_clips: int = 128

    def choices(self) -> dict[str, Iterable[str]]:
        return super().choices() | {"matching": ("auto", "frozen", "random")}
