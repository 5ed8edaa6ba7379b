"""VQ-VAE: codes are those that the codebook's library finds, and decode to the reconstruction."""

from __future__ import annotations

import torch

from lapose_core.model.config import VQVAE_PRESETS
from lapose_core.model.vqvae import VQVAE, codebook_use, reconstruction_loss


def test_encoding_finds_the_codes_of_the_reconstruction() -> None:
    torch.manual_seed(0)
    model = VQVAE(VQVAE_PRESETS["tiny"])
    frames = torch.randint(0, 256, (3, 3, 64, 128), dtype=torch.uint8)
    model.train()
    model(frames)
    model.eval()
    with torch.no_grad():
        reconstruction, codes, _ = model(frames)
        assert codes.shape == (3, 4 * 8)
        assert reconstruction.shape == frames.shape
        torch.testing.assert_close(model.encode(frames), codes)
        torch.testing.assert_close(model.decode(codes), reconstruction)


def test_a_few_steps_bring_the_picture_nearer_and_use_most_codes() -> None:
    torch.manual_seed(0)
    model = VQVAE(VQVAE_PRESETS["tiny"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    frames = torch.rand(8, 3, 4, 8).repeat_interleave(16, 2).repeat_interleave(16, 3)
    losses = []
    for _ in range(60):
        found, codes, commitment = model(frames)
        loss = reconstruction_loss(found, frames)
        optimizer.zero_grad()
        (loss + commitment).backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert codebook_use(codes, 64)["codebook_use"] > 0.5


def test_codebook_use_counts_codes() -> None:
    use = codebook_use(torch.tensor([0, 1, 1, 0]), 4)
    assert use["codebook_use"] == 0.5
    torch.testing.assert_close(use["perplexity"], torch.tensor(0.5))
