"""Training targets and losses: scale decoupling, the paper's four L1 losses, doubt, and supervision of the matching."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lapose_core.model.config import ModelConfig
from lapose_core.model.matching import Matches
from lapose_core.model.tokenizer import COARSE_STRIDE

#: Errors that count alike: of the normalised translation's x, y (about 2 degrees of direction) and z. Unweighted, the
#: sides would count for nothing beside the way ahead.
TRANSLATION_UNITS = (0.03, 0.03, 0.12)

#: Likewise of quaternions (x, y, z, w): a tenth of a degree, less of roll, and all the more the more the clip turns
#: in a step: else a few clips that turn fast would drown the many in which small errors matter. Roll moves the picture
#: by a pixel where the way ahead moves it by tens: in larger units its gradient is lost in that of all else, and it
#: is not learned.
ROTATION_UNITS, ROTATION_GROWTH = (0.0008, 0.0008, 0.0003, 0.0008), 45.0

#: Metres: a parked clip has no scale, so its logarithm stops here.
SMALLEST_SCALE = 0.05

#: Degrees of freedom of the errors' distribution: a few outliers are expected.
DOUBT_FREEDOM = 5.0


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
    translation_units = translation_BS3.new_tensor(TRANSLATION_UNITS)
    rotation_error_BS4 = prediction["quaternion_BS4"] - target.quaternion_BS4
    return {
        "translation": ((prediction["translation_BS3"] - translation_BS3) / translation_units).abs().mean(),
        "rotation": (rotation_error_BS4 / _rotation_units(target)).abs().mean(),
        "fov": F.l1_loss(prediction["fov_x_BS"], target.fov_x_B[:, None].expand_as(prediction["fov_x_BS"])) * 2,
        "scale": F.l1_loss(prediction["log_scale_B"], scale_B.clamp(min=SMALLEST_SCALE).log()),
    }


def drift_loss(prediction: dict[str, Tensor], target: MotionTarget) -> Tensor:
    """L1 of the rotation errors summed along each clip, relative to what independent errors add up to.

    Errors of a clip's steps have causes in common, such as its field of view: they add up where independent ones
    average out.
    """
    error_BS3 = ((prediction["quaternion_BS4"] - target.quaternion_BS4) / _rotation_units(target))[..., :3]
    steps_S1 = torch.arange(1, error_BS3.shape[1] + 1, device=error_BS3.device)[:, None]
    return (error_BS3.cumsum(1) / steps_S1.sqrt()).abs().mean()


def doubt_loss(prediction: dict[str, Tensor], target: MotionTarget) -> Tensor:
    """Negative log likelihood of the (detached) errors under Student's t of the predicted variances.

    A Gaussian's gradient grows with the square of an outlier's error, a thousand times beyond all other losses'; here
    it is bounded.
    """
    reach_B11 = prediction["log_scale_B"].detach().exp().clamp(min=1.0)[:, None, None]
    translation_error = prediction["translation_BS3"].detach() - target.translation_BS3 / reach_B11
    # For small errors twice the difference of the vector parts is the rotation vector.
    rotation_error = 2 * (prediction["quaternion_BS4"].detach() - target.quaternion_BS4)[..., :3]
    error_BS6 = torch.cat([translation_error, rotation_error], dim=-1)
    log_variance_BS6 = prediction["log_variance_BS6"]
    surprise_BS6 = error_BS6**2 * torch.exp(-log_variance_BS6) / (DOUBT_FREEDOM - 2)
    return (0.5 * log_variance_BS6 + 0.5 * (DOUBT_FREEDOM + 1) * surprise_BS6.log1p()).mean()


def matching_losses(matches: Matches, target_BN2: Tensor, visible_BN: Tensor, config: ModelConfig) -> dict[str, Tensor]:
    """Cross entropy of coarse and fine matching against the exact flow, and the refined position's error in cells.

    Args:
        target_BN2: true pixel position (x, y) in the other frame of each query cell's centre.
        visible_BN: whether it can be seen there.
    """
    rows, columns = config.image_height // COARSE_STRIDE, config.image_width // COARSE_STRIDE
    cell = (target_BN2 / COARSE_STRIDE).floor().long()
    index_BN = cell[..., 1].clamp(0, rows - 1) * columns + cell[..., 0].clamp(0, columns - 1)
    coarse_BN = matches.coarse_sum_BN - matches.coarse_BNK.gather(-1, index_BN[..., None])[..., 0]

    # The refinement is taught only where its window holds the truth: a soft target on the nearest positions.
    distance_BNW = (matches.fine_target_BNW2 - target_BN2[:, :, None]).norm(dim=-1)
    within_BN = visible_BN & (distance_BNW.amin(-1) < 4.0)
    soft_BNW = torch.softmax(-((distance_BNW / 3.0) ** 2), dim=-1)
    fine_BN = -(soft_BNW * matches.fine_BNW.float().log_softmax(-1)).sum(-1)
    offset_BN = (matches.target_BN2.float() - target_BN2).abs().sum(-1) / 4.0
    return {
        "coarse": _masked_mean(coarse_BN, visible_BN),
        "fine": _masked_mean(fine_BN, within_BN),
        "offset": _masked_mean(offset_BN, within_BN),
    }


def _rotation_units(target: MotionTarget) -> Tensor:
    """(B, 1, 4): errors of quaternions that count alike."""
    turned_B11 = target.quaternion_BS4[..., :3].norm(dim=-1).mean(-1)[:, None, None]
    return turned_B11.new_tensor(ROTATION_UNITS) * (1 + ROTATION_GROWTH * turned_B11)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
