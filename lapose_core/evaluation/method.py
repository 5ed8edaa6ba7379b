"""What can be evaluated: anything that turns frames into motions, in three steps that share their work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lapose_core.data.preprocess import source_fov_x
from lapose_core.runtime.backends.backend import Backend, Features, InferredSteps
from lapose_core.runtime.estimate import StepView, estimate_motions, unseen_variance, view_step
from lapose_core.runtime.view import View, look


@dataclass(frozen=True)
class ClipEstimate:
    """What a method says about one clip.

    Attributes:
        motions_S44: pose of each frame in the one before; metres, optical axes.
        covariance_S66: of the motions, see `Motion`; None where the method does not tell.
        fov_x_rad: horizontal field of view of the source image, or None where the method does not tell.
    """

    motions_S44: np.ndarray
    fov_x_rad: float | None = None
    covariance_S66: np.ndarray | None = None


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
    """The model: tokens and view of a frame, the latent action of a pair, the pose head over a clip."""

    name = "lapose"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._image_size_HW = (0, 0)

    def describe(self, image_HWC: np.ndarray) -> tuple[Features, View]:
        self._image_size_HW = image_HWC.shape[:2]
        features = self._backend.tokenize(self._backend.prepare(image_HWC))
        return features, look(image_HWC, self._backend.config)

    def compare(
        self, previous: tuple[Features, View], current: tuple[Features, View], interval_s: float
    ) -> tuple[InferredSteps, StepView]:
        inferred = self._backend.infer_steps([previous[0], current[0]], np.array([interval_s]))
        return inferred, view_step(previous[1], current[1], interval_s)

    def estimate(
        self, steps: list[tuple[InferredSteps, StepView]], intervals_S: np.ndarray, truth_S44: np.ndarray
    ) -> ClipEstimate:
        inferred, views = zip(*steps, strict=True)
        motions = estimate_motions(self._backend, InferredSteps.joined(inferred), intervals_S, views, unseen_variance())
        height, width = self._image_size_HW
        fov_x_model = float(np.mean(motions.fov_x_S))
        return ClipEstimate(
            motions.poses_S44,
            source_fov_x(fov_x_model, width, height, self._backend.config),
            motions.covariance_S66,
        )
