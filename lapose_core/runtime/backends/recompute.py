"""Every frame of the window computed anew: what streaming is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lapose_core.data.preprocess import Image, PrincipalPoint
from lapose_core.runtime.backends.backend import Backend, DecodedMotions, Features, InferredSteps, PreparedFrame


class RecomputingBackend:
    """Another backend whose features are the frames themselves, so that nothing is kept from one frame to the next.

    It says of itself that an action depends on the whole clip, and so gets the whole window each time.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.on_gpu = f"{backend.name}, recomputing the window", backend.on_gpu
        self.calibration = backend.calibration
        self.config = dataclasses.replace(backend.config, context_frames=backend.config.clip_length)

    def prepare(self, image: Image, principal_point: PrincipalPoint = None) -> PreparedFrame:
        return self._backend.prepare(image, principal_point)

    def picture(self, frame_CHW: PreparedFrame) -> np.ndarray:
        return self._backend.picture(frame_CHW)

    def tokenize(self, frame_CHW: PreparedFrame) -> Features:
        return {"frame": frame_CHW}

    def infer_steps(self, frames: Sequence[Features], intervals_S: np.ndarray) -> InferredSteps:
        features = [self._backend.tokenize(frame["frame"]) for frame in frames]
        seen = min(self._backend.config.context_frames, len(frames))
        steps = [
            self._backend.infer_steps(features[start : start + seen], intervals_S[start : start + seen - 1])
            for start in range(len(frames) - seen + 1)
        ]
        return InferredSteps.joined(steps)

    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> DecodedMotions:
        return self._backend.decode_motions(actions_SK, intervals_S)
