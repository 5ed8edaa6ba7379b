"""Post-training with a frozen encoder (paper, "pose post-training"): the pose head learns from latent actions."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lapose_core.training.batches import ClipBatch
from lapose_core.training.figures import motion_figures
from lapose_core.training.tasks import PictureTask


class HeadAlone(PictureTask):
    """The pose head, with its scale token; each clip is encoded once, for all its uses."""

    def prepare(self, batch: ClipBatch) -> ClipBatch:
        actions_BSK = self._encode(self._augment(batch.frames_BTCHW), batch.intervals_BS)
        return replace(batch, frames_BTCHW=None, target_BSN2=None, visible_BSN=None, actions_BSK=actions_BSK)

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        batch = batch.window(*self._steps(batch.intervals_BS.shape[1]))
        return self._pose_losses(self.model.predict(batch.actions_BSK, batch.intervals_BS), batch)

    def figures(self, batch: ClipBatch) -> dict[str, Tensor]:
        actions_BSK = self._encode(batch.frames_BTCHW, batch.intervals_BS)
        return motion_figures(self.model.predict(actions_BSK, batch.intervals_BS), batch)

    @torch.no_grad()
    def _encode(self, frames_BTCHW: Tensor, intervals_BS: Tensor) -> Tensor:
        with self._precision():
            return self.model.infer_actions(frames_BTCHW, intervals_BS)[0].float()
