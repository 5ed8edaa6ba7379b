"""Unlabelled stretches of video, and the clips that are drawn from them at a random frame rate."""

from __future__ import annotations

import multiprocessing
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.data.encodings import UndecodableFrameError
from lapose_core.errors import LaposeError

#: How far a step of a clip may be from one over its rate, as a share of it: beyond, frames are missing.
_UNEVEN = 0.5
#: And how far their mean may be: a clip of two frames is not to be much faster than the fastest rate.
_OFF = 0.33
_TRIES = 8


@dataclass(frozen=True)
class ClipRates:
    """Clips of `frames` frames at a rate that is drawn log-uniformly for each clip."""

    slowest_hz: float
    fastest_hz: float
    frames: int

    def __post_init__(self) -> None:
        if not 0 < self.slowest_hz <= self.fastest_hz:
            raise LaposeError(
                f"rate_hz: [{self.slowest_hz:g}, {self.fastest_hz:g}] is no range of frame rates: "
                "give two positive numbers, the slower one first"
            )

    @property
    def longest_s(self) -> float:
        """Length of a clip at the slowest rate."""
        return (self.frames - 1) / self.slowest_hz


@dataclass(frozen=True)
class Chunk:
    """A stretch of frames in order of time.

    Attributes:
        name: of the drive.
        stamps_ns: (F,) int64.
        decode: frame i as (3, h, w) uint8 RGB in the model's size; may raise UndecodableFrameError.
        nbytes: what it holds in memory.
    """

    name: str
    stamps_ns: np.ndarray
    decode: Callable[[int], np.ndarray]
    nbytes: int

    def draw_clip(self, rng: np.random.Generator, rates: ClipRates) -> tuple[np.ndarray, np.ndarray] | None:
        """Frames (T, 3, h, w) uint8 and the seconds (T - 1,) between them; None where there is no whole clip."""
        for _ in range(_TRIES):
            index = choose_frames(rng, self.stamps_ns, rates)
            if index is None:
                continue
            try:
                frames_TCHW = np.stack([self.decode(i) for i in index])
            except UndecodableFrameError:
                continue
            return frames_TCHW, np.diff(self.stamps_ns[index]).astype(np.float64) * 1e-9
        return None


def choose_frames(rng: np.random.Generator, stamps_ns: np.ndarray, rates: ClipRates) -> np.ndarray | None:
    """Indices of a clip's frames, each the nearest to its ideal instant; None where the draw meets a gap."""
    if len(stamps_ns) < rates.frames:
        return None
    gap_s = float(np.median(np.diff(stamps_ns))) * 1e-9
    length_s = float(stamps_ns[-1] - stamps_ns[0]) * 1e-9
    slowest = max(rates.slowest_hz, (rates.frames - 1) / (length_s + gap_s / 2))
    fastest = min(rates.fastest_hz, 1 / gap_s)
    if slowest > fastest * (1 + 1e-6):
        return None
    rate = np.exp(rng.uniform(np.log(slowest), np.log(max(fastest, slowest))))
    ideal_s = rng.uniform(0.0, max(0.0, length_s - (rates.frames - 1) / rate)) + np.arange(rates.frames) / rate
    times_s = (stamps_ns - stamps_ns[0]) * 1e-9
    after = np.searchsorted(times_s, ideal_s).clip(1, len(times_s) - 1)
    index = np.where(ideal_s - times_s[after - 1] < times_s[after] - ideal_s, after - 1, after)
    steps_s = np.diff(times_s[index])
    if (np.abs(steps_s * rate - 1) > _UNEVEN).any() or abs(steps_s.mean() * rate - 1) > _OFF:
        return None
    return index


class Omissions:
    """Which of the items were left out, and why: one line each, and a count over all worker processes."""

    def __init__(self, items: Sequence[str]) -> None:
        self.items = list(items)
        self._out = multiprocessing.Array("b", max(1, len(self.items)))

    def omit(self, index: int, reason: str) -> None:
        """Leave item `index` out; says so the first time."""
        if not self._out[index]:
            self._out[index] = 1
            print(f"lapose: left out {self.items[index]}: {reason}", file=sys.stderr, flush=True)

    def out(self, index: int) -> bool:
        return bool(self._out[index])

    @property
    def count(self) -> int:
        return sum(self._out)


class ChunkReader(ABC):
    """Drives from somewhere, as chunks. Items that cannot be used are left out and counted."""

    omissions: Omissions

    @abstractmethod
    def chunks(self, rng: np.random.Generator) -> Iterator[Chunk]:
        """All chunks once, the items in random order."""

    def endless(self, rng: np.random.Generator) -> Iterator[Chunk]:
        """Chunks for ever; raises LaposeError where there is not one."""
        while True:
            some = False
            for chunk in self.chunks(rng):
                some = True
                yield chunk
            if not some:
                raise LaposeError(f"{self}: nothing of it can be trained on: see the lines above")
