"""Frames of a video file, read by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from lapose_core.data.encoded import EncodedFrame, EncodedSource
from lapose_core.data.encodings import UndecodableFrameError
from lapose_core.errors import LaposeError

#: OpenCV says "no frame" both at the end and for a damaged frame; after so many in a row it is the end.
_MOST_DAMAGED_IN_A_ROW = 60


class VideoSource(EncodedSource):
    """A video file. Stamps count from its start."""

    def __init__(self, path: Path, *, rate_hz: float | None = None, fps: float | None = None) -> None:
        """Open a video.

        Args:
            rate_hz: frames a second to keep; None keeps all.
            fps: frames a second of the file; None takes the stamps that the file itself holds.

        Raises LaposeError where OpenCV cannot read the file, or it holds no frame.
        """
        super().__init__(path, rate_hz)
        self._fps = fps
        capture = self._open()
        try:
            file_fps = capture.get(cv2.CAP_PROP_FPS)
            self._file_fps = file_fps if 0 < file_fps <= 1000 else None
            self._stored = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
            if not capture.grab() and self._stored <= 1:
                raise LaposeError(f"{path} holds no frames: give a video with pictures in it")
        finally:
            capture.release()
        known_fps = fps or self._file_fps
        if self._stored and known_fps:
            self._expect_frames(round(index * 1e9 / known_fps) for index in range(self._stored))

    def encoded_frames(self) -> Iterator[EncodedFrame]:
        capture = self._open()
        try:
            damaged_in_a_row = 0
            index, last_stamp_ns = -1, None
            while damaged_in_a_row <= _MOST_DAMAGED_IN_A_ROW:
                index += 1
                if not capture.grab():
                    damaged_in_a_row += 1
                    if index >= self._stored:
                        return
                    continue
                self.undecodable += damaged_in_a_row  # only now is it known that they were not the end
                damaged_in_a_row = 0
                last_stamp_ns = self._stamp_ns(index, capture.get(cv2.CAP_PROP_POS_MSEC), last_stamp_ns)
                yield EncodedFrame(last_stamp_ns, partial(_retrieve, capture))
        finally:
            capture.release()

    def _stamp_ns(self, index: int, container_ms: float, last_stamp_ns: int | None) -> int:
        """The container's stamp; where that does not move on, one frame after the last."""
        if self._fps is not None:
            return round(index * 1e9 / self._fps)
        stamp_ns = round(container_ms * 1e6)
        if last_stamp_ns is None or stamp_ns > last_stamp_ns:
            return stamp_ns
        if self._file_fps is None:
            raise LaposeError(f"{self.path} says neither when its frames were taken nor their rate: give it with --fps")
        return last_stamp_ns + round(1e9 / self._file_fps)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise LaposeError(f"{self.path} is no video that OpenCV can read: give a video, image folder or bag")
        return capture


def _retrieve(capture: cv2.VideoCapture) -> np.ndarray:
    decoded, image_bgr = capture.retrieve()
    if not decoded:
        raise UndecodableFrameError("the video's frame is damaged")
    return cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
