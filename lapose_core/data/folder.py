"""Drives of any folder: videos, bags and image folders, found by walking through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lapose_core.data.chunks import Chunk, ChunkReader, ClipRates, Omissions
from lapose_core.data.preprocess import prepare_frame
from lapose_core.data.source import Source
from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig

_VIDEOS = {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts"}
_FEWEST_IMAGES = 16
#: A chunk is so many times as long as a clip at the slowest rate.
_CHUNK_CLIPS = 2


def find_drives(path: Path) -> list[Path]:
    """Everything below `path` that `open_source` takes, in order; raises LaposeError where there is nothing."""
    if not path.exists():
        raise LaposeError(f"no such file or folder: {path}")
    drives = sorted(_walk(path))
    if not drives:
        raise LaposeError(f"{path} holds no videos, bags or image folders: give the folder of your drives")
    return drives


class DriveFolder(ChunkReader):
    """Chunks of the drives below a folder, read through `lapose_core.data`'s sources."""

    def __init__(self, path: Path, sizes: ModelConfig, rates: ClipRates, fps: float | None = None) -> None:
        """Find the drives.

        Args:
            sizes: whose image size frames are cropped and shrunk to.
            fps: the rate of videos and image folders, where they do not tell it.
        """
        self.path, self.sizes, self.rates, self.fps = path, sizes, rates, fps
        self.drives = find_drives(path)
        self.omissions = Omissions([str(drive) for drive in self.drives])

    def __str__(self) -> str:
        return str(self.path)

    def chunks(self, rng: np.random.Generator) -> Iterator[Chunk]:
        for index in rng.permutation(len(self.drives)):
            if self.omissions.out(index):
                continue
            try:
                yield from chunks_of(self.drives[index], self.sizes, self.rates, self.fps)
            except LaposeError as error:
                self.omissions.omit(index, str(error))


def chunks_of(path: Path, sizes: ModelConfig, rates: ClipRates, fps: float | None = None) -> Iterator[Chunk]:
    """Chunks of one drive at the fastest rate; raises LaposeError where it cannot be read or has no whole clip."""
    source = _open(path, rates, fps)
    stamps_ns: list[int] = []
    frames: list[np.ndarray] = []
    some = False
    for frame in source:
        stamps_ns.append(frame.stamp_ns)
        frames.append(prepare_frame(frame.image_HWC, sizes))
        if (stamps_ns[-1] - stamps_ns[0]) * 1e-9 >= _CHUNK_CLIPS * rates.longest_s:
            yield _chunk(source.name, stamps_ns, frames)
            stamps_ns, frames, some = [], [], True
    length_s = (stamps_ns[-1] - stamps_ns[0]) * 1e-9 if stamps_ns else 0.0
    # The last frame lasts as well, hence half a step.
    if length_s + 0.5 / rates.fastest_hz >= rates.longest_s and len(frames) >= rates.frames:
        yield _chunk(source.name, stamps_ns, frames)
    elif not some:
        raise LaposeError(
            f"its {length_s:.1f} s are shorter than {rates.frames} frames at {rates.slowest_hz:g} Hz "
            f"({rates.longest_s:.1f} s): give longer drives or raise the slowest rate"
        )


def _open(path: Path, rates: ClipRates, fps: float | None) -> Source:
    from lapose_core.data.open import open_source

    return open_source(path, rate_hz=rates.fastest_hz, fps=fps)


def _chunk(name: str, stamps_ns: list[int], frames: list[np.ndarray]) -> Chunk:
    frames_FCHW = np.stack(frames)
    return Chunk(name, np.array(stamps_ns, np.int64), frames_FCHW.__getitem__, frames_FCHW.nbytes)


def _walk(path: Path) -> Iterator[Path]:
    from lapose_core.data.images import list_images
    from lapose_core.data.kitti import is_kitti_sequence
    from lapose_core.data.rosbag import BAG_SUFFIXES

    if path.is_file():
        if path.suffix.lower() in _VIDEOS | BAG_SUFFIXES:
            yield path
    elif (path / "metadata.yaml").is_file() or is_kitti_sequence(path) or len(list_images(path)) >= _FEWEST_IMAGES:
        yield path
    else:
        for child in path.iterdir():
            if not child.name.startswith("."):
                yield from _walk(child)
