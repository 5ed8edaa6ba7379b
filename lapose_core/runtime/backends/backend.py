"""The interface that the odometer knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lapose_core.model.config import ModelConfig

#: What the tokenizer makes of one frame, by name; the odometer keeps it for the next step and looks at none of it.
Features = dict[str, np.ndarray]


@dataclass(frozen=True)
class DecodedMotions:
    """The pose head's answer for S steps (metres, radians, optical axes; motion i is frame i+1's camera in frame i's).

    Attributes:
        translation_S3, quaternion_S4: metric translation and rotation (x y z w, w >= 0, unit).
        variance_S6: of the translation (m^2) and of the rotation vector (rad^2).
        fov_x_S: horizontal field of view of the model's input, not of the source image.
        scale_m: mean step length of the window.
    """

    translation_S3: np.ndarray
    quaternion_S4: np.ndarray
    variance_S6: np.ndarray
    fov_x_S: np.ndarray
    scale_m: float


class Backend(Protocol):
    """Runs the three parts of the model on one machine."""

    name: str
    config: ModelConfig

    def tokenize(self, frame_CHW: np.ndarray) -> Features:
        """Features of one (3, H, W) uint8 RGB frame of the model's input size."""

    def infer_action(self, previous: Features, current: Features, interval_s: float) -> np.ndarray:
        """Latent action (K,) between two frames that are `interval_s` seconds apart."""

    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> DecodedMotions:
        """Motions of a window of S = 1 to clip_length - 1 steps."""
