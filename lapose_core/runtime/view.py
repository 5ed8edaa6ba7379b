"""Whether an image shows anything: the model, trained on pictures of roads, trusts a black one as standing still."""

from __future__ import annotations

import cv2
import numpy as np

_SMALL = (64, 32)  # wide enough for what a camera sees, too small for its noise
#: Grey levels, standard deviation: below are a covered lens, glare and thick fog; a lit street at night is above.
_LEAST_CONTRAST = 3.0


def is_blind(image_HWC: np.ndarray) -> bool:
    """Whether an image (H, W, 3) uint8 is too plain to tell a motion."""
    small = cv2.resize(image_HWC, _SMALL, interpolation=cv2.INTER_AREA)
    return float(small.mean(axis=-1).std()) < _LEAST_CONTRAST
