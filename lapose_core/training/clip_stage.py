"""What the stages that train on unlabelled clips share."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from lapose_core.model.lapose import LAPose
from lapose_core.model.vqvae import VQVAE
from lapose_core.training.clip_streams import UnlabelledClips, held_out_clips
from lapose_core.training.config import ClipConfig
from lapose_core.training.sources import open_mixture
from lapose_core.training.stage import VALIDATION_SEED, Share, Stage


class ClipStage(Stage):
    """Clips of the config's sources, in the model's size."""

    config: ClipConfig

    def __init__(self, model: LAPose | VQVAE, config: ClipConfig) -> None:
        super().__init__(model.to(memory_format=torch.channels_last), config)
        self.mixture = open_mixture(config, model.config)

    def batches(self, share: Share, step: int) -> Iterator[UnlabelledClips]:
        return self.mixture.batches(share, step, self.device)

    def held_out_clips(self, count: int, seed: int = VALIDATION_SEED, one_rate: bool = False) -> list[UnlabelledClips]:
        """Rendered clips; see `clip_streams.held_out_clips`."""
        return held_out_clips(self.config, self.mixture.size, self.device, count, seed, one_rate)

    def data_report(self) -> dict[str, float]:
        return {"left_out": float(self.mixture.left_out)} if self.mixture.readers else {}
