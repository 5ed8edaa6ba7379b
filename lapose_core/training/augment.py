"""Photometric augmentation: what cameras, lenses and codecs do to a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(frames_BTCHW: Tensor) -> Tensor:
    """Random exposure, colour, gamma, blur, vignette and noise of uint8 clips; returns float32 in [0, 1].

    Drawn per clip, with a little flicker per frame, so that brightness alone never tells the motion.
    """
    batch, length = frames_BTCHW.shape[:2]
    device = frames_BTCHW.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, device=device) * (high - low) + low

    def chosen(share: float) -> Tensor:
        return torch.rand(batch, 1, 1, 1, 1, device=device) < share

    frames = frames_BTCHW.float() / 255.0
    red, green, blue = frames.split(1, dim=2)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    saturation = torch.where(chosen(0.4), 0.0, uniform(0.6, 1.3, batch, 1, 1, 1, 1))
    frames = grey + (frames - grey) * saturation
    frames = frames * uniform(0.7, 1.35, batch, 1, 1, 1, 1) * uniform(0.9, 1.1, batch, 1, 3, 1, 1)
    frames = (frames - 0.45) * uniform(0.7, 1.4, batch, 1, 1, 1, 1) + 0.45
    frames = frames * uniform(0.95, 1.05, batch, length, 1, 1, 1) + uniform(-0.08, 0.08, batch, 1, 1, 1, 1)
    frames = frames.clamp(1e-4, 1.0) ** uniform(0.7, 1.5, batch, 1, 1, 1, 1)
    blurred = F.avg_pool2d(frames.flatten(0, 1), 3, 1, 1, count_include_pad=False).view_as(frames)
    frames = torch.lerp(frames, blurred, chosen(0.5) * uniform(0.2, 1.0, batch, 1, 1, 1, 1))
    frames = frames * _vignette(frames, uniform(0.0, 0.5, batch, 1, 1, 1, 1) * chosen(0.3))
    frames = frames + torch.randn_like(frames) * uniform(0.0, 0.03, batch, 1, 1, 1, 1)
    return frames.clamp(0.0, 1.0)


def _vignette(frames_BTCHW: Tensor, strength_B1111: Tensor) -> Tensor:
    height, width = frames_BTCHW.shape[-2:]
    y = torch.linspace(-1, 1, height, device=frames_BTCHW.device)[:, None]
    x = torch.linspace(-1, 1, width, device=frames_BTCHW.device)[None, :]
    return 1.0 - strength_B1111 * (x * x + y * y) / 2
