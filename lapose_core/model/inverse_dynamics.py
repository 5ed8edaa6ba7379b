"""Inverse dynamics model: frames' tokens to latent actions through a 50-D bottleneck (paper, "latent actions")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapose_core.model.config import ModelConfig
from lapose_core.model.layers import IntervalEncoding, mlp
from lapose_core.model.st_transformer import STTransformer


class InverseDynamics(nn.Module):
    """One learned query token a frame; the query of frame t+1 becomes the latent action a_t.

    `squeeze` and `widen` are the two 3-layer MLPs around the bottleneck: it keeps motion and drops appearance.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.query_D = nn.Parameter(torch.randn(width) * 0.02)
        self.frame_TD = nn.Parameter(torch.randn(config.context_frames, width) * 0.02)
        self.interval = IntervalEncoding(width)
        self.transformer = STTransformer(width, config.heads, config.inverse_depth)
        self.squeeze = mlp(width, width, width, config.action_width)
        self.widen = mlp(config.action_width, width, width, width)

    def forward(self, tokens_BTND: Tensor, intervals_BS: Tensor, hint_BSD: Tensor | None = None) -> Tensor:
        """Latent actions (B, T - 1, K) of B runs of T <= context_frames frames, S = T - 1 intervals in seconds.

        A hint, if there is one, is what the queries start from.
        """
        batch, frames, _, width = tokens_BTND.shape
        tokens_BTND = tokens_BTND + self.frame_TD[:frames, None]
        first_B1D = self.query_D.expand(batch, 1, width)
        later_BSD = self.query_D + self.interval(intervals_BS)
        if hint_BSD is not None:
            later_BSD = later_BSD + hint_BSD
        query_BT1D = torch.cat([first_B1D, later_BSD], dim=1)[:, :, None]
        seen_BT1D = self.transformer(torch.cat([query_BT1D.to(tokens_BTND.dtype), tokens_BTND], dim=2), asked=1)
        return self.squeeze(seen_BT1D[:, 1:, 0])
