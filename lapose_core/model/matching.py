"""Global matching of adjacent frames: where each cell of one frame lies in the other, and how sure that is.

Not in the paper: small data needs stronger structure than attention between tokens, into which a shift of a few pixels
enters at about 1 % of the features' size. Softmax correlation over all positions as in GMFlow (Xu et al., 2022), then a
local refinement; the displacement gets Fourier features of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapose_core.model.config import QUERY_STRIDE, ModelConfig
from lapose_core.model.layers import mlp
from lapose_core.model.tokenizer import COARSE_STRIDE, FINE_STRIDE

COARSE_RADIUS, FINE_RADIUS = 2, 3


@dataclass
class Matches:
    """Matches of the N query cells of one frame in another one, for B pairs.

    Attributes:
        target_BN2: pixel position (x, y) in the other frame; pixel centres at + 0.5.
        coarse_BNK: logits over all K positions at stride 8.
        coarse_sum_BN: logarithm of the sum of their exponentials.
        coarse_best_BN: the highest of them.
        coarse_target_BN2: position before refinement.
        fine_BNW, fine_target_BNW2: logits of the refinement's window and the positions they stand for.
    """

    target_BN2: Tensor
    coarse_BNK: Tensor
    coarse_sum_BN: Tensor
    coarse_best_BN: Tensor
    coarse_target_BN2: Tensor
    fine_BNW: Tensor
    fine_target_BNW2: Tensor


class GlobalMatching(nn.Module):
    """Softmax correlation of descriptors -> displacement and confidence -> one embedding for each token."""

    FREQUENCIES = 8

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.coarse_sharpness = nn.Parameter(torch.full((1,), math.log(20.0)))
        self.fine_sharpness = nn.Parameter(torch.full((1,), math.log(20.0)))
        self.register_buffer("frequencies_F", 2.0 ** torch.arange(1, self.FREQUENCIES + 1) * math.pi, persistent=False)
        cells = (config.patch // QUERY_STRIDE) ** 2
        numbers = 2 * (2 * self.FREQUENCIES + 2) + 3 + 2
        self.embed = mlp(cells * numbers, config.width, config.width)
        queries = (config.image_height // QUERY_STRIDE) * (config.image_width // QUERY_STRIDE)
        self.embed_field = mlp(2 * queries * 5, 256, config.width)
        self.register_buffer("queries_N2", cell_centres(config, QUERY_STRIDE), persistent=False)
        self.register_buffer("coarse_K2", cell_centres(config, COARSE_STRIDE), persistent=False)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        # Weights of before 0.2 have them without an axis, which cannot be sharded.
        for name in ("coarse_sharpness", "fine_sharpness"):
            if prefix + name in state_dict:
                state_dict[prefix + name] = state_dict[prefix + name].reshape(1)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def forward(self, previous: dict[str, Tensor], current: dict[str, Tensor]) -> Matches:
        """Find the cells of `previous` in `current` (features of the tokenizer), in full precision.

        With eight bits, logits lie so far apart that cells tie and their confidence comes in steps.
        """
        device = previous["coarse"].device.type
        if device in ("cpu", "cuda") and torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return self(*({name: value.float() for name, value in frame.items()} for frame in (previous, current)))
        # The centre of a 16-pixel cell is the corner of four cells at stride 8, so their mean is its descriptor.
        query_BNM = F.normalize(F.avg_pool2d(previous["coarse"], 2), dim=1).flatten(2).transpose(1, 2)
        coarse_BNK = (query_BNM * self.coarse_sharpness.exp()) @ current["coarse"].flatten(2)
        # The logits are large: they are gone through as few times as can be.
        coarse_sum_BN = coarse_BNK.logsumexp(-1)
        coarse_best_BN, best_BN = coarse_BNK.detach().max(-1)
        coarse_target_BN2 = self._around(best_BN, coarse_BNK)

        fine_query_BNM = self._fine_queries(previous["fine"])
        window_BNW, fine_target_BNW2 = self._window(coarse_target_BN2)
        fine_maps_BPM = current["fine"].flatten(2).transpose(1, 2)
        batch, queries, places = window_BNW.shape
        index = window_BNW.reshape(batch, -1, 1).expand(-1, -1, fine_maps_BPM.shape[-1])
        keys_BNWM = fine_maps_BPM.gather(1, index).view(batch, queries, places, -1)
        fine_BNW = (keys_BNWM * fine_query_BNM[:, :, None]).sum(-1) * self.fine_sharpness.exp()
        target_BN2 = (fine_BNW.softmax(-1)[..., None] * fine_target_BNW2).sum(2)
        return Matches(
            target_BN2, coarse_BNK, coarse_sum_BN, coarse_best_BN, coarse_target_BN2, fine_BNW, fine_target_BNW2
        )

    def embed_matches(self, target_BN2: Tensor, confidence_BN3: Tensor) -> Tensor:
        """(B, tokens, D) embedding of the displacements and confidences of each token's cells."""
        shift_BN2 = (target_BN2 - self.queries_N2) / self.config.image_width
        phase_BN2F = shift_BN2[..., None] * self.frequencies_F
        waves = torch.cat([phase_BN2F.sin(), phase_BN2F.cos()], dim=-1).flatten(2)
        # With its place beside it, one cell can already tell expansion and roll from a plain shift.
        place_BN2 = (self.queries_N2 / self.config.image_width * 2 - 1).expand_as(shift_BN2)
        numbers_BNC = torch.cat([waves, shift_BN2 * 4, torch.tanh(shift_BN2 * 24), confidence_BN3, place_BN2], dim=-1)
        rows, columns = self.config.grid
        side = self.config.patch // QUERY_STRIDE
        cells = numbers_BNC.view(-1, rows, side, columns, side, numbers_BNC.shape[-1])
        return self.embed(cells.permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2))

    def embed_fields(self, forth: tuple[Tensor, Tensor], back: tuple[Tensor, Tensor]) -> Tensor:
        """(B, D) embedding of a pair's whole fields of displacements (target, confidence), there and back.

        Rotation is nearly linear in them: what attention must find out, one matrix can read off.
        """
        numbers = []
        for target_BN2, confidence_BN3 in (forth, back):
            shift_BN2 = (target_BN2 - self.queries_N2) / self.config.image_width
            sure_BN1 = confidence_BN3[..., 1:2] * 2
            numbers += [torch.tanh(shift_BN2 * 24) * sure_BN1, shift_BN2 * 4 * sure_BN1, sure_BN1]
        return self.embed_field(torch.cat(numbers, dim=-1).flatten(1))

    @staticmethod
    def confidence(matches: Matches) -> Tensor:
        """(B, N, 3): coarse peak's probability, fine peak's probability, and the refinement's spread in cells."""
        fine_BNW = matches.fine_BNW.softmax(-1)
        spread_BN = (fine_BNW[..., None] * (matches.fine_target_BNW2 - matches.target_BN2[:, :, None]) ** 2).sum((2, 3))
        coarse_peak_BN = (matches.coarse_best_BN - matches.coarse_sum_BN).exp()
        return torch.stack([coarse_peak_BN, fine_BNW.amax(-1), (spread_BN + 1e-4).sqrt() / FINE_STRIDE], dim=-1)

    def _around(self, best_BN: Tensor, logits_BNK: Tensor) -> Tensor:
        """Mean position of the highest logit's neighbourhood."""
        rows, columns = self.config.image_height // COARSE_STRIDE, self.config.image_width // COARSE_STRIDE
        best_BN1 = best_BN[..., None]
        index = _neighbourhood(best_BN1 // columns, best_BN1 % columns, rows, columns, COARSE_RADIUS)
        weights = logits_BNK.gather(-1, index).softmax(-1)
        return (weights[..., None] * self.coarse_K2[index]).sum(2)

    def _fine_queries(self, fine_BMHW: Tensor) -> Tensor:
        """Fine descriptors at the queries: the mean of the four cells that meet there."""
        step, half = QUERY_STRIDE // FINE_STRIDE, QUERY_STRIDE // FINE_STRIDE // 2
        pooled = F.avg_pool2d(fine_BMHW[:, :, half - 1 :, half - 1 :], 2, step)
        return F.normalize(pooled, dim=1).flatten(2).transpose(1, 2)

    def _window(self, centre_BN2: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (B, N, W) into the fine map around pixel positions, and the positions (B, N, W, 2) they stand for."""
        rows, columns = self.config.image_height // FINE_STRIDE, self.config.image_width // FINE_STRIDE
        cell_BN2 = (centre_BN2.detach() / FINE_STRIDE).floor().long()
        index = _neighbourhood(cell_BN2[..., 1:], cell_BN2[..., :1], rows, columns, FINE_RADIUS)
        position = torch.stack([index % columns, index // columns], dim=-1)
        return index, (position.to(centre_BN2.dtype) + 0.5) * FINE_STRIDE


def cell_centres(config: ModelConfig, stride: int) -> Tensor:
    """(N, 2) pixel positions (x, y) of the centres of stride x stride cells, in row order."""
    ys = (torch.arange(config.image_height // stride) + 0.5) * stride
    xs = (torch.arange(config.image_width // stride) + 0.5) * stride
    grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
    return torch.stack([grid_x, grid_y], dim=-1).flatten(0, 1)


def _neighbourhood(row_BN1: Tensor, column_BN1: Tensor, rows: int, columns: int, radius: int) -> Tensor:
    """Flat indices of the (2 radius + 1)^2 cells around a cell, the window pushed inside the map."""
    offset = torch.arange(-radius, radius + 1, device=row_BN1.device)
    around_row = (row_BN1.clamp(radius, rows - 1 - radius) + offset)[..., :, None]
    around_column = (column_BN1.clamp(radius, columns - 1 - radius) + offset)[..., None, :]
    return (around_row * columns + around_column).flatten(-2)
