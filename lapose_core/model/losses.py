"""Training targets and losses: scale decoupling, the paper's four L1 losses, doubt, and supervision of the matching."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lapose_core.model.config import ModelConfig
from lapose_core.model.matching import Matches
from lapose_core.model.tokenizer import COARSE_STRIDE

#: How much targets vary on rendered drives (mean absolute deviation): the normalised translation's x, y, z and the
#: quaternion's x, y, z, w. Unweighted, pitch, roll and the sides would count for nothing beside yaw and the way ahead.
TRANSLATION_UNITS = (0.035, 0.035, 0.35)
ROTATION_UNITS = (0.0025, 0.015, 0.0025, 0.015)

#: Metres: a parked clip has no scale, so its logarithm stops here.
SMALLEST_SCALE = 0.05


@dataclass
class MotionTarget:
    """True motions of B clips of S steps: metric translation, quaternion (x y z w, w >= 0), field of view (radians)."""

    translation_BS3: Tensor
    quaternion_BS4: Tensor
    fov_x_B: Tensor


def decouple_scale(translation_BS3: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised translations t_i / max(s, 1) and the scale s = mean ||t_i|| in metres (paper, "scale decoupling")."""
    scale_B = translation_BS3.norm(dim=-1).mean(-1)
    return translation_BS3 / scale_B.clamp(min=1.0)[:, None, None], scale_B


def couple_scale(translation_BS3: Tensor, scale_B: Tensor) -> Tensor:
    """Metric translations from normalised ones: the inverse of `decouple_scale`."""
    return translation_BS3 * scale_B.clamp(min=1.0)[:, None, None]


def pose_losses(prediction: dict[str, Tensor], target: MotionTarget) -> dict[str, Tensor]:
    """The four L1 losses, each in units in which its targets vary by about one."""
    translation_BS3, scale_B = decouple_scale(target.translation_BS3)
    return {
        "translation": _l1_in_units(prediction["translation_BS3"], translation_BS3, TRANSLATION_UNITS),
        "rotation": _l1_in_units(prediction["quaternion_BS4"], target.quaternion_BS4, ROTATION_UNITS),
        "fov": F.l1_loss(prediction["fov_x_BS"], target.fov_x_B[:, None].expand_as(prediction["fov_x_BS"])) * 2,
        "scale": F.l1_loss(prediction["log_scale_B"], scale_B.clamp(min=SMALLEST_SCALE).log()),
    }


def doubt_loss(prediction: dict[str, Tensor], target: MotionTarget) -> Tensor:
    """Gaussian negative log likelihood of the (detached) errors under the predicted variances."""
    reach_B11 = prediction["log_scale_B"].detach().exp().clamp(min=1.0)[:, None, None]
    translation_error = prediction["translation_BS3"].detach() - target.translation_BS3 / reach_B11
    # For small errors twice the difference of the vector parts is the rotation vector.
    rotation_error = 2 * (prediction["quaternion_BS4"].detach() - target.quaternion_BS4)[..., :3]
    error_BS6 = torch.cat([translation_error, rotation_error], dim=-1)
    log_variance_BS6 = prediction["log_variance_BS6"]
    return 0.5 * (log_variance_BS6 + error_BS6**2 * torch.exp(-log_variance_BS6)).mean()


def matching_losses(matches: Matches, target_BN2: Tensor, visible_BN: Tensor, config: ModelConfig) -> dict[str, Tensor]:
    """Cross entropy of coarse and fine matching against the exact flow, and the refined position's error in cells.

    Args:
        target_BN2: true pixel position (x, y) in the other frame of each query cell's centre.
        visible_BN: whether it can be seen there.
    """
    rows, columns = config.image_height // COARSE_STRIDE, config.image_width // COARSE_STRIDE
    cell = (target_BN2 / COARSE_STRIDE).floor().long()
    index_BN = cell[..., 1].clamp(0, rows - 1) * columns + cell[..., 0].clamp(0, columns - 1)
    coarse_BN = F.cross_entropy(matches.coarse_BNK.flatten(0, 1).float(), index_BN.flatten(), reduction="none")

    # The refinement is taught only where its window holds the truth: a soft target on the nearest positions.
    distance_BNW = (matches.fine_target_BNW2 - target_BN2[:, :, None]).norm(dim=-1)
    within_BN = visible_BN & (distance_BNW.amin(-1) < 4.0)
    soft_BNW = torch.softmax(-((distance_BNW / 3.0) ** 2), dim=-1)
    fine_BN = -(soft_BNW * matches.fine_BNW.float().log_softmax(-1)).sum(-1)
    offset_BN = (matches.target_BN2.float() - target_BN2).abs().sum(-1) / 4.0
    return {
        "coarse": _masked_mean(coarse_BN.view_as(visible_BN), visible_BN),
        "fine": _masked_mean(fine_BN, within_BN),
        "offset": _masked_mean(offset_BN, within_BN),
    }


def _l1_in_units(prediction_XC: Tensor, target_XC: Tensor, units_C: tuple[float, ...]) -> Tensor:
    """Mean absolute error, each channel in its own unit."""
    error_C = (prediction_XC - target_XC).abs().flatten(0, -2).mean(0)
    return sum(error / unit for error, unit in zip(error_C.unbind(), units_C, strict=True)) / len(units_C)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
