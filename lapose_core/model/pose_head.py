"""Pose head: latent actions to metric motions (paper, "pose post-training")."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapose_core.model.config import ModelConfig
from lapose_core.model.layers import Block, IntervalEncoding, mlp

#: Typical sizes, so that the layers work with numbers near one: of a quaternion's vector part, of the field of view
#: (radians) around its middle.
ROTATION_UNIT, FOV_UNIT, FOV_MIDDLE = 0.03, 0.3, 1.2


class PoseHead(nn.Module):
    """A learned metric scale token and the actions go through a non-causal transformer.

    One MLP decodes each step's normalised translation, quaternion and field of view, another the scale
    (exponential, so positive), a third the variances; the third learns from detached features, so that doubt never
    bends the estimate.

    What a picture tells of pan, tilt and the direction of travel are pixels: they become angles by the field of view
    that the whole clip agrees on.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.head_width
        self.enter = nn.Linear(config.width, width)
        self.scale_token_D = nn.Parameter(torch.randn(width) * 0.02)
        # Counted back from the newest step: a window that still fills keeps its newest place.
        self.position_SD = nn.Parameter(torch.randn(config.clip_length - 1, width) * 0.02)
        self.interval = IntervalEncoding(width)
        self.blocks = nn.ModuleList(Block(width, max(1, width // 64)) for _ in range(config.head_depth))
        self.norm = nn.LayerNorm(width)
        self.step = mlp(width, width, 8)
        self.scale = mlp(width, width, 1)
        self.doubt = mlp(width, width, 6)
        for decoder in (self.step, self.scale, self.doubt):
            # First guess: the middle of everything.
            decoder[-1].weight.data *= 0.1

    def forward(self, widened_BSD: Tensor, intervals_BS: Tensor) -> dict[str, Tensor]:
        """Decode S = 1 .. clip_length - 1 steps.

        Returns, by name: translation_BS3 divided by max(scale, 1 m); quaternion_BS4 (x y z w, unit, w >= 0);
        fov_x_BS (radians); log_scale_B (of metres); log_variance_BS6 of the metric translation and rotation vector,
        in units of (max(scale, 1 m), 1 rad).
        """
        steps = widened_BSD.shape[1]
        positions_SD = self.position_SD[self.position_SD.shape[0] - steps :]
        actions_BSD = self.enter(widened_BSD) + positions_SD + self.interval(intervals_BS)
        scale_B1D = self.scale_token_D.expand(actions_BSD.shape[0], 1, -1).to(actions_BSD.dtype)
        tokens_BND = torch.cat([scale_B1D, actions_BSD], dim=1)
        for block in self.blocks:
            tokens_BND = block(tokens_BND)
        tokens_BND = self.norm(tokens_BND)
        step_BS8 = self.step(tokens_BND[:, 1:]).float()
        fov_x_BS = FOV_MIDDLE + FOV_UNIT * step_BS8[..., 7]
        across_B1 = (0.5 * fov_x_BS.mean(-1, keepdim=True).clamp(0.2, 2.6)).tan() / math.tan(0.5 * FOV_MIDDLE)
        unit_B13 = torch.stack([across_B1, across_B1, torch.ones_like(across_B1)], dim=-1)
        return {
            "translation_BS3": step_BS8[..., :3] * unit_B13,
            "quaternion_BS4": _quaternion(step_BS8[..., 3:6] * unit_B13, step_BS8[..., 6:7]),
            "fov_x_BS": fov_x_BS,
            "log_scale_B": self.scale(tokens_BND[:, 0]).float()[:, 0],
            "log_variance_BS6": self.doubt(tokens_BND[:, 1:].detach()).float().clamp(-8, 4) * 2 - 2,
        }


def _quaternion(vector_BS3: Tensor, real_BS1: Tensor) -> Tensor:
    """Unit quaternion (x y z w), w >= 0, near the identity for small numbers."""
    vector, real = vector_BS3 * ROTATION_UNIT, 1.0 + real_BS1 * ROTATION_UNIT
    quaternion = F.normalize(torch.cat([vector, real], dim=-1), dim=-1)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)
