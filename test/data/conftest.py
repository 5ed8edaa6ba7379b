"""Small drives, written as the files that users have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

WIDTH, HEIGHT = 160, 96


@pytest.fixture
def images() -> list[np.ndarray]:
    """Twelve RGB images, (96, 160, 3); image i is filled with (20 i, 100, 200 - 10 i)."""
    return [np.full((HEIGHT, WIDTH, 3), (20 * i, 100, 200 - 10 * i), np.uint8) for i in range(12)]


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Write RGB images as a video; the suffix of the path chooses the container."""

    def write(path: Path, images: Iterable[np.ndarray], fps: float = 10.0) -> Path:
        codec = cv2.VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
        writer = cv2.VideoWriter(str(path), codec, fps, (WIDTH, HEIGHT))
        assert writer.isOpened()
        for image in images:
            writer.write(image[..., ::-1])
        writer.release()
        return path

    return write


@pytest.fixture
def write_images() -> Callable[..., Path]:
    """Write RGB images as PNG files with these names into a folder."""

    def write(folder: Path, images: Iterable[np.ndarray], names: Iterable[str]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for image, name in zip(images, names, strict=True):
            assert cv2.imwrite(str(folder / name), image[..., ::-1])
        return folder

    return write
