"""Image tokenizer: a ViT that turns each frame into a grid of tokens (paper, "image tokenizer")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapose_core.model.config import ModelConfig
from lapose_core.model.layers import Block

#: Strides of the stem's two feature maps, in pixels.
FINE_STRIDE, COARSE_STRIDE = 4, 8


class GroupNorm(nn.GroupNorm):
    """Keeps the precision of its input, which autocast would raise and write out in full; the sums are exact anyway."""

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        if maps_BCHW.dtype == self.weight.dtype:
            return super().forward(maps_BCHW)
        with torch.autocast(maps_BCHW.device.type, enabled=False):
            weight, bias = self.weight.to(maps_BCHW.dtype), self.bias.to(maps_BCHW.dtype)
            return F.group_norm(maps_BCHW, self.num_groups, weight, bias, self.eps)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; normalised over groups, so a frame's tokens depend on it alone."""

    def __init__(self, inner: int, outer: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.first_norm = GroupNorm(8, outer)
        self.second = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.second_norm = GroupNorm(8, outer)
        self.shortcut = nn.Identity() if inner == outer and stride == 1 else nn.Conv2d(inner, outer, 1, stride)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(maps_BCHW)))
        return F.relu(self.shortcut(maps_BCHW) + self.second_norm(self.second(inner)))


class Stem(nn.Module):
    """Convolutions to stride 4, then to stride 8: fine enough to say where a thing is, not just what."""

    def __init__(self, width: int) -> None:
        super().__init__()
        fine = max(16, width // 20 * 8)
        self.fine_width = fine
        self.to_fine = nn.Sequential(
            nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, fine, 3, 2, 1), nn.ReLU(), ResidualBlock(fine, fine)
        )
        self.to_coarse = nn.Sequential(
            ResidualBlock(fine, width, 2), ResidualBlock(width, width), ResidualBlock(width, width)
        )

    def forward(self, frames_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.to_fine(frames_BCHW)
        return fine, self.to_coarse(fine)


class ImageTokenizer(nn.Module):
    """Frames to tokens, and to descriptors for matching where the preset has matching.

    Features by name, for B frames:
        tokens: (B, N, D), N the patches in row order.
        coarse: (B, M, H/8, W/8) unit descriptors for global matching.
        fine: (B, M/2, H/4, W/4) unit descriptors for its refinement.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        rows, columns = config.grid
        if config.stem_width:
            self.stem = Stem(config.stem_width)
            cut = config.patch // COARSE_STRIDE
            self.embed = nn.Conv2d(config.stem_width, config.width, cut, cut)
        else:
            self.stem = None
            self.embed = nn.Conv2d(3, config.width, config.patch, config.patch)
        if config.matching_width:
            assert self.stem is not None, "matching needs the stem's feature maps"
            self.coarse = nn.Conv2d(config.stem_width, config.matching_width, 1)
            self.fine = nn.Conv2d(self.stem.fine_width, config.matching_width // 2, 3, 1, 1)
            self.coarse_to_fine = nn.Conv2d(config.stem_width, config.matching_width // 2, 1)
        self.position_ND = nn.Parameter(torch.randn(rows * columns, config.width) * 0.02)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.tokenizer_depth))
        self.norm = nn.LayerNorm(config.width)
        if config.matching_width:
            # Image tokens start silent: what the matching knows must not drown in what is not learned yet.
            nn.init.constant_(self.norm.weight, 0.1)

    def forward(self, frames_BCHW: Tensor) -> dict[str, Tensor]:
        """Tokenize (B, 3, H, W) frames: uint8, or float in [0, 1]; RGB."""
        maps, features = self._normalise(frames_BCHW), {}
        if self.stem is not None:
            fine, maps = self.stem(maps)
            if self.config.matching_width:
                features = self._descriptors(fine, maps)
        return {"tokens": self.tokens(maps), **features}

    def tokens(self, maps_BCHW: Tensor, kept_tokens: Tensor | None = None) -> Tensor:
        """(B, N, D) tokens from the stem's maps (from normalised frames, where there is no stem).

        Only those of the indices `kept_tokens`, where given: cheaper in training.
        """
        tokens_BND = self.embed(maps_BCHW).flatten(2).transpose(1, 2) + self.position_ND
        if kept_tokens is not None:
            tokens_BND = tokens_BND[:, kept_tokens]
        for block in self.blocks:
            tokens_BND = block(tokens_BND)
        return self.norm(tokens_BND)

    def descriptors(self, frames_BCHW: Tensor) -> dict[str, Tensor]:
        """No tokens: only what matching needs, and the stem's `maps` (B, C, H/8, W/8) that tokens are made from."""
        fine, maps = self.stem(self._normalise(frames_BCHW))
        return self._descriptors(fine, maps) | {"maps": maps}

    def _normalise(self, frames_BCHW: Tensor) -> Tensor:
        if frames_BCHW.dtype == torch.uint8:
            frames_BCHW = frames_BCHW.to(self.position_ND.dtype) / 255.0
        return (frames_BCHW - 0.45) / 0.225

    def _descriptors(self, fine: Tensor, coarse: Tensor) -> dict[str, Tensor]:
        from_coarse = F.interpolate(self.coarse_to_fine(coarse), scale_factor=2.0, mode="bilinear", align_corners=False)
        return {
            "coarse": F.normalize(self.coarse(coarse), dim=1),
            "fine": F.normalize(self.fine(fine) + from_coarse, dim=1),
        }
