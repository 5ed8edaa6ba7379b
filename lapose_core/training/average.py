"""Averages of weights: along a run, and of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from lapose_core.errors import LaposeError
from lapose_core.training.checkpoint import load_checkpoint, model_config_of, save_checkpoint


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


def average_runs(folders: Sequence[Path], output: Path) -> None:
    """Write the mean weights of runs that went on from each other, or of exported models, as a checkpoint.

    Before and after a training, weights lie in one valley, and halfway between they hold up better on pictures unlike
    those that were trained on (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).

    Raises LaposeError for one folder alone, or folders of different sizes.
    """
    if len(folders) < 2:
        raise LaposeError("a mean needs two folders or more: name another run")
    config = model_config_of(folders[0])
    for folder in folders[1:]:
        if model_config_of(folder) != config:
            raise LaposeError(f"{folder} has other sizes than {folders[0]}: average runs of one model")
    loaded = [load_checkpoint(folder, config) for folder in folders]
    if any(weights.keys() != loaded[0][0].keys() for weights, _ in loaded):
        raise LaposeError(f"{folders[0]} and the others hold different parts: average runs of one stage")
    mean = {name: _mean([weights[name] for weights, _ in loaded]) for name in loaded[0][0]}
    save_checkpoint(output, mean, config, {"runs": [run for _, progress in loaded for run in progress["runs"]]})


def _mean(values: list[Tensor]) -> Tensor:
    # Models exported before one of their parameters had an axis hold a bare number.
    shape = max((value.shape for value in values), key=len)
    return torch.stack([value.float().reshape(shape) for value in values]).mean(0)
