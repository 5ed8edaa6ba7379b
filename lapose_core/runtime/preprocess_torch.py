"""The preprocessing of `data/preprocess.py` in torch: on a GPU the camera's bytes cross the bus once, as they are.

The arithmetic is that of OpenCV without its rounding in between, so that results differ by at most one of 255 levels in
a pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lapose_core.data.encodings import UndecodableFrameError, row_bytes
from lapose_core.data.preprocess import Crop, Image, PrincipalPoint, find_crop
from lapose_core.data.raw_image import RawImage
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.replay import Replay

#: Encoding -> (bytes a pixel, places of red, green and blue among them).
_CHANNELS = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "mono16": (2, (0, 0, 0)),
}
#: Encoding -> places of Y, U and V among the four bytes of two pixels: Y0, Y1, U, V.
_YUV422 = {"yuv422": (1, 3, 0, 2), "uyvy": (1, 3, 0, 2), "yuv422_yuy2": (0, 2, 1, 3), "yuyv": (0, 2, 1, 3)}
#: Bayer pattern -> row and column of red among its 2x2 pixels; blue is diagonally opposite.
_RED_AT = {"rggb": (0, 0), "grbg": (0, 1), "gbrg": (1, 0), "bggr": (1, 1)}
_BAYER = {f"bayer_{pattern}{bits}": (at, bits // 8) for pattern, at in _RED_AT.items() for bits in (8, 16)}

TENSOR_ENCODINGS = (*_CHANNELS, *_YUV422, *_BAYER)


class TensorPreparer:
    """Camera bytes to the model's input (3, h, w) uint8 RGB, on a device.

    For each kind of image (size, encoding, crop) buffers are made once: pinned memory that the bytes are copied to, the
    device's copy of it, and a CUDA graph of the rest.
    """

    def __init__(self, config: ModelConfig, device: torch.device, stream: torch.cuda.Stream | None) -> None:
        self._config, self._device, self._stream = config, device, stream
        self._inputs: dict[tuple, _CameraInput] = {}

    def can_prepare(self, image: Image) -> bool:
        """Whether the encoding is known here; RGB and grey arrays are."""
        return isinstance(image, np.ndarray) or image.encoding in TENSOR_ENCODINGS

    def __call__(self, image: Image, principal_point: PrincipalPoint = None) -> Tensor:
        """Raises what `prepare_frame` raises."""
        raw = _raw_of(image) if isinstance(image, np.ndarray) else image
        kind = (raw.height, raw.width, raw.encoding, raw.step, raw.is_bigendian, principal_point)
        raw.check()
        if kind not in self._inputs:
            crop = find_crop(raw.width, raw.height, self._config, principal_point)
            size = (self._config.image_height, self._config.image_width)
            prepare = tensor_preprocessing(raw, crop, size, self._device)
            self._inputs[kind] = _CameraInput(raw, prepare, self._device, self._stream)
        return self._inputs[kind](raw)


class _CameraInput:
    """The buffers for one kind of image."""

    def __init__(
        self,
        image: RawImage,
        prepare: Callable[[Tensor], Tensor],
        device: torch.device,
        stream: torch.cuda.Stream | None,
    ) -> None:
        size = _byte_count(image)
        self._host = torch.empty(size, dtype=torch.uint8, pin_memory=stream is not None)
        self._host_array = self._host.numpy()
        self._device_bytes = torch.empty(size, dtype=torch.uint8, device=device)
        self._stream = stream

        def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"frame_CHW": prepare(inputs["bytes"])}

        self._run = run if stream is None else Replay(run, stream)

    def __call__(self, image: RawImage) -> Tensor:
        if self._stream is not None:
            self._stream.synchronize()  # the last frame's copy may still read the pinned memory
        np.copyto(self._host_array, np.frombuffer(image.data, np.uint8)[: self._host_array.size])
        self._device_bytes.copy_(self._host, non_blocking=True)
        return self._run({"bytes": self._device_bytes})["frame_CHW"].clone()


def tensor_preprocessing(
    image: RawImage, crop: Crop, size_HW: tuple[int, int], device: torch.device
) -> Callable[[Tensor], Tensor]:
    """A function from bytes (N,) uint8 to the model's input (3, h, w) uint8, for images like this one."""
    rows_hH = _area_weights(crop.height, size_HW[0]).to(device)
    columns_wW = _area_weights(crop.width, size_HW[1]).to(device)
    bottom, right = crop.top + crop.height, crop.left + crop.width

    def prepare(data_N: Tensor) -> Tensor:
        rgb_HWC = decode_bytes(data_N, image)[crop.top : bottom, crop.left : right]
        shrunk_hWC = (rows_hH @ rgb_HWC.reshape(crop.height, -1)).view(size_HW[0], crop.width, -1)
        small_ChW = shrunk_hWC.permute(2, 0, 1).reshape(-1, crop.width)
        small_Chw = (small_ChW @ columns_wW.T).view(-1, *size_HW)
        return small_Chw.round().clamp(0, 255).to(torch.uint8).expand(3, -1, -1).contiguous()

    return prepare


