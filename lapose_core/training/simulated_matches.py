"""Matches as the network would find them, made from the exact flow: lets the motion part train without pictures.

Drawing and reading pictures costs far more than what follows them. Errors and confidences imitate what
`GlobalMatching.confidence` measures on drawn clips, so that training on pictures starts close to its end.
"""

from __future__ import annotations

import torch
from torch import Tensor


def simulate_matches(target_BSN2: Tensor, visible_BSN: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Noisy targets (B, S, N, 2) in pixels, and confidences (B, S, N, 3) as `GlobalMatching.confidence` gives them.

    Each clip has its own share of outliers (2 to 35 %) and its own precision (0.2 to 2 pixels); cells without a
    counterpart match anywhere near. A good match tends to look sure, an outlier unsure, neither always.
    """
    batch = target_BSN2.shape[0]
    device = target_BSN2.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, device=device) * (high - low) + low

    precision_B111 = torch.exp(uniform(-1.6, 0.7, batch, 1, 1, 1))
    share_B11 = uniform(0.02, 0.35, batch, 1, 1)
    outlier_BSN = ~visible_BSN | (torch.rand(visible_BSN.shape, device=device) < share_B11)
    # Hard cells are imprecise, hence the heavy tail.
    hardness = torch.rand(*visible_BSN.shape, 1, device=device)
    noise = torch.randn_like(target_BSN2) * precision_B111 * torch.exp(1.5 * (hardness - 0.5))
    anywhere = torch.stack([uniform(0, width, *visible_BSN.shape), uniform(0, height, *visible_BSN.shape)], dim=-1)
    nearby = target_BSN2 + torch.randn_like(target_BSN2) * 40.0
    astray = torch.where(torch.rand(*visible_BSN.shape, 1, device=device) < 0.3, anywhere, nearby)
    found = torch.where(outlier_BSN[..., None], astray, target_BSN2 + noise)
    found = torch.stack([found[..., 0].clamp(0, width), found[..., 1].clamp(0, height)], dim=-1)

    sure = torch.where(outlier_BSN, uniform(0.0, 0.5, *outlier_BSN.shape), uniform(0.1, 1.0, *outlier_BSN.shape))
    coarse_peak = (sure * uniform(0.7, 1.2, *sure.shape)).clamp(0.0, 1.0)
    fine_peak = 0.08 + 0.35 * sure * uniform(0.6, 1.2, *sure.shape)
    spread = 0.8 + 1.6 * (1 - sure) * uniform(0.6, 1.2, *sure.shape)
    return found, torch.stack([coarse_peak, fine_peak, spread], dim=-1)
