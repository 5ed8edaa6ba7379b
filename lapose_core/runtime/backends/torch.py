"""The model by PyTorch, from its safetensors weights: the reference for the other backends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lapose_core.model.lapose import LAPose
from lapose_core.runtime.backends.backend import DecodedMotions, Features


class TorchBackend:
    """A `Backend` of a model folder's weights, on the GPU if there is one."""

    name = "torch"

    def __init__(self, model_dir: Path, threads: int | None = None) -> None:
        """Load the weights.

        Args:
            model_dir: folder with `config.json` and `weights.safetensors`.
            threads: threads for one operator, of the whole process; None leaves it to PyTorch.

        Raises LaposeError naming the file that is missing, damaged or of another model.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = LAPose.load(model_dir).to(self._device)
        self.config = self._model.config

    @torch.inference_mode()
    def tokenize(self, frame_CHW: np.ndarray) -> Features:
        features = self._model.tokenize(self._tensor(frame_CHW[None]))
        return {name: value.cpu().numpy() for name, value in features.items()}

    @torch.inference_mode()
    def infer_action(self, previous: Features, current: Features, interval_s: float) -> np.ndarray:
        interval_s_B = self._tensor(np.array([interval_s]), np.float32)
        return self._model.infer_action(self._tensors(previous), self._tensors(current), interval_s_B)[0].cpu().numpy()

    @torch.inference_mode()
    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> DecodedMotions:
        motions = self._model.decode_motions(
            self._tensor(actions_SK[None], np.float32), self._tensor(intervals_S[None], np.float32)
        )
        decoded = {name: value[0].cpu().numpy() for name, value in motions.items()}
        return DecodedMotions(
            decoded["translation_BS3"],
            decoded["quaternion_BS4"],
            decoded["variance_BS6"],
            decoded["fov_x_BS"],
            float(decoded["scale_B"]),
        )

    def _tensors(self, features: Features) -> dict[str, torch.Tensor]:
        return {name: self._tensor(value) for name, value in features.items()}

    def _tensor(self, array: np.ndarray, dtype: type | None = None) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype)).to(self._device)
