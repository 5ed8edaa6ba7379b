"""A run on disk: safetensors in pieces of a size that travels, and one JSON file that says which belong together.

No file is ever changed: new pieces get new names, then `progress.json` is replaced as a whole, then the old pieces go.
So whatever happens in between, `progress.json` names one whole checkpoint. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig

PIECE_BYTES = 15 * 2**20
_SLICE = "@"


@dataclass
class RunState:
    """What a run that was cut off needs, beside the averaged weights, to go on as if it had not been.

    Attributes:
        tensors: weights as the optimiser sees them, its moments, and states of random generators, by name.
        numbers: step, seconds, and the like.
    """

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


def save_checkpoint(
    folder: Path, weights: dict[str, Tensor], config: Any, progress: dict, state: RunState | None = None
) -> None:
    """Write the weights, `config.json`, the state of a run that is not over, and `progress.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    old = set(folder.glob("*.safetensors"))
    tag = f"{progress['runs'][-1]['steps']:08}" if progress.get("runs") else "00000000"
    progress = {**progress, "pieces": _save_pieces(folder, "weights", tag, weights), "state": None}
    if state is not None:
        progress["state"] = {**state.numbers, "pieces": _save_pieces(folder, "state", tag, state.tensors)}
    _replace(folder / "config.json", config.save)
    _replace(folder / "progress.json", lambda path: path.write_text(json.dumps(progress, indent=2) + "\n"))
    used = {folder / name for part in (progress, progress["state"] or {}) for name in part.get("pieces", ())}
    for path in [*(old - used), *folder.glob("*.part")]:
        path.unlink(missing_ok=True)


def load_checkpoint(folder: Path, config: Any) -> tuple[dict[str, Tensor], dict]:
    """Weights and progress, of a run or of an exported model (whose runs are not known).

    Raises LaposeError for another preset, missing or broken files.
    """
    try:
        saved = type(config).load(folder / "config.json")
        if (folder / "weights.safetensors").exists():
            progress, weights = {"runs": []}, load_file(folder / "weights.safetensors")
        else:
            progress = json.loads((folder / "progress.json").read_text())
            weights = _load_pieces(folder, progress["pieces"])
    except (LaposeError, FileNotFoundError, SafetensorError, ValueError, KeyError) as error:
        raise LaposeError(f"{folder} holds no whole checkpoint ({error}): give a folder that training wrote") from None
    if saved != config:
        raise LaposeError(f"{folder} was trained as preset {saved.preset!r} with other sizes: train that preset on")
    return weights, progress


def load_state(folder: Path) -> RunState | None:
    """The state of the run in `folder`; None where there is none, or it came to its end.

    Raises LaposeError where its files are missing or broken.
    """
    try:
        numbers = json.loads((folder / "progress.json").read_text()).get("state")
        return RunState(_load_pieces(folder, numbers["pieces"]), numbers) if numbers else None
    except FileNotFoundError as error:
        if Path(error.filename or "").name == "progress.json":
            return None
        raise LaposeError(f"{folder}: {error.filename} is missing: copy it, or choose another --output") from None
    except (SafetensorError, ValueError, KeyError) as error:
        raise LaposeError(f"{folder} holds no whole checkpoint ({error}): choose another --output") from None


def model_config_of(folder: Path, preset: str | None = None) -> ModelConfig:
    """The config of the model that a folder holds; raises LaposeError where a preset is named and it is another one."""
    config = ModelConfig.load(folder / "config.json")
    if preset not in (None, config.preset):
        raise LaposeError(
            f"{folder} was trained as preset {config.preset!r}, the config says {preset!r}: use one of both"
        )
    return config


def _save_pieces(folder: Path, kind: str, tag: str, tensors: dict[str, Tensor]) -> list[str]:
    """Write tensors under new names; returns them."""
    pieces: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in _sliced(tensors):
        if size + value.nbytes > PIECE_BYTES and pieces[-1]:
            pieces.append({})
            size = 0
        pieces[-1][name] = value
        size += value.nbytes
    while any((folder / f"{kind}-{tag}-{i:02}.safetensors").exists() for i in range(len(pieces))):
        tag += "x"
    names = [f"{kind}-{tag}-{i:02}.safetensors" for i in range(len(pieces))]
    for name, piece in zip(names, pieces, strict=True):
        _replace(folder / name, lambda path, piece=piece: save_file(piece, path))
    return names


def _load_pieces(folder: Path, pieces: list[str] | int) -> dict[str, Tensor]:
    # Runs of version 0.1.0 told the number of their pieces alone.
    names = [f"weights-{i:02}.safetensors" for i in range(pieces)] if isinstance(pieces, int) else pieces
    stored = [item for piece in names for item in sorted(load_file(folder / piece).items())]
    whole = {name: value for name, value in stored if _SLICE not in name}
    slices: dict[str, list[tuple[int, Tensor]]] = {}
    for name, value in stored:
        if _SLICE in name:
            name, place = name.rsplit(_SLICE, 1)
            slices.setdefault(name, []).append((int(place), value))
    return whole | {
        name: torch.cat([value for _, value in sorted(parts, key=lambda part: part[0])])
        for name, parts in slices.items()
    }


def _sliced(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Tensors on the CPU; those larger than a piece in slices of their first axis."""
    for name, value in tensors.items():
        value = value.detach().cpu().contiguous()
        count = -(-value.nbytes // PIECE_BYTES)
        if count <= 1 or value.ndim == 0:
            yield name, value
            continue
        for i, part in enumerate(value.chunk(count)):
            yield f"{name}{_SLICE}{i}", part.clone()


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside `path`, then put it in place, once it is on the disk."""
    partial = path.with_name(path.name + ".part")
    write(partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
