"""The newest frames, as the model keeps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.runtime.backends.backend import Features, InferredSteps
from lapose_core.runtime.estimate import StepView, refine_steps, view_step
from lapose_core.runtime.view import View

#: `Backend.infer_steps`.
InferSteps = Callable[[Sequence[Features], np.ndarray], InferredSteps]


@dataclass(frozen=True)
class Window:
    """Up to `clip_length` frames: stamps, what was inferred and seen between them, and what the next needs.

    It never changes; `extended` gives another one.

    Attributes:
        clip_length: frames that the pose head sees together.
        context_frames: frames that a latent action depends on. With 2 an action never changes once it is inferred, so
            a new frame costs one action; else all actions of the window are inferred again from the kept tokens.
        stamps_ns: of the frames, oldest first.
        inferred, steps: of the steps between them (one fewer); None and empty before the first.
        features, views: of the newest `context_frames - 1` frames.
    """

    clip_length: int
    context_frames: int
    stamps_ns: tuple[int, ...] = ()
    inferred: InferredSteps | None = None
    steps: tuple[StepView, ...] = ()
    features: tuple[Features, ...] = ()
    views: tuple[View, ...] = ()

    @property
    def intervals_S(self) -> np.ndarray:
        """Seconds from frame to frame."""
        return (np.diff(self.stamps_ns) * 1e-9).astype(np.float32)

    def extended(self, features: Features, view: View, stamp_ns: int, infer_steps: InferSteps) -> Window:
        """With one more frame, and without the oldest where the window is full."""
        stamps_ns = (*self.stamps_ns, stamp_ns)[-self.clip_length :]
        seen, views = (*self.features, features), (*self.views, view)
        inferred, steps, newest = self.inferred, self.steps, slice(-(self.clip_length - 1), None)
        if len(seen) > 1:
            intervals_S = (np.diff(stamps_ns[-len(seen) :]) * 1e-9).astype(np.float32)
            again = refine_steps(infer_steps(seen, intervals_S), views)
            kept = inferred.part(slice(len(inferred.actions_SK) - (len(seen) - 2))) if inferred else None
            inferred = InferredSteps.joined([kept, again]).part(newest) if kept else again
            steps = (*steps, view_step(*views[-2:], float(intervals_S[-1])))[newest]
        keep = slice(-(self.context_frames - 1), None)
        return Window(self.clip_length, self.context_frames, stamps_ns, inferred, steps, seen[keep], views[keep])
