"""Latent action pretraining on unlabelled clips (paper, "latent action pretraining").

The inverse dynamics model reads actions off clips, the forward dynamics model predicts from them and from the frames
so far the next frame's codes.

What finds the matches (compact) has a better teacher than the few numbers that pass the bottleneck: the exact flow of
the rendered world. So it is started from a run of `lapose train pose` with `task: matching`, and stays frozen with the
stem that it shares with the image tokens. Without `--from` its descriptors stay random, and only the stem learns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor

from lapose_core.errors import LaposeError
from lapose_core.model.config import FORWARD_PRESETS, ModelConfig, preset
from lapose_core.model.forward_dynamics import ForwardDynamics
from lapose_core.model.lapose import LAPose, load_weights
from lapose_core.model.vqvae import VQVAE
from lapose_core.training.augment import augment
from lapose_core.training.checkpoint import load_checkpoint, model_config_of
from lapose_core.training.clip_stage import ClipStage
from lapose_core.training.clip_streams import UnlabelledClips
from lapose_core.training.config import TASKS, PretrainConfig
from lapose_core.training.engine import Engine
from lapose_core.training.past import load_past, start_folders
from lapose_core.training.probe import probe
from lapose_core.training.processes import mixed_precision, start_fabric
from lapose_core.training.stage import Share
from lapose_core.training.tasks import compile_encoder
from lapose_core.training.vqvae import load_vqvae

#: Seed of the probe's clips.
PROBE_SEED = 2_000_003


class LatentActionModel(LAPose):
    """Inverse and forward dynamics: LAPose with the forward dynamics model in place of the pose head."""

    def __init__(self, config: ModelConfig, codes: int, places: int) -> None:
        super().__init__(config)
        del self.pose_head
        sizes = preset(config.preset, FORWARD_PRESETS)
        self.forward_dynamics = ForwardDynamics(sizes, codes, places, config.clip_length - 1, config.width)

    def forward(self, *_: Tensor) -> tuple[dict[str, Tensor], None]:
        raise NotImplementedError("no pose head: see `infer_actions` and `predict_codes`")

    def predict_codes(self, codes_BTN: Tensor, actions_BSK: Tensor, intervals_BS: Tensor) -> Tensor:
        """Logits (B, S, N, K) of the codes of frames 1 .. S, from those of the frames before and the actions."""
        widened_BSD = self.inverse_dynamics.widen(actions_BSK)
        return self.forward_dynamics(codes_BTN[:, :-1], widened_BSD, intervals_BS)


def train_pretrain(config: PretrainConfig, output: Path, vqvae: Path, *, start_from: Path | None = None) -> Path:
    """Train and write checkpoints into `output`, or go on from what it holds; returns it.

    Args:
        vqvae: folder that `lapose train vqvae` wrote.
        start_from: a run of `lapose train pose`, of which what finds the matches is taken.
    """
    pretrain_engine(config, output, vqvae, start_from=start_from).run()
    return output


def pretrain_engine(
    config: PretrainConfig, output: Path, vqvae: Path, *, start_from: Path | None = None, fabric: Fabric | None = None
) -> Engine:
    """Everything that `train_pretrain` runs."""
    fabric = fabric or start_fabric(config)
    folders = start_folders(output)
    frozen = config.matching == "frozen" or (config.matching == "auto" and start_from is not None)
    if frozen and start_from is None and not folders:
        raise LaposeError("matching: frozen needs matching that has learned: give the folder of such a run with --from")
    tokens = load_vqvae(vqvae)
    sizes = replace(preset(config.preset), action_width=config.action_width)
    if tokens.config.preset != config.preset:
        raise LaposeError(
            f"{vqvae} was trained as preset {tokens.config.preset!r}, the config says {config.preset!r}: "
            "train a VQ-VAE of the same preset"
        )
    past = load_past(output, folders, sizes, fabric)
    config = past.seed(config)
    model = LatentActionModel(sizes, tokens.config.codes, math.prod(tokens.config.grid))
    if past.loaded:
        load_weights(model, output, past.loaded[0][0])
    elif start_from is not None:
        take_matching(model, start_from)
    elif model.matching is not None and fabric.global_rank == 0:
        print("nothing has taught what finds the matches: start from a run of `task: matching` with --from", flush=True)
    stage = PretrainStage(model, config, tokens.to(fabric.device, memory_format=torch.channels_last), frozen)
    return Engine(config, stage, output, fabric=fabric, history=past.history, state=past.state)


class PretrainStage(ClipStage):
    """Cross entropy of the next frame's codes."""

    model: LatentActionModel
    config: PretrainConfig

    def __init__(self, model: LatentActionModel, config: PretrainConfig, tokens: VQVAE, frozen: bool = False) -> None:
        super().__init__(model, config)
        # Without `frozen` the stem learns; the descriptors never, since no gradient comes through a match.
        fixed = tuple(part for part in TASKS["matching"] if frozen or part != "tokenizer.stem")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not name.startswith(fixed))
        # In a tuple, so that the engine neither trains nor saves it.
        self._frozen = (tokens,)
        self._augment, self._losses_of = augment, _cross_entropy

    def compile_parts(self) -> None:
        """Every part as a whole, and what is large beside them."""
        compile_encoder(self.model)
        self.model.forward_dynamics.compile()
        self._frozen[0].encoder.compile()
        self._augment, self._losses_of = torch.compile(augment), torch.compile(_cross_entropy)

    def losses(self, batch: UnlabelledClips) -> dict[str, Tensor]:
        frames_BTCHW = self._augment(batch.frames_BTCHW) if self.config.augment else batch.frames_BTCHW
        actions_BSK, _ = self.model.infer_actions(frames_BTCHW, batch.intervals_BS)
        return {"forward": self._cross_entropy(batch, actions_BSK).mean()}

    def figures(self, batch: UnlabelledClips) -> dict[str, Tensor]:
        actions_BSK, _ = self.model.infer_actions(batch.frames_BTCHW, batch.intervals_BS)
        if batch.speed_BS is not None:
            numbers = {"yaw_rate": batch.yaw_rate_BS, "speed": batch.speed_BS}
            return {"actions": actions_BSK.flatten(0, 1)} | {name: value.flatten() for name, value in numbers.items()}
        codes_BTN = batch.codes_BTN
        return {
            "loss": self._cross_entropy(batch, actions_BSK), "copied": (codes_BTN[:, 1:] == codes_BTN[:, :-1]).float(),
            "loss_shuffled": self._cross_entropy(batch, actions_BSK.roll(1, 0)),
        }  # fmt: skip

    def summarise(self, figures: list[dict[str, Tensor]], output: Path, step: int) -> dict[str, float]:
        """Loss with the clips' own actions, with those of other clips, and the gap; then the linear probe.

        `copied` is the share of codes that stay as they are, of which any model is right for nothing.
        """
        looks = [look for look in figures if "loss" in look]
        mean = {name: torch.cat([look[name].flatten() for look in looks]).mean().item() for name in looks[0]}
        probes = [look for look in figures if "actions" in look]
        targets = {name: torch.cat([look[name] for look in probes]) for name in ("yaw_rate", "speed")}
        found = probe(torch.cat([look["actions"].float() for look in probes]), targets)
        return mean | {"gap": mean["loss_shuffled"] - mean["loss"]} | found

    def batches(self, share: Share, step: int) -> Iterator[UnlabelledClips]:
        return map(self._tokenized, super().batches(share, step))

    def held_out(self) -> list[UnlabelledClips]:
        """Clips of all rates for the losses, clips of one rate for the probe: there a turn is a yaw rate."""
        clips = self.held_out_clips(max(self.config.held_out_clips, 2))
        seen = [replace(self._tokenized(batch), yaw_rate_BS=None, speed_BS=None) for batch in clips]
        return seen + self.held_out_clips(self.config.probe_clips, PROBE_SEED, one_rate=True)

    def _cross_entropy(self, batch: UnlabelledClips, actions_BSK: Tensor) -> Tensor:
        logits_BSNK = self.model.predict_codes(batch.codes_BTN, actions_BSK, batch.intervals_BS)
        return self._losses_of(logits_BSNK, batch.codes_BTN[:, 1:])

    @torch.no_grad()
    def _tokenized(self, batch: UnlabelledClips) -> UnlabelledClips:
        """The clips with the frozen VQ-VAE's codes."""
        flat = batch.frames_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        with mixed_precision(self.config, self.device):
            codes_XN = self._frozen[0].encode(flat)
        return replace(batch, codes_BTN=codes_XN.unflatten(0, batch.frames_BTCHW.shape[:2]))


def _cross_entropy(logits_BSNK: Tensor, codes_BSN: Tensor) -> Tensor:
    return F.cross_entropy(logits_BSNK.flatten(0, 2).float(), codes_BSN.flatten(), reduction="none")


def take_matching(model: LAPose, folder: Path) -> None:
    """What finds the matches, from another run; raises LaposeError where it is of another preset."""
    weights, _ = load_checkpoint(folder, model_config_of(folder, model.config.preset))
    model.load_state_dict({n: v for n, v in weights.items() if n.startswith(TASKS["matching"])}, strict=False)
