"""What is learned from a batch: one class for each task, with its losses and the figures that tell how well it does.

task        what finds the matches   class              looks at
matching    learns, alone            Matching           pictures
motion      untouched                Motion             exact flow with simulated errors
all         learns                   Everything         pictures
all         frozen                   EverythingElse     what the frozen parts made of the pictures, once a clip
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from torch import Tensor

from lapose_core.model.lapose import LAPose, adjacent_frames
from lapose_core.model.losses import doubt_loss, drift_loss, matching_losses, pose_losses
from lapose_core.model.matching import Matches
from lapose_core.training.augment import augment
from lapose_core.training.batches import ClipBatch
from lapose_core.training.config import TASKS, TrainConfig
from lapose_core.training.figures import matching_figures, motion_figures
from lapose_core.training.processes import mixed_precision
from lapose_core.training.simulated_matches import simulate_matches


def choose_task(model: LAPose, config: TrainConfig) -> Task:
    """The config's task; call it once the config's frozen parts are."""
    if config.task == "matching":
        return Matching(model, config)
    if config.task == "motion":
        return Motion(model, config)
    finders = [value for name, value in model.named_parameters() if name.startswith(TASKS["matching"])]
    learns = any(parameter.requires_grad for parameter in finders)
    return Everything(model, config) if learns or not finders else EverythingElse(model, config)


def compile_encoder(model: LAPose) -> None:
    """Compile the parts that turn frames into latent actions, in place."""
    for part in (model.tokenizer, model.matching, model.inverse_dynamics):
        if part is not None:
            part.compile()


class Task(ABC):
    """Losses and figures of a batch."""

    def __init__(self, model: LAPose, config: TrainConfig) -> None:
        self.model, self.config = model, config

    def compile_parts(self) -> None:  # noqa: B027
        """Compile what is worth it, in place."""

    def prepare(self, batch: ClipBatch) -> ClipBatch:
        """Done to each clip once, for all its uses."""
        return batch

    @abstractmethod
    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Losses by name, of a batch that went through `prepare`."""

    @abstractmethod
    def figures(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Errors by name, of a batch that did not; the model is in evaluation mode."""

    def _precision(self) -> AbstractContextManager:
        """For what `prepare` does; losses and figures are asked for within it."""
        return mixed_precision(self.config, next(self.model.parameters()).device)

    def _pose_losses(self, prediction: dict[str, Tensor], batch: ClipBatch) -> dict[str, Tensor]:
        # Doubt is small, for the sake of the common gradient clipping: it learns in layers of its own.
        motions = batch.motions
        doubt = doubt_loss(prediction, motions) * 0.01
        return pose_losses(prediction, motions) | {"drift": drift_loss(prediction, motions), "doubt": doubt}

    def _matching_losses(self, matches: Matches, batch: ClipBatch) -> dict[str, Tensor]:
        target, visible = batch.target_BSN2.flatten(0, 1), batch.visible_BSN.flatten(0, 1)
        return matching_losses(matches, target, visible, self.model.config)

    def _descriptors(self, frames_BTCHW: Tensor) -> dict[str, Tensor]:
        flat = frames_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        seen = self.model.tokenizer.descriptors(flat)
        return {name: value.unflatten(0, frames_BTCHW.shape[:2]) for name, value in seen.items()}

    def _hidden(self, clips: int) -> Tensor:
        """Which clips hide their image tokens."""
        return torch.rand(clips, device=self.model.pose_head.scale_token_D.device) < self.config.blind_share

    def _steps(self, steps: int) -> tuple[int, int]:
        """Begin and end of the window to decode: now and then shorter, as the odometer's is while it fills."""
        if random.random() >= self.config.short_share:
            return 0, steps
        length = random.randint(1, steps)
        begin = random.randint(0, steps - length)
        return begin, begin + length

    def _kept_tokens(self) -> Tensor | None:
        """Indices of the tokens that this step looks at; None for all."""
        if not self.model.training or self.config.token_share == 1:
            return None
        tokens = math.prod(self.model.config.grid)
        order = torch.randperm(tokens, device=self.model.pose_head.scale_token_D.device)
        return order[: max(1, round(tokens * self.config.token_share))]


class Matching(Task):
    """Stem and matching alone."""

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        return self._matching_losses(self._match(augment(batch.frames_BTCHW)), batch)

    def figures(self, batch: ClipBatch) -> dict[str, Tensor]:
        return matching_figures(self._match(batch.frames_BTCHW.float() / 255), batch)

    def _match(self, frames_BTCHW: Tensor) -> Matches:
        return self.model.matching(*adjacent_frames(self._descriptors(frames_BTCHW)))


class Motion(Task):
    """Inverse dynamics and pose head, on exact flow with simulated matching errors."""

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        batch = batch.window(*self._steps(batch.intervals_BS.shape[1]))
        return self._pose_losses(self._predict(batch), batch)

    def figures(self, batch: ClipBatch) -> dict[str, Tensor]:
        return motion_figures(self._predict(batch), batch)

    def _predict(self, batch: ClipBatch) -> dict[str, Tensor]:
        size = self.model.config.image_width, self.model.config.image_height
        forth = simulate_matches(batch.target_BSN2, batch.visible_BSN, *size)
        back = simulate_matches(batch.back_target_BSN2, batch.back_visible_BSN, *size)
        return self.model.forward_matched(forth, back, batch.intervals_BS, self._kept_tokens())


class PictureTask(Task):
    """What infers latent actions from whole pictures."""

    def __init__(self, model: LAPose, config: TrainConfig) -> None:
        super().__init__(model, config)
        self._augment = augment

    def compile_parts(self) -> None:
        # Part by part: the pose head's windows differ in length, which the compiler does not cope with.
        compile_encoder(self.model)
        self._augment = torch.compile(augment)


class Everything(PictureTask):
    """The whole model on pictures."""

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        frames = self._augment(batch.frames_BTCHW)
        actions_BSK, matches = self.model.infer_actions(frames, batch.intervals_BS, self._hidden(len(frames)))
        begin, end = self._steps(actions_BSK.shape[1])
        window = batch.window(begin, end)
        prediction = self.model.predict(actions_BSK[:, begin:end], window.intervals_BS)
        found = {} if matches is None else self._matching_losses(matches, batch)
        return self._pose_losses(prediction, window) | found

    def figures(self, batch: ClipBatch) -> dict[str, Tensor]:
        prediction, matches = self.model(batch.frames_BTCHW, batch.intervals_BS)
        found = {} if matches is None else matching_figures(matches, batch)
        return motion_figures(prediction, batch) | found


class EverythingElse(Everything):
    """All but what finds the matches, which is frozen: it sees each clip once, for all its uses."""

    @torch.no_grad()
    def prepare(self, batch: ClipBatch) -> ClipBatch:
        with self._precision():
            seen = self._descriptors(augment(batch.frames_BTCHW))
            earlier, later = adjacent_frames(seen)
            found = []
            for matches in (self.model.matching(earlier, later), self.model.matching(later, earlier)):
                numbers = torch.cat([matches.target_BN2, self.model.matching.confidence(matches)], dim=-1)
                found.append(numbers.float().unflatten(0, batch.intervals_BS.shape))
        maps_BTCHW = seen["maps"].to(torch.bfloat16)
        return replace(batch, frames_BTCHW=None, maps_BTCHW=maps_BTCHW, forth_BSN5=found[0], back_BSN5=found[1])

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        batch = batch.window(*self._steps(batch.intervals_BS.shape[1]))
        forth, back = (value.split((2, 3), dim=-1) for value in (batch.forth_BSN5, batch.back_BSN5))
        kept = self._kept_tokens()
        maps = batch.maps_BTCHW.flatten(0, 1).float().contiguous(memory_format=torch.channels_last)
        tokens_BTND = self.model.tokenizer.tokens(maps, kept).unflatten(0, batch.maps_BTCHW.shape[:2])
        tokens_BTND = tokens_BTND * (~self._hidden(len(tokens_BTND)))[:, None, None, None]
        prediction = self.model.forward_matched(forth, back, batch.intervals_BS, kept, tokens_BTND)
        return self._pose_losses(prediction, batch)
