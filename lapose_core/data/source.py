"""What every source of frames offers, be it a video, a folder, a benchmark sequence or a bag."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lapose_core.data.raw_image import RawImage
from lapose_core.geometry import Trajectory


@dataclass(frozen=True)
class Frame:
    """One image: (H, W, 3) uint8 RGB or a camera's bytes still to be decoded, and its stamp in integer nanoseconds."""

    image_HWC: np.ndarray | RawImage
    stamp_ns: int


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera of the whole source image, in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    @property
    def fov_x_rad(self) -> float:
        """Horizontal field of view, radians, as if the principal point were central."""
        return 2.0 * math.atan(self.width / (2.0 * self.fx))


class Source(ABC):
    """Frames in order of time, with the camera and the true poses where the source has them.

    Attributes:
        name: for titles and file names.
        intrinsics: the camera, or None.
        poses: true poses of the camera (optical axes, metres), or None. Stamps need not be those of the frames.
        frame_count: how many frames to expect, for progress bars; None if unknown.
        undecodable: frames left out so far because they could not be decoded.
        out_of_order: frames left out so far because their stamp was not newer than that of the frame before.
    """

    name: str
    intrinsics: Intrinsics | None = None
    poses: Trajectory | None = None
    frame_count: int | None = None
    undecodable: int = 0
    out_of_order: int = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames from the start; may be called again."""
