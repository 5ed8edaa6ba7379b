"""VQ-VAE: pictures to a grid of codes and back (paper, "forward dynamics"; van den Oord et al., 2017).

The codebook is `vector-quantize-pytorch`'s: running averages of what falls on each code, codes that nothing falls on
moved to where pictures are, and cosine similarity in few dimensions (Yu et al., 2022, "ViT-VQGAN").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapose_core.model.config import VQVAEConfig
from lapose_core.model.tokenizer import ResidualBlock


class VQVAE(nn.Module):
    """Convolutions to stride 16, the nearest code of each place, convolutions back."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        from vector_quantize_pytorch import VectorQuantize

        self.config = config
        wide, middle, narrow = config.width, config.width // 2, config.width // 4
        self.encoder = nn.Sequential(
            nn.Conv2d(3, narrow, 4, 4), *_level(narrow, config.depth),
            nn.Conv2d(narrow, middle, 2, 2), *_level(middle, config.depth),
            nn.Conv2d(middle, wide, 2, 2), *_level(wide, config.depth),
        )  # fmt: skip
        self.quantize = VectorQuantize(
            dim=wide, codebook_dim=config.code_width, codebook_size=config.codes, use_cosine_sim=True, decay=0.95,
            threshold_ema_dead_code=2, commitment_weight=0.25, kmeans_init=True, kmeans_iters=10, rotation_trick=True,
        )  # fmt: skip
        self.decoder = nn.Sequential(
            *_level(wide, config.depth), nn.Conv2d(wide, 4 * middle, 1), nn.PixelShuffle(2),
            *_level(middle, config.depth), nn.Conv2d(middle, 4 * narrow, 1), nn.PixelShuffle(2),
            *_level(narrow, config.depth), nn.Conv2d(narrow, 3 * 16, 3, 1, 1), nn.PixelShuffle(4),
        )  # fmt: skip

    def forward(self, frames_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct frames (uint8, or float in [0, 1]; RGB).

        Returns the reconstruction (B, 3, H, W) around [0, 1], codes (B, N) and the commitment loss. In training mode
        the codebook learns from the batch.
        """
        features_BND = self._features(frames_BCHW)
        # The codebook counts and averages: eight bits are too few.
        with torch.autocast(features_BND.device.type, enabled=False):
            quantized_BND, codes_BN, commitment = self.quantize(features_BND.float())
        return self._decode(quantized_BND), codes_BN, commitment.sum()

    def encode(self, frames_BCHW: Tensor) -> Tensor:
        """Codes (B, N) in row order; the codebook stays as it is. Nothing larger than (B, N, codes) is made."""
        features_BNC = self.quantize.project_in(self._features(frames_BCHW))
        codebook_KC = self.quantize.codebook.to(features_BNC.dtype)
        # The nearest by angle; the features' own length changes nothing.
        return (features_BNC @ codebook_KC.T).argmax(-1)

    def decode(self, codes_BN: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) around [0, 1] of codes."""
        return self._decode(self.quantize.get_output_from_indices(codes_BN))

    def _features(self, frames_BCHW: Tensor) -> Tensor:
        if frames_BCHW.dtype == torch.uint8:
            frames_BCHW = frames_BCHW.float() / 255.0
        maps_BDHW = self.encoder((frames_BCHW - 0.45) / 0.225)
        return maps_BDHW.flatten(2).transpose(1, 2)

    def _decode(self, quantized_BND: Tensor) -> Tensor:
        rows, columns = self.config.grid
        maps_BDHW = quantized_BND.transpose(1, 2).unflatten(2, (rows, columns))
        return self.decoder(maps_BDHW).float() * 0.225 + 0.45


def reconstruction_loss(found_BCHW: Tensor, frames_BCHW: Tensor) -> Tensor:
    """Squared and absolute error together: the first moves at once, the second keeps edges sharp.

    With absolute errors alone, of the picture and its gradients, the decoder stayed at a flat grey for 400 steps.
    """
    error_BCHW = found_BCHW - frames_BCHW
    return 4.0 * error_BCHW.square().mean() + error_BCHW.abs().mean()


def codebook_use(codes_X: Tensor, codes: int) -> dict[str, Tensor]:
    """Share of the codebook that occurs, and its perplexity as a share of its size."""
    flat_X = codes_X.flatten()
    # Not `bincount`, which waits for the GPU.
    counts_K = torch.zeros(codes, device=flat_X.device).scatter_add_(
        0, flat_X, torch.ones_like(flat_X, dtype=torch.float)
    )
    share_K = counts_K / counts_K.sum()
    entropy = -torch.special.xlogy(share_K, share_K).sum()
    return {"codebook_use": (counts_K > 0).float().mean(), "perplexity": entropy.exp() / codes}


def _level(width: int, depth: int) -> list[nn.Module]:
    return [ResidualBlock(width, width) for _ in range(depth)]
