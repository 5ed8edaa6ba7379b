"""A short drive in front of a small real model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lapose_core.data.source import Frame
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend

STEP_NS = 250_000_000


@pytest.fixture(scope="session")
def backend(tiny_model_dir: Path) -> OnnxRuntimeBackend:
    return OnnxRuntimeBackend(tiny_model_dir, threads=1)


@pytest.fixture(scope="session")
def frames() -> list[Frame]:
    """Twenty-four frames of 192x96 at 4 Hz: a blurred random picture that grows and slides, as when driving."""
    picture = np.random.default_rng(0).integers(0, 256, (96, 192, 3), np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 3.0)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)

    def view(index: int) -> np.ndarray:
        zoom, slide = 1.0 + 0.02 * index, 1.5 * index
        warp = np.array([[zoom, 0.0, 96 - 96 * zoom + slide], [0.0, zoom, 48 - 48 * zoom]])
        return cv2.warpAffine(picture, warp, (192, 96), borderMode=cv2.BORDER_REFLECT)

    return [Frame(view(index), 1_000_000_000 + index * STEP_NS) for index in range(24)]
