"""Causal spatio-temporal (ST) transformer (paper, "inverse dynamics model"; layout after Genie, Bruce et al., 2024)."""

from __future__ import annotations

from torch import Tensor, nn

from lapose_core.model.layers import Attention, FeedForward


class STBlock(nn.Module):
    """Attention among the tokens of a frame, then causal attention through time at each place, then an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.space_norm = nn.LayerNorm(width)
        self.space = Attention(width, heads)
        self.time_norm = nn.LayerNorm(width)
        self.time = Attention(width, heads, causal=True)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = FeedForward(width)

    def forward(self, tokens_BTND: Tensor, asked: int | None = None) -> Tensor:
        """All tokens, or only the first `asked` of each frame."""
        batch, frames, count, width = tokens_BTND.shape
        tokens_XND = tokens_BTND.reshape(batch * frames, count, width)
        tokens_XND = tokens_XND[:, :asked] + self.space(self.space_norm(tokens_XND), asked)
        count = asked or count
        tokens_YTD = tokens_XND.view(batch, frames, count, width).transpose(1, 2).reshape(-1, frames, width)
        tokens_YTD = tokens_YTD + self.time(self.time_norm(tokens_YTD))
        tokens_YTD = tokens_YTD + self.feed(self.feed_norm(tokens_YTD))
        return tokens_YTD.view(batch, count, frames, width).transpose(1, 2)


class STTransformer(nn.Module):
    """A stack of ST blocks over (B, T, N, D) tokens; frame t sees frames up to t."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(STBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens_BTND: Tensor, asked: int | None = None) -> Tensor:
        """All tokens, or only the first `asked` of each frame: then the last block leaves out what nobody looks at."""
        for block in self.blocks[:-1]:
            tokens_BTND = block(tokens_BTND)
        return self.norm(self.blocks[-1](tokens_BTND, asked))
