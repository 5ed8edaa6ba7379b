"""Whether an image shows anything: the model, trained on pictures of roads, trusts a black one as standing still."""

from __future__ import annotations

import cv2
import numpy as np

from lapose_core.data.preprocess import Image

_SMALL = (64, 32)  # wide enough for what a camera sees, too small for its noise
#: Rows that are looked at, at least where there are so many: a mean over them has lost its noise too.
_ROWS = 160
#: Grey levels, standard deviation: below are a covered lens, glare and thick fog; a lit street at night is above.
_LEAST_CONTRAST = 3.0


def is_blind(image: Image) -> bool:
    """Whether an image, of a size and encoding that the model has taken, is too plain to tell a motion."""
    every = max(1, image.shape[0] // _ROWS) | 1
    rows = image[::every] if isinstance(image, np.ndarray) else image.sparse(every).decode()
    small = cv2.resize(rows, _SMALL, interpolation=cv2.INTER_AREA).reshape(*_SMALL[::-1], -1)
    return float(small.mean(axis=-1).std()) < _LEAST_CONTRAST
