"""A drive whose images tell which frame they are, and a backend that reads them: it knows the truth, or bends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.data.preprocess import Image, PrincipalPoint, grey_of, prepare_frame
from lapose_core.data.source import Frame, Intrinsics, Source
from lapose_core.geometry import Trajectory, chain_motions, invert_pose, make_pose, quaternion_of
from lapose_core.model.config import ModelConfig, preset
from lapose_core.runtime.backends.backend import DecodedMotions, Features, InferredSteps
from lapose_core.runtime.calibration import Calibration

PERIOD_NS = 100_000_000
WIDTH, HEIGHT = 160, 80


def arc(steps: int, step_m: float = 1.0, yaw_rad: float = 0.02) -> np.ndarray:
    """Motions (S, 4, 4) of a car in a steady left turn, optical axes (yaw to the left is negative about y)."""
    motion = make_pose(np.array([0.0, 0.0, step_m]), np.array([0.0, -np.sin(yaw_rad / 2), 0.0, np.cos(yaw_rad / 2)]))
    return np.tile(motion, (steps, 1, 1))


class NumberedDrive(Source):
    """Frames whose grey value is their number; `poses[i]` is the true pose of frame i."""

    def __init__(self, motions_S44: np.ndarray, missing: frozenset[int] = frozenset()) -> None:
        poses = chain_motions(motions_S44)
        self.name = "numbered drive"
        self.stamps_ns = np.arange(len(poses)) * PERIOD_NS
        self.poses = Trajectory(self.stamps_ns, poses)
        self.intrinsics = Intrinsics(WIDTH / 2, WIDTH / 2, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT)
        self.frame_count = len(poses)
        self.missing = missing
        self.passes = 0

    def __iter__(self) -> Iterator[Frame]:
        self.passes += 1
        for number, stamp_ns in enumerate(self.stamps_ns):
            if number in self.missing:
                self.undecodable += 1
            else:
                yield Frame(np.full((HEIGHT, WIDTH, 3), number, np.uint8), int(stamp_ns))


@dataclass
class KnowingBackend:
    """Knows the true poses, and answers `bend(true motions)`."""

    poses: np.ndarray
    bend: Callable[[np.ndarray], np.ndarray] = lambda motions_S44: motions_S44
    name: str = "knowing"
    config: ModelConfig = preset("tiny")  # noqa: RUF009 (frozen)
    calibration: Calibration = Calibration()  # noqa: RUF009 (frozen)
    tokenized: int = 0
    compared: int = 0

    def prepare(self, image: Image, principal_point: PrincipalPoint = None) -> np.ndarray:
        return prepare_frame(image, self.config, principal_point)

    def picture(self, frame_CHW: np.ndarray) -> np.ndarray:
        return grey_of(frame_CHW)

    def tokenize(self, frame_CHW: np.ndarray) -> Features:
        self.tokenized += 1
        return {"number": frame_CHW[0, 0, :1]}

    def infer_steps(self, frames: Sequence[Features], intervals_S: np.ndarray) -> InferredSteps:
        self.compared += 1
        return InferredSteps(np.concatenate([frame["number"] for frame in frames])[None], None)

    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> DecodedMotions:
        before, after = actions_SK.T
        np.testing.assert_allclose(intervals_S, (after.astype(int) - before) * PERIOD_NS * 1e-9)
        motions_S44 = self.bend(invert_pose(self.poses[before]) @ self.poses[after])
        steps = len(motions_S44)
        return DecodedMotions(
            translation_S3=motions_S44[:, :3, 3],
            quaternion_S4=quaternion_of(motions_S44),
            variance_S6=np.ones((steps, 6)),
            fov_x_S=np.full(steps, np.pi / 2),
            scale_m=1.0,
        )
