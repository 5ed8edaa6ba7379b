"""LA-Pose: image tokenizer, inverse dynamics model and pose head put together.

The forward dynamics model and the VQ-VAE, which only pretraining needs, lie beside the other parts
(`forward_dynamics.py`, `vqvae.py`) and do not belong to what runs on a vehicle.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig
from lapose_core.model.inverse_dynamics import InverseDynamics
from lapose_core.model.losses import couple_scale
from lapose_core.model.matching import GlobalMatching, Matches
from lapose_core.model.pose_head import PoseHead
from lapose_core.model.tokenizer import ImageTokenizer


class LAPose(nn.Module):
    """Frames to latent actions to metric motions."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = ImageTokenizer(config)
        self.matching = GlobalMatching(config) if config.matching_width else None
        self.inverse_dynamics = InverseDynamics(config)
        self.pose_head = PoseHead(config)

    def forward(
        self, frames_BTCHW: Tensor, intervals_BS: Tensor, blind_B: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Matches | None]:
        """The pose head's prediction for whole clips, and the matches of adjacent frames; see `infer_actions`."""
        actions_BSK, matches = self.infer_actions(frames_BTCHW, intervals_BS, blind_B)
        return self.predict(actions_BSK, intervals_BS), matches

    def infer_actions(
        self, frames_BTCHW: Tensor, intervals_BS: Tensor, blind_B: Tensor | None = None
    ) -> tuple[Tensor, Matches | None]:
        """Latent actions (B, S, K) of whole clips, and the matches of adjacent frames (pairs in order of B, S).

        Clips marked in `blind_B` hide their image tokens, so that motion must be read from the matches alone.
        """
        batch, length = frames_BTCHW.shape[:2]
        flat = self.tokenize(frames_BTCHW.flatten(0, 1))
        features = {name: value.unflatten(0, (batch, length)) for name, value in flat.items()}
        if blind_B is not None:
            features["tokens"] = features["tokens"] * (~blind_B)[:, None, None, None]
        if self.config.context_frames != 2:
            return self.inverse_dynamics(features["tokens"], intervals_BS), None
        forth, _, actions_XK = self._pair(*adjacent_frames(features), intervals_BS.flatten())
        return actions_XK.unflatten(0, (batch, length - 1)), forth

    def predict(self, actions_BSK: Tensor, intervals_BS: Tensor) -> dict[str, Tensor]:
        """The pose head's prediction, as it is trained (`PoseHead`)."""
        return self.pose_head(self.inverse_dynamics.widen(actions_BSK), intervals_BS)

    def forward_matched(
        self,
        forth_BSNC: tuple[Tensor, Tensor],
        back_BSNC: tuple[Tensor, Tensor],
        intervals_BS: Tensor,
        kept_tokens: Tensor | None = None,
        tokens_BTND: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The pose head's prediction from given matches: no images needed.

        Args:
            forth_BSNC, back_BSNC: target (B, S, N, 2) and confidence (B, S, N, 3) of each step's cells in the next
                frame, and of the next frame's cells in this one (`GlobalMatching`).
            kept_tokens: indices of the tokens to look at; all by default. Fewer are cheaper, and a good exercise.
            tokens_BTND: image tokens, those kept alone; hidden by default.
        """
        batch, steps = intervals_BS.shape
        embedded = [
            self.matching.embed_matches(target.flatten(0, 1), confidence.flatten(0, 1))
            for target, confidence in (forth_BSNC, back_BSNC)
        ]
        tokens_X2ND = torch.stack(embedded, dim=1)
        if kept_tokens is not None:
            tokens_X2ND = tokens_X2ND[:, :, kept_tokens]
        if tokens_BTND is not None:
            tokens_X2ND = tokens_X2ND + torch.stack([tokens_BTND[:, :-1], tokens_BTND[:, 1:]], dim=2).flatten(0, 1)
        hint_XD = self.matching.embed_fields(
            *(tuple(value.flatten(0, 1) for value in found) for found in (forth_BSNC, back_BSNC))
        )
        actions_XK = self.inverse_dynamics(tokens_X2ND, intervals_BS.reshape(-1, 1), hint_XD[:, None])[:, 0]
        actions_BSK = actions_XK.unflatten(0, (batch, steps))
        return self.predict(actions_BSK, intervals_BS)

    def tokenize(self, frames_BCHW: Tensor) -> dict[str, Tensor]:
        """Features of frames (uint8 or float in [0, 1], RGB), by name."""
        return self.tokenizer(frames_BCHW)

    def infer_action(
        self, previous: dict[str, Tensor], current: dict[str, Tensor], interval_s_B: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Latent actions (B, K) between pairs of frames, and what was matched; only where queries see two frames.

        Matches (B, 2, N, 5) are of the previous frame's cells in the current one, and of the current one's in the
        previous: target x, y (pixels of the input) and the three numbers of `GlobalMatching.confidence`.
        """
        return self._pair(previous, current, interval_s_B)[2:0:-1]

    def decode_motions(self, actions_BSK: Tensor, intervals_BS: Tensor) -> dict[str, Tensor]:
        """Metric motions: translation_BS3, quaternion_BS4 (x y z w), variance_BS6, fov_x_BS, scale_B (m, radians)."""
        head = self.predict(actions_BSK, intervals_BS)
        scale_B = head["log_scale_B"].exp()
        reach_B11 = scale_B.clamp(min=1.0)[:, None, None]
        variance_BS6 = head["log_variance_BS6"].exp()
        return {
            "translation_BS3": couple_scale(head["translation_BS3"], scale_B),
            "quaternion_BS4": head["quaternion_BS4"],
            "variance_BS6": torch.cat([variance_BS6[..., :3] * reach_B11**2, variance_BS6[..., 3:]], dim=-1),
            "fov_x_BS": head["fov_x_BS"],
            "scale_B": scale_B,
        }

    def _pair(
        self, previous: dict[str, Tensor], current: dict[str, Tensor], interval_s_B: Tensor
    ) -> tuple[Matches | None, Tensor | None, Tensor]:
        """Matches of the earlier frame in the later one, what was found there and back, and the latent actions."""
        tokens_B2ND = torch.stack([previous["tokens"], current["tokens"]], dim=1)
        forth = found_B2NC = hint_B1D = None
        if self.matching is not None:
            forth = self.matching(previous, current)
            # What finds the matches learns from its own supervision, and only one way: half the cost of a step.
            with torch.no_grad():
                back = self.matching(current, previous)
                found = [(matches.target_BN2, self.matching.confidence(matches)) for matches in (forth, back)]
            embedded = [self.matching.embed_matches(*matches) for matches in found]
            tokens_B2ND = tokens_B2ND + torch.stack(embedded, dim=1)
            hint_B1D = self.matching.embed_fields(*found)[:, None]
            found_B2NC = torch.stack([torch.cat(each, dim=-1) for each in found], dim=1)
        return forth, found_B2NC, self.inverse_dynamics(tokens_B2ND, interval_s_B[:, None], hint_B1D)[:, 0]

    @classmethod
    def load(cls, folder: Path) -> LAPose:
        """The model of a folder with `config.json` and `weights.safetensors`, in evaluation mode."""
        model = cls(ModelConfig.load(folder / "config.json"))
        load_weights(model, folder / "weights.safetensors")
        return model.eval()


def adjacent_frames(features: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Features (B, T, ...) of clips, as the earlier and the later frames (B * (T - 1), ...) of their steps."""
    earlier = {name: value[:, :-1].flatten(0, 1) for name, value in features.items()}
    later = {name: value[:, 1:].flatten(0, 1) for name, value in features.items()}
    return earlier, later


def load_weights(model: nn.Module, path: Path, weights: dict[str, Tensor] | None = None) -> None:
    """Put safetensors weights into a model; raises LaposeError where they are missing or belong to another preset.

    Args:
        path: the file; where `weights` are given, what they were read from.
    """
    try:
        model.load_state_dict(_read_weights(path) if weights is None else weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise LaposeError(f"{path} holds weights of another preset or version ({reason}): use its own config") from None


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise LaposeError(f"no weights at {path}: train first, or give the folder of a trained model") from None
    except SafetensorError as error:
        raise LaposeError(f"{path} is not a whole safetensors file ({error}): copy or train it again") from None
