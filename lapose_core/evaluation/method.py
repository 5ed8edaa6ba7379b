"""What can be evaluated: anything that turns frames into motions, in three steps that share their work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lapose_core.data.preprocess import source_fov_x
from lapose_core.geometry import make_pose
from lapose_core.runtime.backends.backend import Backend, Features


@dataclass(frozen=True)
class ClipEstimate:
    """What a method says about one clip.

    Attributes:
        motions_S44: pose of each frame in the one before; metres, optical axes.
        fov_x_rad: horizontal field of view of the source image, or None where the method does not tell.
    """

    motions_S44: np.ndarray
    fov_x_rad: float | None = None


class Method(Protocol):
    """A row of the report.

    Clips overlap, so each frame is described once, each pair of frames that some clip needs is compared once, and a
    clip is estimated from its pairs alone.
    """

    name: str

    def describe(self, image_HWC: np.ndarray) -> Any:
        """What `compare` needs to know of one (H, W, 3) uint8 RGB image."""

    def compare(self, previous: Any, current: Any, interval_s: float) -> Any:
        """What `estimate` needs to know of two frames that are `interval_s` seconds apart."""

    def estimate(self, steps: list[Any], intervals_S: np.ndarray, truth_S44: np.ndarray) -> ClipEstimate:
        """Motions of a clip from its S pairs. Only a baseline that is given part of the truth may look at it."""


class LaPose:
    """The model: tokens of a frame, the latent action of a pair, the pose head over a clip."""

    name = "lapose"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._image_size_HW = (0, 0)

    def describe(self, image_HWC: np.ndarray) -> Features:
        self._image_size_HW = image_HWC.shape[:2]
        return self._backend.tokenize(self._backend.prepare(image_HWC))

    def compare(self, previous: Features, current: Features, interval_s: float) -> np.ndarray:
        return self._backend.infer_actions([previous, current], np.array([interval_s]))[0]

    def estimate(self, steps: list[np.ndarray], intervals_S: np.ndarray, truth_S44: np.ndarray) -> ClipEstimate:
        decoded = self._backend.decode_motions(np.stack(steps), intervals_S)
        height, width = self._image_size_HW
        fov_x_model = float(np.mean(decoded.fov_x_S))
        return ClipEstimate(
            make_pose(decoded.translation_S3, decoded.quaternion_S4),
            source_fov_x(fov_x_model, width, height, self._backend.config),
        )
