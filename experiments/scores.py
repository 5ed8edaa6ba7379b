"""Scores of a model on rendered clips that no run has seen, at fixed frame rates."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from lapose_core.evaluation.baselines import StraightAhead
from lapose_core.evaluation.metrics import is_parked, score_clip, summarize
from lapose_core.geometry import make_pose
from lapose_core.model.lapose import LAPose
from lapose_core.training.clip_streams import drawn
from lapose_core.world.clips import sample_clips
from lapose_core.world.config import WorldConfig

RATES_HZ = (4.0, 2.0, 1.0)
SEED = 3_000_017
_BLOCK = 16


@torch.no_grad()
def rendered_scores(model: LAPose, device: torch.device, clips: int) -> dict[str, dict[str, dict[str, float]]]:
    """By frame rate: `model`, and `straight` ahead with the true step lengths."""
    model = model.to(device).eval()
    return {f"{rate:g}": _at(model, device, rate, clips) for rate in RATES_HZ}


def _at(model: LAPose, device: torch.device, rate: float, clips: int) -> dict[str, dict[str, float]]:
    world = WorldConfig(rate_hz=(rate, rate))
    size = model.config.image_height, model.config.image_width
    scores, straight, errors = [], [], []
    for number in range(-(-clips // _BLOCK)):
        sampled = sample_clips(np.random.default_rng([SEED, round(rate * 100), number]), _BLOCK, world)
        batch = drawn(sampled, size, device)
        actions_BSK, _ = model.infer_actions(batch.frames_BTCHW, batch.intervals_BS)
        motions = model.decode_motions(actions_BSK.float(), batch.intervals_BS)
        found_BS44 = make_pose(motions["translation_BS3"].cpu(), motions["quaternion_BS4"].cpu())
        for found_S44, truth_S44, intervals_S in zip(
            found_BS44, sampled.motions_BS44, sampled.intervals_BS, strict=True
        ):
            if is_parked(truth_S44):
                continue
            scores.append(score_clip(found_S44, truth_S44))
            ahead = StraightAhead().estimate([], intervals_S, truth_S44)
            straight.append(score_clip(ahead.motions_S44, truth_S44))
        errors.append(np.abs(np.rad2deg(motions["fov_x_BS"].mean(-1).cpu().numpy() - sampled.fov_x_B)))
    found = dataclasses.asdict(summarize(scores)) | {"median_fov_error_deg": float(np.median(np.concatenate(errors)))}
    return {"model": found, "straight": dataclasses.asdict(summarize(straight)), "clips": {"count": len(scores)}}
