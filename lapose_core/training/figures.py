"""Errors on held-out clips that tell whether something was learned, beside those of not turning at all."""

from __future__ import annotations

import torch
from torch import Tensor

from lapose_core.model.losses import SMALLEST_SCALE, couple_scale
from lapose_core.model.matching import Matches
from lapose_core.training.batches import ClipBatch

#: Metres: a shorter step has no direction, a shorter mean step no scale.
MOVING_M = 0.1


def motion_figures(prediction: dict[str, Tensor], batch: ClipBatch) -> dict[str, Tensor]:
    """Errors of rotation and direction of each step (degrees), log of the scale and field of view of each clip.

    `still_deg` is the rotation itself: the error of a model that has not learned to turn. Roll, its smallest part, is
    told apart.
    """
    still_BS4 = torch.tensor([0.0, 0.0, 0.0, 1.0], device=batch.quaternion_BS4.device).expand_as(batch.quaternion_BS4)
    translation_BS3 = couple_scale(prediction["translation_BS3"], prediction["log_scale_B"].exp())
    moving = batch.translation_BS3.norm(dim=-1) > MOVING_M
    cosine = torch.cosine_similarity(translation_BS3, batch.translation_BS3, dim=-1)
    scale_B = batch.translation_BS3.norm(dim=-1).mean(-1)
    log_scale = (prediction["log_scale_B"] - scale_B.clamp(min=SMALLEST_SCALE).log()).abs()
    return {
        "rotation_deg": _turn_deg(prediction["quaternion_BS4"], batch.quaternion_BS4),
        "still_deg": _turn_deg(still_BS4, batch.quaternion_BS4),
        "roll_deg": _roll_deg(prediction["quaternion_BS4"] - batch.quaternion_BS4),
        "still_roll_deg": _roll_deg(batch.quaternion_BS4),
        "direction_deg": torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))[moving],
        "log_scale": log_scale[scale_B > MOVING_M],
        "fov_deg": torch.rad2deg((prediction["fov_x_BS"].mean(-1) - batch.fov_x_B).abs()),
    }


def _turn_deg(a_BS4: Tensor, b_BS4: Tensor) -> Tensor:
    """Angle between rotations with w >= 0; the arc cosine of their product would know small ones to 0.01 alone."""
    return torch.rad2deg(4 * torch.atan2((a_BS4 - b_BS4).norm(dim=-1), (a_BS4 + b_BS4).norm(dim=-1))).flatten()


def _roll_deg(quaternion_BS4: Tensor) -> Tensor:
    """Size of a small rotation about the optical axis."""
    return torch.rad2deg(2 * quaternion_BS4[..., 2].abs()).flatten()


def matching_figures(matches: Matches, batch: ClipBatch) -> dict[str, Tensor]:
    """Pixels between found and true positions of visible cells, with and without refinement; share that is right."""
    visible, truth = batch.visible_BSN.flatten(0, 1), batch.target_BSN2.flatten(0, 1)
    error = (matches.target_BN2.float() - truth).norm(dim=-1)[visible]
    coarse = (matches.coarse_target_BN2.float() - truth).norm(dim=-1)[visible]
    return {"match_px": error, "coarse_px": coarse, "within_4px": (error < 4).float().mean()[None]}
