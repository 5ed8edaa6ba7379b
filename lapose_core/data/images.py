"""Frames of a folder of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from lapose_core.data.encoded import EncodedFrame, EncodedSource
from lapose_core.data.encodings import UndecodableFrameError, decode_compressed
from lapose_core.errors import LaposeError
from lapose_core.geometry import read_kitti_times

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
#: Whole numbers from here on are stamps, not indices.
_SMALLEST_STAMP = 10**15


class ImageFolderSource(EncodedSource):
    """The images of a folder, in natural order of their names ("9.png" before "10.png").

    Stamps are, in this order: `fps`, if given; the names, if they are nanoseconds or microseconds since 1970; the
    seconds in `times.txt`, one line an image, in the folder or beside it.
    """

    def __init__(self, path: Path, *, rate_hz: float | None = None, fps: float | None = None) -> None:
        """Open a folder of images.

        Args:
            rate_hz: frames a second to keep; None keeps all.
            fps: frames a second of the folder; None takes the stamps as above.

        Raises LaposeError where the folder holds no images, or nothing tells their stamps.
        """
        super().__init__(path, rate_hz)
        self._images = list_images(path)
        if not self._images:
            raise LaposeError(f"{path} holds no images: give a folder of PNG or JPEG files")
        self._stamps_ns = _stamps_of(self._images, fps)
        self._expect_frames(self._stamps_ns)

    def encoded_frames(self) -> Iterator[EncodedFrame]:
        for image, stamp_ns in zip(self._images, self._stamps_ns, strict=True):
            yield EncodedFrame(stamp_ns, partial(read_image, image))


def list_images(folder: Path) -> list[Path]:
    """The folder's image files in natural order."""
    images = (file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES and not file.name.startswith("."))
    return sorted(images, key=lambda file: _natural(file.name))


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB; raises UndecodableFrameError where the file is no image."""
    try:
        return decode_compressed(path.read_bytes())
    except OSError as error:
        raise UndecodableFrameError(f"cannot read {path}: {error.strerror}") from None


def image_size(images: list[Path]) -> tuple[int, int]:
    """Width and height of the first image that can be read; raises LaposeError if none can."""
    for path in images:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is not None:
            return image.shape[1], image.shape[0]
    raise LaposeError(f"none of the images in {images[0].parent} can be decoded: check that the files are whole")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which numbers count as numbers."""
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", name) if part]


def _stamps_of(images: list[Path], fps: float | None) -> list[int]:
    if fps is not None:
        return [round(index * 1e9 / fps) for index in range(len(images))]
    if (stamps_ns := _stamps_in_names(images)) is not None:
        return stamps_ns
    folder = images[0].parent
    for times in (folder / "times.txt", folder.parent / "times.txt"):
        if times.is_file():
            stamps_ns = read_kitti_times(times).tolist()
            if len(stamps_ns) != len(images):
                raise LaposeError(
                    f"{times} has {len(stamps_ns)} lines for {len(images)} images: give one line an image"
                )
            return stamps_ns
    raise LaposeError(
        f"nothing says when the images of {folder} were taken: give the camera's rate with --fps or add a times.txt"
    )


def _stamps_in_names(images: list[Path]) -> list[int] | None:
    if not all(image.stem.isdecimal() and int(image.stem) >= _SMALLEST_STAMP for image in images):
        return None
    numbers = [int(image.stem) for image in images]
    # No camera takes more than 1000 frames a second: such stamps are microseconds.
    if len(numbers) > 1 and np.median(np.diff(numbers)) < 1_000_000:
        return [number * 1000 for number in numbers]
    return numbers
