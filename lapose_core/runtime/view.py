"""What an image shows, seen small and grey: how much of it can be matched, and whether it shows anything at all."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lapose_core.data.preprocess import Image

#: Width of a view, pixels: half of what `compact` sees, so that a millimetre of creeping still shows.
_WIDTH = 240
#: Of a tile, pixels of the view, on each side.
TILE = 16
#: Grey levels a pixel of slope and of noise: a tile with less of one than of the other tells little.
_FAINT = 2.0

_SMALL = (64, 32)  # wide enough for what a camera sees, too small for its noise
#: Rows that are looked at, at least where there are so many: a mean over them has lost its noise too.
_ROWS = 160
#: Grey levels, standard deviation: below are a covered lens, glare and thick fog; a lit street at night is above.
_LEAST_CONTRAST = 3.0

#: Slope from the pixels beside; and what answers noise of one grey level by six, smooth brightness by none (Immerkaer
#: 1996).
SLOPE = np.array([[-0.5, 0.0, 0.5]], np.float32)
#: Slopes of a sharp picture, squared, over those of the same at half its size; one that is all blur has a quarter.
_SHARP, _BLURRED, _LEAST_SHARPNESS = 0.5, 0.25, 0.05
_ROUGHNESS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


@dataclass(frozen=True)
class View:
    """What the model sees of an image, small and grey.

    Attributes:
        picture_HW: grey, in the size of the model's input; uint8.
        grey_HW: smaller; float32 grey levels, 0 to 255.
        sight: share of the picture that can be matched, where slopes stand out against noise; of its left, right or
            lower half, whichever is poorest, times how sharp it is. Near 0.8 in daylight; less in the dark, out of
            focus and where something covers the lens.
        is_blind: too plain to tell a motion.
    """

    picture_HW: np.ndarray
    grey_HW: np.ndarray
    sight: float
    is_blind: bool


def look(image: Image, picture_HW: np.ndarray) -> View:
    """The view of an image that the model has taken, as `picture_HW` (`Backend.picture`)."""
    height, width = picture_HW.shape
    small = min(_WIDTH, width)
    size = small, round(small * height / width)
    grey_HW = cv2.resize(picture_HW, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return View(picture_HW, grey_HW, _sight(grey_HW), is_blind(image))


def is_blind(image: Image) -> bool:
    """Whether an image, of a size and encoding that the model has taken, is too plain to tell a motion."""
    every = max(1, image.shape[0] // _ROWS) | 1
    small = cv2.resize(_sparse(image, every), _SMALL, interpolation=cv2.INTER_AREA).reshape(*_SMALL[::-1], -1)
    return float(small.mean(axis=-1).std()) < _LEAST_CONTRAST


def tiles(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a picture's tiles."""
    return max(1, shape[0] // TILE), max(1, shape[1] // TILE)


def tile_means(picture_HW: np.ndarray) -> np.ndarray:
    """Mean of each tile, (rows, columns); what is left over at the edges is shared out."""
    return cv2.resize(picture_HW, tiles(picture_HW.shape)[::-1], interpolation=cv2.INTER_AREA)


def _sparse(image: Image, every: int) -> np.ndarray:
    return image[::every] if isinstance(image, np.ndarray) else image.sparse(every).decode()


def _sight(grey_HW: np.ndarray) -> float:
    slope_HW = _squared_slope(grey_HW)
    slope = tile_means(slope_HW)
    noise = np.pi / 72 * tile_means(np.abs(cv2.filter2D(grey_HW, -1, _ROUGHNESS))) ** 2
    # White noise alone has slopes of its own variance.
    seen = np.maximum(slope - noise, 0.0)
    share = seen / (seen + noise + _FAINT**2)
    rows, columns = share.shape
    halves = share[:, : (columns + 1) // 2], share[:, columns // 2 :], share[rows // 2 :]
    half_size = cv2.resize(grey_HW, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    ratio = float(slope_HW.mean() / max(float(_squared_slope(half_size).mean()), 1e-6))
    sharpness = np.clip((ratio - _BLURRED) / (_SHARP - _BLURRED), _LEAST_SHARPNESS, 1.0)
    return float(sharpness) * min(float(half.mean()) for half in halves)


def _squared_slope(grey_HW: np.ndarray) -> np.ndarray:
    across, along = cv2.filter2D(grey_HW, -1, SLOPE), cv2.filter2D(grey_HW, -1, SLOPE.T)
    return across * across + along * along
