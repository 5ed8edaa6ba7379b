"""Forward dynamics model: past frames and latent actions to the next frame's codes (paper, "forward dynamics").

Only pretraining needs it; nothing of it runs on a vehicle.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapose_core.model.config import ForwardConfig
from lapose_core.model.layers import Block, IntervalEncoding
from lapose_core.model.st_transformer import STTransformer


class ForwardDynamics(nn.Module):
    """An ST transformer, then light transformer blocks in place of an MLP head, then logits over the codebook.

    Frame t enters as its codes, and with it action t, which leads to frame t + 1. The action is added to every place
    of its frame, before the ST transformer and again after it: what the pictures alone could tell is known by then,
    and the action says what they cannot.
    """

    def __init__(self, config: ForwardConfig, codes: int, places: int, steps: int, action_width: int) -> None:
        """Make a model.

        Args:
            codes: size of the codebook.
            places: codes in a frame.
            steps: most steps of a clip, one less than its frames.
            action_width: of a widened action.
        """
        super().__init__()
        width, light = config.width, config.light_width
        self.code_KD = nn.Embedding(codes, width)
        nn.init.normal_(self.code_KD.weight, std=0.5)
        self.place_ND = nn.Parameter(torch.randn(places, width) * 0.02)
        self.step_SD = nn.Parameter(torch.randn(steps, width) * 0.02)
        self.interval = IntervalEncoding(width)
        self.early_action = nn.Linear(action_width, width)
        self.transformer = STTransformer(width, config.heads, config.depth)
        self.narrow = nn.Linear(width, light)
        self.late_action = nn.Linear(action_width, light)
        self.blocks = nn.ModuleList(Block(light, max(1, light // 64)) for _ in range(config.light_blocks))
        self.norm = nn.LayerNorm(light)
        self.logits = nn.Linear(light, codes)
        with torch.no_grad():
            self.logits.weight.mul_(0.1)

    def forward(self, codes_BSN: Tensor, widened_BSD: Tensor, intervals_BS: Tensor) -> Tensor:
        """Logits (B, S, N, K) of the codes of frames 1 .. S from those of frames 0 .. S - 1 and S actions."""
        steps = codes_BSN.shape[1]
        around_BSD = self.step_SD[:steps] + self.interval(intervals_BS) + self.early_action(widened_BSD)
        tokens_BSND = self.code_KD(codes_BSN) + self.place_ND + around_BSD[:, :, None]
        seen_BSND = self.transformer(tokens_BSND)
        light_BSND = self.narrow(seen_BSND) + self.late_action(widened_BSD)[:, :, None]
        light_XND = light_BSND.flatten(0, 1)
        for block in self.blocks:
            light_XND = block(light_XND)
        return self.logits(self.norm(light_XND)).unflatten(0, codes_BSN.shape[:2])
