"""A camera message's image as it came, still to be decoded: so that only what the model sees need be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.data.encodings import ImageBytes, decode_image, view_pixels


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

    def decode(self) -> np.ndarray:
        """RGB image (H, W, 3) uint8; raises what `decode_image` raises."""
        return decode_image(self.data, self.height, self.width, self.encoding, self.step, self.is_bigendian)

    def pixels(self, pixel_bytes: int) -> np.ndarray:
        """(H, W, pixel_bytes) uint8, a view of the data; raises UndecodableFrameError where they do not fill it."""
        return view_pixels(self.data, self.height, self.width, pixel_bytes, self.step)