def decode_bytes(data_N: Tensor, image: RawImage) -> Tensor:
    """Bytes (N,) uint8 of an image like this one to (H, W, 3) float RGB, 0 to 255; (H, W, 1) where it is grey."""
    if image.encoding in _CHANNELS:
        pixel_bytes, places = _CHANNELS[image.encoding]
        pixels_HWp = _pixels(data_N, image, pixel_bytes)
        if image.encoding == "mono16":
            return _sixteen_bits(pixels_HWp, image.is_bigendian)[..., None]
        return pixels_HWp.float() if pixel_bytes == 1 else torch.stack([pixels_HWp[..., p] for p in places], -1).float()
    if image.encoding in _YUV422:
        return _from_yuv422(_pixels(data_N, image, 2), _YUV422[image.encoding])
    red_at, pixel_bytes = _BAYER[image.encoding]
    pixels_HWp = _pixels(data_N, image, pixel_bytes)
    mosaic_HW = pixels_HWp[..., 0].float() if pixel_bytes == 1 else _sixteen_bits(pixels_HWp, image.is_bigendian)
    return _from_bayer(mosaic_HW, red_at)


def _from_yuv422(pixels_HW2: Tensor, places: tuple[int, int, int, int]) -> Tensor:
    """BT.601 of limited range; two pixels share their colour (OpenCV does not interpolate it either)."""
    height, width, _ = pixels_HW2.shape
    pairs = pixels_HW2.reshape(height, width // 2, 4).float()
    first, second, u, v = (pairs[..., place] for place in places)
    luma_HW = 1.164 * (torch.stack([first, second], -1).flatten(1) - 16).clamp(min=0)
    u_HW, v_HW = ((part - 128).repeat_interleave(2, dim=1) for part in (u, v))
    red, green, blue = luma_HW + 1.596 * v_HW, luma_HW - 0.813 * v_HW - 0.391 * u_HW, luma_HW + 2.018 * u_HW
    return torch.stack([red, green, blue], -1).clamp(0, 255)


def _from_bayer(mosaic_HW: Tensor, red_at: tuple[int, int]) -> Tensor:
    """Bilinear interpolation; the outermost pixels repeat their neighbours (OpenCV's `demosaicing`)."""
    height, width = mosaic_HW.shape
    row = torch.arange(height, device=mosaic_HW.device)[:, None] % 2
    column = torch.arange(width, device=mosaic_HW.device) % 2
    is_red = (row == red_at[0]) & (column == red_at[1])
    is_blue = (row != red_at[0]) & (column != red_at[1])
    planes = [mosaic_HW * is_red, mosaic_HW * ~(is_red | is_blue), mosaic_HW * is_blue]
    red, green, blue = (F.pad(plane, (1, 1, 1, 1)) for plane in planes)

    def spread(padded: Tensor) -> Tensor:
        rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
        return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4

    beside = green[:-2, 1:-1] + green[2:, 1:-1] + green[1:-1, :-2] + green[1:-1, 2:]
    rgb_CHW = torch.stack([spread(red), planes[1] + beside / 4 * (is_red | is_blue), spread(blue)])
    return F.pad(rgb_CHW[None, :, 1:-1, 1:-1], (1, 1, 1, 1), mode="replicate")[0].permute(1, 2, 0)


def _sixteen_bits(pixels_HW2: Tensor, is_bigendian: bool) -> Tensor:
    """(H, W) float, 0 to 255."""
    high, low = (0, 1) if is_bigendian else (1, 0)
    return (pixels_HW2[..., high].float() * 256 + pixels_HW2[..., low].float()) * (255 / 65535)


def _pixels(data_N: Tensor, image: RawImage, pixel_bytes: int) -> Tensor:
    """(H, W, pixel_bytes) uint8, a view."""
    step = image.step or image.width * pixel_bytes
    return data_N.as_strided((image.height, image.width, pixel_bytes), (step, pixel_bytes, 1))


def _byte_count(image: RawImage) -> int:
    """Bytes that an image needs; the last row's padding may be missing."""
    if image.encoding in _YUV422 and image.width % 2:
        raise UndecodableFrameError(
            f"{image.width}x{image.height} is no size for an image of encoding {image.encoding!r}"
        )
    row = row_bytes(image.encoding, image.width)
    return (image.height - 1) * (image.step or row) + row


def _raw_of(image_HWC: np.ndarray) -> RawImage:
    """An RGB or grey array as the message that it could have been."""
    is_grey = image_HWC.ndim == 2 or image_HWC.shape[2] == 1
    height, width = image_HWC.shape[:2]
    return RawImage(np.ascontiguousarray(image_HWC).reshape(-1), height, width, "mono8" if is_grey else "rgb8")


def _area_weights(count: int, smaller: int) -> Tensor:
    """(smaller, count): each new pixel is the mean of the old ones that it covers (OpenCV's INTER_AREA)."""
    edges = torch.arange(smaller + 1, dtype=torch.float64) * (count / smaller)
    start, end = edges[:-1, None], edges[1:, None]
    old = torch.arange(count, dtype=torch.float64)
    overlap = (torch.minimum(end, old + 1) - torch.maximum(start, old)).clamp(min=0)
    return (overlap / overlap.sum(1, keepdim=True)).float()
