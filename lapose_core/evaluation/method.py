"""What can be evaluated: anything that turns frames into motions, in three steps that share their work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from lapose_core.adjustment.camera import KnownCamera
from lapose_core.adjustment.learned import NOTHING_LEARNED, LearnedCamera
from lapose_core.data.preprocess import source_fov_x
from lapose_core.data.source import Intrinsics
from lapose_core.runtime.backends.backend import Backend, Features, InferredSteps
from lapose_core.runtime.estimate import StepView, estimate_motions, refine_steps, unseen_variance, view_step
from lapose_core.runtime.view import View, look

#: Name of the row of the model that is told the camera.
KNOWN_CAMERA = "lapose, known camera"
KNOWN_HEIGHT = f"{KNOWN_CAMERA} and height"
#: And of the one that is told nothing, but has seen the drive so far, as the odometer has.
LEARNED_CAMERA = "lapose, camera learned on the drive"

Result = TypeVar("Result")


@dataclass(frozen=True)
class ClipEstimate:
    """What a method says about one clip.

    Attributes:
        motions_S44: pose of each frame in the one before; metres, optical axes.
        covariance_S66: of the motions, see `Motion`; None where the method does not tell.
        fov_x_rad: horizontal field of view of the source image, or None where the method does not tell.
        learned: what the drive has told of the camera by then.
    """

    motions_S44: np.ndarray
    fov_x_rad: float | None = None
    covariance_S66: np.ndarray | None = None
    learned: LearnedCamera = NOTHING_LEARNED


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

    def after(self, estimate: ClipEstimate) -> Method:
        """The method for the next clip of the same drive; what the drive tells of its camera it may keep."""
        return self


@dataclass
class Newest(Generic[Result]):
    """Remembers the newest call, so that methods that share a step take it once."""

    function: Callable[..., Result]
    _arguments: tuple[Any, ...] | None = field(default=None, init=False)
    _result: Result | None = field(default=None, init=False)

    def __call__(self, *arguments: Any) -> Result:
        seen = self._arguments
        if seen is None or any(new is not old for new, old in zip(arguments, seen, strict=True)):
            self._result, self._arguments = self.function(*arguments), arguments
        return self._result


@dataclass(frozen=True)
class SeenFrame:
    """A frame's tokens and view, and the size (height, width) of its image."""

    features: Features
    view: View
    size_HW: tuple[int, int]


@dataclass(frozen=True)
class SeenStep:
    """What was inferred and seen between two frames of this size."""

    inferred: InferredSteps
    view: StepView
    size_HW: tuple[int, int]


class LaPose(Method):
    """The model: tokens and view of a frame, the latent action of a pair, the pose head over a clip.

    Args:
        camera: what it is told of the source's.
        name: for tables.
        shared: the same model told something else, which has done the work on pictures already.
    """

    def __init__(
        self,
        backend: Backend,
        camera: KnownCamera | None = None,
        *,
        name: str = "lapose",
        shared: LaPose | None = None,
    ) -> None:
        self.name = name
        self._backend = backend
        self._camera = camera or KnownCamera()
        self._see: Callable[[np.ndarray], SeenFrame] = shared._see if shared else Newest(self._look)
        self._infer: Callable[[SeenFrame, SeenFrame, float], SeenStep] = shared._infer if shared else Newest(self._step)

    def describe(self, image_HWC: np.ndarray) -> SeenFrame:
        return self._see(image_HWC)

    def compare(self, previous: SeenFrame, current: SeenFrame, interval_s: float) -> SeenStep:
        return self._infer(previous, current, interval_s)

    def estimate(self, steps: list[SeenStep], intervals_S: np.ndarray, truth_S44: np.ndarray) -> ClipEstimate:
        inferred = InferredSteps.joined([step.inferred for step in steps])
        views = [step.view for step in steps]
        motions = estimate_motions(self._backend, inferred, intervals_S, views, unseen_variance(), self._camera)
        height, width = steps[0].size_HW
        fov_x_model = float(np.mean(motions.fov_x_S))
        return ClipEstimate(
            motions.poses_S44,
            source_fov_x(fov_x_model, width, height, self._backend.config),
            motions.covariance_S66,
            motions.learned,
        )

    def after(self, estimate: ClipEstimate) -> LaPose:
        return LaPose(self._backend, replace(self._camera, learned=estimate.learned), name=self.name, shared=self)

    def _look(self, image_HWC: np.ndarray) -> SeenFrame:
        prepared = self._backend.prepare(image_HWC)
        view = look(image_HWC, self._backend.picture(prepared))
        return SeenFrame(self._backend.tokenize(prepared), view, image_HWC.shape[:2])

    def _step(self, previous: SeenFrame, current: SeenFrame, interval_s: float) -> SeenStep:
        inferred = self._backend.infer_steps([previous.features, current.features], np.array([interval_s]))
        inferred = refine_steps(inferred, [previous.view, current.view])
        return SeenStep(inferred, view_step(previous.view, current.view, interval_s), previous.size_HW)


def model_methods(
    backend: Backend, intrinsics: Intrinsics | None, camera_height_m: float | None = None
) -> list[Method]:
    """The model that knows nothing of the camera; one that is told the camera, and one its height too, where known."""
    model, camera = LaPose(backend), KnownCamera()
    told = []
    if intrinsics is not None:
        camera = KnownCamera.of_source(intrinsics, backend.config)
        told.append(LaPose(backend, camera, name=KNOWN_CAMERA, shared=model))
    if camera_height_m is not None:
        name = KNOWN_HEIGHT if told else "lapose, known height"
        told.append(LaPose(backend, replace(camera, height=camera_height_m), name=name, shared=model))
    return [model, *told]
