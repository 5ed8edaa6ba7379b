"""Scores of a model on rendered clips that no run has seen, at fixed frame rates.

Of the pose head alone: what the matches correct afterwards would hide much of what the runs differ in.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import torch

from experiments.table import WORLD
from lapose_core.evaluation.baselines import StraightAhead
from lapose_core.evaluation.clips import score_clips
from lapose_core.evaluation.method import ClipEstimate, LaPose, SeenStep
from lapose_core.model.lapose import LAPose
from lapose_core.runtime.backends.backend import Backend
from lapose_core.runtime.backends.torch import TorchBackend
from lapose_core.training.clip_streams import drawn
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig

RATES_HZ = (4.0, 2.0, 1.0)
SEED = 3_000_017
_BLOCK = 16


class Unadjusted(LaPose):
    """The model, its motions not adjusted to the matches."""

    def __init__(self, backend: Backend, shared: LaPose | None = None) -> None:
        super().__init__(backend, None, shared)
        self.name = "head alone"

    def estimate(self, steps: list[SeenStep], intervals_S: np.ndarray, truth_S44: np.ndarray) -> ClipEstimate:
        bare = [replace(step, inferred=step.inferred._replace(matches_S2NC=None)) for step in steps]
        return super().estimate(bare, intervals_S, truth_S44)


def rendered_scores(model: LAPose, device: torch.device, clips: int) -> dict[str, dict[str, dict[str, float]]]:
    """By frame rate: `model`, and `straight` ahead with the true step lengths."""
    backend = TorchBackend(model)
    return {f"{rate:g}": _at(backend, device, rate, clips) for rate in RATES_HZ}


def _at(backend: TorchBackend, device: torch.device, rate: float, clips: int) -> dict[str, dict[str, float]]:
    world = WorldConfig(rate_hz=(rate, rate), **WORLD)
    size = backend.config.image_height, backend.config.image_width

    def draw(some: Clips) -> np.ndarray:
        return drawn(some, size, device).frames_BTCHW.cpu().numpy()

    blocks = (
        sample_clips(np.random.default_rng([SEED, round(rate * 100), number]), _BLOCK, world)
        for number in range(-(-clips // _BLOCK))
    )
    methods = [Unadjusted(backend), StraightAhead()]
    figures = score_clips(blocks, lambda _: methods, draw)
    model, straight = (dataclasses.asdict(row.summary) for row in figures.rows)
    model |= {"median_fov_error_deg": figures.rows[0].median_fov_error_deg}
    return {"model": model, "straight": straight, "clips": {"count": figures.clips}}
