"""Weights of a run in progress: safetensors in pieces of a size that travels, and what they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig

PIECE_BYTES = 15 * 2**20


def save_checkpoint(folder: Path, weights: dict[str, Tensor], config: ModelConfig, progress: dict) -> None:
    """Write weights-NN.safetensors, config.json and, last, progress.json, each replaced as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in weights.items():
        if size + value.nbytes > PIECE_BYTES and pieces[-1]:
            pieces.append({})
            size = 0
        pieces[-1][name] = value.detach().cpu().contiguous()
        size += value.nbytes
    for i, piece in enumerate(pieces):
        _replace(folder / f"weights-{i:02}.safetensors", lambda path, piece=piece: save_file(piece, path))
    _replace(folder / "config.json", config.save)
    progress = {**progress, "pieces": len(pieces)}
    _replace(folder / "progress.json", lambda path: path.write_text(json.dumps(progress, indent=2) + "\n"))


def load_checkpoint(folder: Path, config: ModelConfig) -> tuple[dict[str, Tensor], dict]:
    """Weights and progress, of a run or of an exported model (whose runs are not known).

    Raises LaposeError for another preset, missing or broken files.
    """
    try:
        saved = ModelConfig.load(folder / "config.json")
        if (folder / "weights.safetensors").exists():
            progress, weights = {"runs": []}, load_file(folder / "weights.safetensors")
        else:
            progress, weights = json.loads((folder / "progress.json").read_text()), {}
            for i in range(progress["pieces"]):
                weights |= load_file(folder / f"weights-{i:02}.safetensors")
    except (LaposeError, FileNotFoundError, SafetensorError, ValueError, KeyError) as error:
        raise LaposeError(f"{folder} holds no whole checkpoint ({error}): give a folder that training wrote") from None
    if saved != config:
        raise LaposeError(f"{folder} was trained as preset {saved.preset!r} with other sizes: train that preset on")
    return weights, progress


class AveragedWeights:
    """Running average of a model's weights; early steps count more, so that a short run is not held back."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        state = model.state_dict()
        averages, values = list(self.weights.values()), [state[name].detach() for name in self.weights]
        torch._foreach_lerp_(averages, values, 1 - keep)


def _replace(path: Path, write) -> None:
    partial = path.with_name(path.name + ".part")
    write(partial)
    partial.replace(path)
