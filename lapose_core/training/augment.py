"""Photometric augmentation: what cameras, lenses and codecs do to a picture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: Of every so many clips of a batch one has been compressed.
_COMPRESSED_EVERY = 3
#: Of a batch's clips, those without weak detail.
_SMOOTHED_SHARE = 0.4
#: JPEG's own quantisation of brightness at quality 50, in grey levels.
_QUANTISATION = [
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
]  # fmt: skip
_COSINES = [
    [math.sqrt((1 if k == 0 else 2) / 8) * math.cos((2 * n + 1) * k * math.pi / 16) for n in range(8)] for k in range(8)
]


def augment(frames_BTCHW: Tensor) -> Tensor:
    """Random exposure, colour, gamma, blur, smoothing, vignette, windscreen, noise, compression of uint8 clips.

    Returns float32, 0 to 1.

    Drawn per clip, with a little flicker per frame, so that brightness alone never tells the motion.
    """
    batch, length = frames_BTCHW.shape[:2]
    device = frames_BTCHW.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, device=device) * (high - low) + low

    def chosen(share: float) -> Tensor:
        return torch.rand(batch, 1, 1, 1, 1, device=device) < share

    frames = frames_BTCHW.float() / 255.0
    red, green, blue = frames.split(1, dim=2)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    saturation = torch.where(chosen(0.4), 0.0, uniform(0.6, 1.3, batch, 1, 1, 1, 1))
    frames = grey + (frames - grey) * saturation
    frames = frames * uniform(0.7, 1.35, batch, 1, 1, 1, 1) * uniform(0.9, 1.1, batch, 1, 3, 1, 1)
    frames = (frames - 0.45) * uniform(0.7, 1.4, batch, 1, 1, 1, 1) + 0.45
    frames = frames * uniform(0.95, 1.05, batch, length, 1, 1, 1) + uniform(-0.08, 0.08, batch, 1, 1, 1, 1)
    frames = frames.clamp(1e-4, 1.0) ** uniform(0.7, 1.5, batch, 1, 1, 1, 1)
    blurred = F.avg_pool2d(frames.flatten(0, 1), 3, 1, 1, count_include_pad=False).view_as(frames)
    frames = torch.lerp(frames, blurred, chosen(0.5) * uniform(0.2, 1.0, batch, 1, 1, 1, 1))
    # Clips come in no order: the first ones are as good as any, and cost what they are. Half of them are smoothed too.
    compressed = slice(0, batch // _COMPRESSED_EVERY)
    smoothed = slice(compressed.stop // 2, compressed.stop // 2 + max(1, round(_SMOOTHED_SHARE * batch)))
    frames[smoothed] = smooth(frames[smoothed], 10.0 ** uniform(-2.2, -1.2, batch, 1, 1, 1, 1)[smoothed])
    frames = frames * _vignette(frames, uniform(0.0, 0.5, batch, 1, 1, 1, 1) * chosen(0.3))
    frames = frames + windscreen(frames, 10.0 ** uniform(-2.3, -1.3, batch, 1, 1, 1, 1) * chosen(0.4))
    # What takes the weak detail takes the noise as well.
    noise = uniform(0.0, 0.03, batch, 1, 1, 1, 1)
    noise[smoothed] *= 0.2
    frames = frames + torch.randn_like(frames) * noise
    frames = frames.clamp(0.0, 1.0)
    frames[compressed] = compress(frames[compressed], 2.0 ** uniform(-2.0, 1.5, batch, 1, 1, 1, 1)[compressed])
    return frames


def smooth(frames_BTCHW: Tensor, threshold_B1111: Tensor) -> Tensor:
    """What a camera's noise filter and a video's codec leave of detail: all that is weaker than the threshold goes.

    Edges stay, asphalt does not: near roads look alike everywhere, and what does not move there is no match.
    """
    rest, detail = frames_BTCHW.flatten(0, 1), 0
    threshold = threshold_B1111.expand(-1, frames_BTCHW.shape[1], -1, -1, -1).flatten(0, 1)
    for size in (5, 17):
        blurred = rest
        for _ in range(2):
            for window in ((1, size), (size, 1)):
                margin = (window[0] // 2, window[1] // 2)
                blurred = F.avg_pool2d(blurred, window, 1, margin, count_include_pad=False)
        fine = rest - blurred
        detail = detail + fine - fine.clamp(-threshold, threshold)
        rest = blurred
    return (rest + detail).view_as(frames_BTCHW)


def windscreen(frames_BTCHW: Tensor, strength_B1111: Tensor) -> Tensor:
    """What the windscreen adds to each frame of a clip alike, dirt and reflections (B, 1, 1, H, W).

    On a road without texture it is all there is to match, and it stands still.
    """
    batch, (height, width) = len(frames_BTCHW), frames_BTCHW.shape[-2:]
    layers = [
        F.interpolate(
            torch.randn(batch, 1, max(2, height // cell), max(2, width // cell), device=frames_BTCHW.device),
            size=(height, width), mode="bicubic", align_corners=False,
        )
        for cell in (4, 12, 40)
    ]  # fmt: skip
    return strength_B1111 * sum(layers)[:, None]


def compress(frames_BTCHW: Tensor, strength_B1111: Tensor) -> Tensor:
    """What JPEG leaves of pictures in [0, 1]: each 8 x 8 block's cosine coefficients, rounded.

    Args:
        strength_B1111: factor on JPEG's steps at quality 50; 0.25 is about quality 88, 2.8 about 18.
    """
    length, channels, height, width = frames_BTCHW.shape[1:]
    planes = F.pad(frames_BTCHW.flatten(0, 1), (0, -width % 8, 0, -height % 8), mode="replicate").flatten(0, 1)
    cosines = torch.tensor(_COSINES, device=planes.device)
    waves = torch.einsum("ky,lx->klyx", cosines, cosines).reshape(64, 1, 8, 8)
    steps = torch.tensor(_QUANTISATION, device=planes.device).reshape(64, 1, 1) / 255.0
    steps = (strength_B1111.reshape(-1, 1, 1, 1) * steps).repeat_interleave(length * channels, 0)
    rounded = torch.round(F.conv2d(planes[:, None] - 0.5, waves, stride=8) / steps) * steps
    planes = F.conv_transpose2d(rounded, waves, stride=8)[:, 0] + 0.5
    return planes[:, :height, :width].reshape(frames_BTCHW.shape).clamp(0.0, 1.0)


def _vignette(frames_BTCHW: Tensor, strength_B1111: Tensor) -> Tensor:
    height, width = frames_BTCHW.shape[-2:]
    y = torch.linspace(-1, 1, height, device=frames_BTCHW.device)[:, None]
    x = torch.linspace(-1, 1, width, device=frames_BTCHW.device)[None, :]
    return 1.0 - strength_B1111 * (x * x + y * y) / 2
