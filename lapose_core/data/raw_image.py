"""A camera message's image as it came, still to be decoded: so that only what the model sees need be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lapose_core.data.encodings import ImageBytes, decode_image, has_planes, row_bytes, view_pixels

#: Encodings whose pixels may be averaged and moved as they are: encoding -> bytes a pixel, one a channel.
INTERLEAVED = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}


@dataclass(frozen=True)
class RawImage:
    """The fields of a `sensor_msgs/Image`; see `decode_image`.

    Attributes:
        data: the pixels, row by row; rows may be padded.
        step: bytes from one row to the next; 0 means unpadded.
        is_bigendian: order of the bytes of 16-bit pixels.
    """

    data: ImageBytes
    height: int
    width: int
    encoding: str
    step: int = 0
    is_bigendian: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """As that of the RGB image."""
        return self.height, self.width, 3

    def check(self) -> None:
        """Raise UndecodableFrameError where the data do not fill the rows, LaposeError for an unknown encoding."""
        view_pixels(self.data, self.height, row_bytes(self.encoding, self.width), 1, self.step)

    def decode(self) -> np.ndarray:
        """RGB image (H, W, 3) uint8; raises what `decode_image` raises."""
        return decode_image(self.data, self.height, self.width, self.encoding, self.step, self.is_bigendian)

    def decode_rows(self, top: int, bottom: int) -> np.ndarray:
        """The RGB image's rows from `top` to before `bottom`; no others are decoded, but for encodings with planes.

        Raises what `decode_image` raises for the whole image.
        """
        if has_planes(self.encoding):
            return self.decode()[top:bottom]
        self.check()
        # A Bayer pattern's rows come in twos, and a row's colours are interpolated from those beside it.
        first, last = max(0, top - top % 2 - 2), min(bottom + 2, self.height)
        step = self._step()
        rows = replace(self, data=np.frombuffer(self.data, np.uint8)[first * step :], height=last - first, step=step)
        return rows.decode()[top - first : bottom - first]

    def sparse(self, every: int) -> RawImage:
        """Every so many-th row as an image of its own, without a copy; of an encoding with planes, their brightness.

        An odd number, or a Bayer pattern is none any more.
        """
        encoding = "mono8" if has_planes(self.encoding) else self.encoding
        height = (self.height - 1) // every + 1
        return RawImage(self.data, height, self.width, encoding, every * self._step(), self.is_bigendian)

    def interleaved(self) -> np.ndarray | None:
        """(H, W, C) uint8, a view of the data; None for an encoding that is not one of `INTERLEAVED`.

        Raises UndecodableFrameError where the data do not fill the image.
        """
        if self.encoding not in INTERLEAVED:
            return None
        return view_pixels(self.data, self.height, self.width, INTERLEAVED[self.encoding], self.step)

    def _step(self) -> int:
        return self.step or row_bytes(self.encoding, self.width)
