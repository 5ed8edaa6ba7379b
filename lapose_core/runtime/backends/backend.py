"""The interface that the odometer knows, and the three graphs behind it that every engine runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from lapose_core.adjustment.learned import NOTHING_LEARNED, LearnedCamera
from lapose_core.data.preprocess import Image, PrincipalPoint, grey_of, prepare_frame
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.calibration import Calibration

#: The model's input, (3, H, W) uint8 RGB where the backend wants it: a numpy array or a tensor on its device.
PreparedFrame: TypeAlias = Any

#: What the tokenizer makes of one frame, by name; the odometer keeps it for the next steps and looks at none of it.
Features: TypeAlias = dict[str, Any]

#: A part of the model as a function of named arrays (`lapose_core/model/graphs.py`), in the engine's own kind of array.
Graph: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


class InferredSteps(NamedTuple):
    """What the inverse dynamics model says about S steps.

    Attributes:
        actions_SK: latent actions.
        matches_S2NC: what was matched there and back (`LAPose.infer_action`); None for a preset that matches nothing.
    """

    actions_SK: np.ndarray
    matches_S2NC: np.ndarray | None

    @classmethod
    def joined(cls, parts: Sequence[InferredSteps]) -> InferredSteps:
        """Parts one after the other, all of one model."""
        matches = [part.matches_S2NC for part in parts if part.matches_S2NC is not None]
        actions_SK = np.concatenate([part.actions_SK for part in parts])
        return cls(actions_SK, np.concatenate(matches) if matches else None)

    def part(self, steps: slice) -> InferredSteps:
        """Some of the steps."""
        return InferredSteps(self.actions_SK[steps], None if self.matches_S2NC is None else self.matches_S2NC[steps])


@dataclass(frozen=True)
class DecodedMotions:
    """The pose head's answer for S steps (metres, radians, optical axes; motion i is frame i+1's camera in frame i's).

    Attributes:
        translation_S3, quaternion_S4: metric translation and rotation (x y z w, w >= 0, unit).
        variance_S6: of the translation (m^2) and of the rotation vector (rad^2), as learned; see `Calibration`.
        fov_x_S: horizontal field of view of the model's input, not of the source image.
        scale_m: mean step length of the window.
        scale_deviation: standard deviation of its logarithm, which all steps have in common; 0 where nobody tells.
        learned: what the drive has told of the camera, this window included.
    """

    translation_S3: np.ndarray
    quaternion_S4: np.ndarray
    variance_S6: np.ndarray
    fov_x_S: np.ndarray
    scale_m: float
    scale_deviation: float = 0.0
    learned: LearnedCamera = NOTHING_LEARNED


class Backend(Protocol):
    """Runs the model on one machine. What `prepare` and `tokenize` give stays on the backend's device.

    Attributes:
        name: as asked for, of `BACKENDS`.
        config: the model's.
        calibration: of its variances.
        on_gpu: whether the model costs the CPU next to nothing.
    """

    name: str
    config: ModelConfig
    calibration: Calibration
    on_gpu: bool

    def prepare(self, image: Image, principal_point: PrincipalPoint = None) -> PreparedFrame:
        """The model's input from a source's image; see `prepare_frame`."""

    def picture(self, frame_CHW: PreparedFrame) -> np.ndarray:
        """The same in grey, (H, W) uint8, on the CPU."""

    def tokenize(self, frame_CHW: PreparedFrame) -> Features:
        """Features of one frame, from `prepare` or as a numpy array."""

    def infer_steps(self, frames: Sequence[Features], intervals_S: np.ndarray) -> InferredSteps:
        """The steps between S + 1 adjacent frames, at most `context_frames`; intervals in seconds."""

    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> DecodedMotions:
        """Motions of a window of S = 1 to clip_length - 1 steps."""


class GraphBackend:
    """A `Backend` of the three graphs; subclasses say how arrays reach their engine (`_enter`) and leave it."""

    name: str
    on_gpu = False

    def __init__(
        self, config: ModelConfig, calibration: Calibration, tokenizer: Graph, inverse_dynamics: Graph, pose_head: Graph
    ) -> None:
        self.config, self.calibration = config, calibration
        self._tokenizer, self._inverse_dynamics, self._pose_head = tokenizer, inverse_dynamics, pose_head

    def prepare(self, image: Image, principal_point: PrincipalPoint = None) -> PreparedFrame:
        return prepare_frame(image, self.config, principal_point)

    def picture(self, frame_CHW: PreparedFrame) -> np.ndarray:
        return grey_of(frame_CHW)

    def tokenize(self, frame_CHW: PreparedFrame) -> Features:
        return self._tokenizer({"frame_1CHW": self._enter(frame_CHW)[None]})

    def infer_steps(self, frames: Sequence[Features], intervals_S: np.ndarray) -> InferredSteps:
        if self.config.context_frames == 2:
            previous, current = frames
            inputs = {f"previous_{name}": value for name, value in previous.items()}
            inputs |= {f"current_{name}": value for name, value in current.items()}
        else:
            inputs = {"tokens_1TND": self._stack([frame["tokens"] for frame in frames])}
        inputs["intervals_1S"] = self._enter(np.asarray(intervals_S, np.float32)[None])
        inferred = self._leave(self._inverse_dynamics(inputs))
        return InferredSteps(inferred["actions_1SK"], inferred.get("matches_1S2NC"))

    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> DecodedMotions:
        inputs = {"actions_1SK": actions_SK, "intervals_1S": intervals_S}
        motions = self._pose_head(
            {name: self._enter(np.asarray(value, np.float32)[None]) for name, value in inputs.items()}
        )
        decoded = self._leave(motions)
        return DecodedMotions(
            decoded["translation_1S3"],
            decoded["quaternion_1S4"],
            decoded["variance_1S6"],
            decoded["fov_x_1S"],
            float(decoded["scale_1"]),
        )

    def _enter(self, array: Any) -> Any:
        return np.ascontiguousarray(array)

    def _leave(self, outputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """A graph's outputs without their first axis."""
        return {name: value[0] for name, value in outputs.items()}

    def _stack(self, tokens: list[Any]) -> Any:
        """(1, T, N, D) from T of (1, N, D)."""
        return np.stack(tokens, axis=1)
