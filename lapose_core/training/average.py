"""Running average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """Running average of a model's parameters; early steps count more, so that a short run is not held back.

    Works on what this process holds of them, so sharded parameters are averaged in place. Buffers are not averaged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.parameters = list(model.parameters())
        self.averages = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, [parameter.detach() for parameter in self.parameters], 1 - keep)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has its averaged weights as long as this lasts."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        values: list[Tensor] = [parameter.detach() for parameter in self.parameters]
        kept = [value.clone() for value in values]
        torch._foreach_copy_(values, self.averages)
        torch._foreach_copy_(self.averages, kept)
