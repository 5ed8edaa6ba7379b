"""Colours for a trajectory: how uncertain each of its positions is."""

from __future__ import annotations

import cv2
import numpy as np

#: The colours' ends, metres: blue is this sure or surer, red this unsure or more. Between them by the logarithm.
SURE_M, UNSURE_M = 0.1, 100.0


def position_deviation(covariances_N66: np.ndarray) -> np.ndarray:
    """Standard deviation (N,), metres, of each position along its most uncertain direction."""
    return np.sqrt(np.maximum(np.linalg.eigvalsh(covariances_N66[:, :3, :3])[:, -1], 0.0))


def uncertainty_colours(deviation_N: np.ndarray) -> np.ndarray:
    """RGB (N, 3) uint8, blue to red (the colour map Turbo), of standard deviations in metres."""
    share_N = np.log(np.maximum(deviation_N, SURE_M) / SURE_M) / np.log(UNSURE_M / SURE_M)
    grey_N1 = np.rint(255 * (0.1 + 0.8 * np.minimum(share_N, 1.0))).astype(np.uint8)[:, None]
    return cv2.applyColorMap(grey_N1, cv2.COLORMAP_TURBO)[:, 0, ::-1]
