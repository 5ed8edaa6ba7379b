"""What the sources share: frames are chosen by their stamps and only then decoded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapose_core.data.encodings import UndecodableFrameError
from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Frame, Source
from lapose_core.errors import LaposeError


@dataclass(frozen=True)
class EncodedFrame:
    """A frame still to be decoded: `decode` gives (H, W, 3) uint8 RGB or raises UndecodableFrameError."""

    stamp_ns: int
    decode: Callable[[], np.ndarray]


class EncodedSource(Source):
    """A source whose frames cost little until they are decoded.

    Attributes:
        path: the file or folder.
        rate_hz: frames a second to keep (see `FrameSampler`); None keeps all.
    """

    def __init__(self, path: Path, rate_hz: float | None) -> None:
        self.path = path
        self.name = path.stem if path.is_file() else path.resolve().name
        self.rate_hz = rate_hz
        FrameSampler(rate_hz)  # a wrong rate is told before anything is read

    @abstractmethod
    def encoded_frames(self) -> Iterator[EncodedFrame]:
        """All frames from the start, undecoded, in the order in which they are stored."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames at the asked rate; raises LaposeError at the end if none could be decoded."""
        sampler = FrameSampler(self.rate_hz)
        self.undecodable = self.out_of_order = yielded = 0
        for encoded in self.encoded_frames():
            wanted = sampler.wants(encoded.stamp_ns)
            self.out_of_order = sampler.out_of_order
            if not wanted:
                continue
            try:
                frame = Frame(encoded.decode(), encoded.stamp_ns)
            except UndecodableFrameError:
                self.undecodable += 1  # the next frame takes its place
                continue
            sampler.keep(encoded.stamp_ns)
            yielded += 1
            yield frame
        if not yielded:
            raise LaposeError(f"no frame of {self.path} could be decoded: check that the file is whole")

    def _expect_frames(self, stamps_ns: Iterable[int]) -> None:
        """Set `frame_count` from the stamps, as far as they are known, of the stored frames."""
        sampler = FrameSampler(self.rate_hz)
        self.frame_count = sum(sampler.takes(int(stamp_ns)) for stamp_ns in stamps_ns)
