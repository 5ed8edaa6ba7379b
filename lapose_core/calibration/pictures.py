"""What spoils pictures: clips as cameras give them, some of them dark, blurred, noisy or with something on the lens."""

from __future__ import annotations

import cv2
import numpy as np

#: Share of the clips that are as a good camera gives them.
_GOOD_SHARE = 0.5


def spoil(rng: np.random.Generator, frames_THWC: np.ndarray) -> np.ndarray:
    """A clip (T, H, W, 3) uint8 as a camera, good or in trouble, would have taken it; drawn once for all its frames."""
    gain, gamma = rng.uniform(0.75, 1.25), rng.uniform(0.8, 1.3)
    noise, quality, blur = rng.uniform(0.0, 4.0), int(rng.integers(55, 97)), rng.uniform(0.0, 0.8)
    cover = None
    if rng.random() > _GOOD_SHARE:
        trouble = rng.choice(["dark", "blur", "noise", "cover"])
        if trouble == "dark":
            gain, noise = float(np.exp(rng.uniform(np.log(0.05), np.log(0.4)))), rng.uniform(0.5, 2.0)
        elif trouble == "blur":
            blur = rng.uniform(1.0, 6.0)
        elif trouble == "noise":
            noise, quality = rng.uniform(5.0, 20.0), int(rng.integers(15, 60))
        else:
            cover = _cover(rng, *frames_THWC.shape[1:3])
    spoilt = np.empty_like(frames_THWC)
    for frame, out in zip(frames_THWC, spoilt, strict=True):
        seen = 255.0 * gain * (frame / 255.0) ** gamma * rng.uniform(0.97, 1.03)
        if blur > 0.3:
            seen = cv2.GaussianBlur(seen, (0, 0), blur)
        if cover is not None:
            alpha, colour = cover
            seen = seen * (1 - alpha) + colour * alpha
        seen = np.clip(seen + rng.normal(0.0, noise, seen.shape), 0, 255).astype(np.uint8)
        out[:] = cv2.imdecode(cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return spoilt


def _cover(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, float]:
    """What lies on the lens, out of focus: how much it hides (H, W, 1), and its grey level."""
    alpha = np.zeros((height, width), np.float32)
    if rng.random() < 0.5:  # one side
        share = rng.uniform(0.2, 0.6)
        side = rng.choice(["left", "right", "below"])
        rows, columns = round(share * height), round(share * width)
        part = {"left": np.s_[:, :columns], "right": np.s_[:, -columns:], "below": np.s_[-rows:]}[str(side)]
        alpha[part] = 1.0
    else:  # drops and dirt
        for _ in range(int(rng.integers(5, 30))):
            centre = int(rng.integers(width)), int(rng.integers(height))
            cv2.circle(alpha, centre, int(rng.integers(5, 40)), 1.0, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(1.0, 8.0))
    return rng.uniform(0.7, 1.0) * alpha[..., None], float(rng.uniform(20, 220))
