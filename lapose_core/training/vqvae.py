"""Training of the VQ-VAE, whose frozen codes pretraining predicts (paper, "forward dynamics")."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from lapose_core.model.config import VQVAE_PRESETS, VQVAEConfig, preset
from lapose_core.model.lapose import load_weights
from lapose_core.model.vqvae import VQVAE, codebook_use, reconstruction_loss
from lapose_core.training.checkpoint import load_checkpoint
from lapose_core.training.clip_stage import ClipStage
from lapose_core.training.clip_streams import UnlabelledClips
from lapose_core.training.config import VQVAETrainConfig
from lapose_core.training.engine import Engine
from lapose_core.training.past import load_past, start_folders
from lapose_core.training.processes import start_fabric
from lapose_core.training.stage import VALIDATION_SEED

#: Share of the codebook that must be in use.
LEAST_USE = 0.5


def train_vqvae(config: VQVAETrainConfig, output: Path) -> Path:
    """Train and write checkpoints and contact sheets into `output`, or go on from what it holds; returns it."""
    vqvae_engine(config, output).run()
    return output


def vqvae_engine(config: VQVAETrainConfig, output: Path, fabric: Fabric | None = None) -> Engine:
    """Everything that `train_vqvae` runs."""
    fabric = fabric or start_fabric(config)
    sizes = preset(config.preset, VQVAE_PRESETS)
    past = load_past(output, start_folders(output), sizes, fabric)
    config = past.seed(config)
    model = VQVAE(sizes)
    for weights, _ in past.loaded:
        load_weights(model, output, weights)
    stage = VQVAEStage(model, config)
    return Engine(config, stage, output, fabric=fabric, history=past.history, state=past.state)


def load_vqvae(folder: Path) -> VQVAE:
    """A trained VQ-VAE, frozen and in evaluation mode; raises LaposeError where the folder holds none."""
    config = VQVAEConfig.load(folder / "config.json")
    model = VQVAE(config)
    weights, _ = load_checkpoint(folder, config)
    load_weights(model, folder, weights)
    return model.eval().requires_grad_(False)


class VQVAEStage(ClipStage):
    """Reconstruction and commitment; the codebook learns by itself, from running averages."""

    model: VQVAE
    config: VQVAETrainConfig

    def compile_parts(self) -> None:
        self.model.encoder.compile()
        self.model.decoder.compile()

    def losses(self, batch: UnlabelledClips) -> dict[str, Tensor]:
        frames_BCHW = _pictures(batch)
        found_BCHW, codes_BN, commitment = self.model(frames_BCHW)
        used = codebook_use(codes_BN, self.model.config.codes)["codebook_use"]
        # The commitment is weighted by the quantiser.
        return {"reconstruction": reconstruction_loss(found_BCHW, frames_BCHW), "commitment": commitment, "used": used}

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"used": 0.0}

    def figures(self, batch: UnlabelledClips) -> dict[str, Tensor]:
        frames_BCHW = _pictures(batch)
        found_BCHW, codes_BN, _ = self.model(frames_BCHW)
        squared_B = (found_BCHW.clamp(0, 1) - frames_BCHW).square().mean((1, 2, 3))
        shown = slice(None, None, batch.frames_BTCHW.shape[1])
        return {
            "codes": codes_BN, "psnr_db": -10 * squared_B.clamp(min=1e-6).log10(),
            "frames": frames_BCHW[shown][: self.config.show_frames],
            "found": found_BCHW[shown][: self.config.show_frames],
        }  # fmt: skip

    def summarise(self, figures: list[dict[str, Tensor]], output: Path, step: int) -> dict[str, float]:
        """Use of the codebook and PSNR over all held-out frames; writes the contact sheet."""
        use = codebook_use(torch.cat([look["codes"] for look in figures]), self.model.config.codes)
        summary = {name: value.item() for name, value in use.items()}
        if summary["codebook_use"] <= LEAST_USE:
            print(f"only {summary['codebook_use']:.0%} of the codebook in use", flush=True)
        rendered = figures[: len(figures) - len(self._real)] or figures
        summary["psnr_db"] = torch.cat([look["psnr_db"] for look in rendered]).mean().item()
        if self._real:
            summary["psnr_real_db"] = torch.cat([look["psnr_db"] for look in figures[-len(self._real) :]]).mean().item()
        shown = [figures[0], *(figures[-len(self._real) :] if self._real else [])]
        write_sheet(output / f"reconstructions-{step:06}.png", shown)
        return summary

    def held_out(self) -> list[UnlabelledClips]:
        """Rendered clips; and, to be looked at, some of each folder or shards."""
        rendered = self.held_out_clips(self.config.held_out_clips)
        self._real = self.mixture.sample(self.config.show_frames, VALIDATION_SEED, self.device)
        return [*rendered, *self._real]


def write_sheet(path: Path, looks: list[dict[str, Tensor]]) -> None:
    """A PNG with originals in one row and their reconstructions below, for each of `looks`."""
    columns = max(len(look["frames"]) for look in looks)
    rows = []
    for look in looks:
        for name in ("frames", "found"):
            pictures = (look[name].float().clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).cpu().numpy()
            blank = np.zeros((columns - len(pictures), *pictures.shape[1:]), np.uint8)
            rows.append(np.concatenate([*pictures, *blank], axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.concatenate(rows)[..., ::-1])[1].tobytes())


def _pictures(batch: UnlabelledClips) -> Tensor:
    flat = batch.frames_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return flat.float() / 255.0
