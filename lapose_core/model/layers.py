"""Building blocks that every part of the model shares."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Fused attention kernels pad to tiles: over two frames they would compute little but padding.
SHORT = 4


class Attention(nn.Module):
    """Multi-head self-attention over the second last axis; `causal` hides later positions."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens_BND: Tensor, asked: int | None = None) -> Tensor:
        """What each token takes from all of them; only for the first `asked` tokens, where given."""
        batch, count, width = tokens_BND.shape
        query, key, value = self._project(tokens_BND, asked)
        if count <= SHORT:
            mixed = self._attend_plainly(query, key, value)
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, asked or count, width))

    def _project(self, tokens_BND: Tensor, asked: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (B, heads, N, D / heads)."""
        batch, count, width = tokens_BND.shape
        if asked is None:
            qkv = self.qkv(tokens_BND).view(batch, count, 3, self.heads, width // self.heads)
            return qkv.permute(2, 0, 3, 1, 4).unbind(0)
        query = F.linear(tokens_BND[:, :asked], self.qkv.weight[:width], self.qkv.bias[:width])
        key_value = F.linear(tokens_BND, self.qkv.weight[width:], self.qkv.bias[width:])
        key, value = key_value.view(batch, count, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        return query.view(batch, asked, self.heads, width // self.heads).transpose(1, 2), key, value

    def _attend_plainly(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if self.causal:
            count = query.shape[-2]
            later = torch.ones(count, count, dtype=torch.bool, device=query.device).triu(1)
            logits = logits.masked_fill(later, -torch.inf)
        return logits.softmax(-1) @ value


class FeedForward(nn.Sequential):
    """The transformer's two-layer MLP, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = FeedForward(width)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        tokens_BND = tokens_BND + self.attention(self.attention_norm(tokens_BND))
        return tokens_BND + self.feed(self.feed_norm(tokens_BND))


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of the given widths with GELU between them.

    They start so that signals keep their size and biases are zero: by torch's default six layers in a row, as around
    the bottleneck, leave a hundredth of the signal beside their biases, and nothing is learned for a long time.
    """
    layers: list[nn.Module] = []
    for i, (inner, outer) in enumerate(itertools.pairwise(widths)):
        layers += [nn.GELU()] if i else []
        linear = nn.Linear(inner, outer)
        nn.init.normal_(linear.weight, std=math.sqrt((2.0 if i else 1.0) / inner))
        nn.init.zeros_(linear.bias)
        layers.append(linear)
    return nn.Sequential(*layers)


class IntervalEncoding(nn.Module):
    """Sinusoidal encoding of the time between frames (paper, "time encoding"), then a linear layer.

    The interval goes in as its logarithm: 1 and 0.5 s differ as much as 0.1 and 0.05 s.
    """

    FREQUENCIES = 16

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies_F", 2.0 ** torch.linspace(-1, 4, self.FREQUENCIES), persistent=False)
        self.project = nn.Linear(2 * self.FREQUENCIES, width)

    def forward(self, intervals_X: Tensor) -> Tensor:
        """Seconds of any shape X to X + (width,)."""
        phase = torch.log(intervals_X.clamp(min=1e-3))[..., None] * self.frequencies_F * (math.pi / 8)
        return self.project(torch.cat([phase.sin(), phase.cos()], dim=-1))
