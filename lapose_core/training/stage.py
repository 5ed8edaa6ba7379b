"""What a kind of training adds to the engine: a model, batches, losses, and figures that tell how well it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lapose_core.training.config import RunConfig
from lapose_core.training.processes import mixed_precision

#: Seed of clips that no training step sees.
VALIDATION_SEED = 1_000_003


@dataclass(frozen=True)
class Share:
    """This process, of `world` processes: each works on a batch of its own, and they step together."""

    rank: int = 0
    world: int = 1


class Stage(nn.Module, ABC):
    """One kind of training. What is to be trained lies in `model`; nothing else may have parameters.

    Calls go through `forward`, so that data parallel wrappers see them.
    """

    def __init__(self, model: nn.Module, config: RunConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(self, batch: Any, look: bool = False) -> dict[str, Tensor]:
        """Losses of a training batch, or figures of a held-out one."""
        with mixed_precision(self.config, self.device):
            return self.figures(batch) if look else self.losses(batch)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def loss_weights(self) -> dict[str, float]:
        """By name; one where it is not given. Weight zero makes a loss a mere figure."""
        return {}

    @abstractmethod
    def compile_parts(self) -> None:
        """Compile what is worth it, in place."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Losses by name; their weighted sum is what falls."""

    @abstractmethod
    def figures(self, batch: Any) -> dict[str, Tensor]:
        """What `summarise` needs of a held-out batch; no gradients, evaluation mode."""

    @abstractmethod
    def summarise(self, figures: list[dict[str, Tensor]], output: Path, step: int) -> dict[str, float]:
        """Figures of all held-out batches put together."""

    @abstractmethod
    def batches(self, share: Share, step: int) -> Iterator[Any]:
        """Endless batches on the device, from the one of `step` on."""

    @abstractmethod
    def held_out(self) -> list[Any]:
        """Batches that no training step sees."""

    def data_report(self) -> dict[str, float]:
        """What there is to tell about the data, such as items that were skipped."""
        return {}
