"""The peer: ORB features, brute-force matching and five-point RANSAC by OpenCV, with known intrinsics."""

from __future__ import annotations

import cv2
import numpy as np


class OrbFivePoint:
    """Visual odometry up to scale, image by image; 2,000 features at the image's full size."""

    def __init__(self, features: int = 2000) -> None:
        self._orb = cv2.ORB_create(features)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
        self._previous: tuple | None = None

    def register(self, image_HWC: np.ndarray) -> np.ndarray | None:
        """Rotation and direction (3, 4) since the image before; None for the first, and where it fails."""
        grey = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
        current = self._orb.detectAndCompute(grey, None)
        previous, self._previous = self._previous, current
        if previous is None or previous[1] is None or current[1] is None:
            return None
        matches = self._matcher.match(previous[1], current[1])
        if len(matches) < 8:
            return None
        before = np.float64([previous[0][match.queryIdx].pt for match in matches])
        after = np.float64([current[0][match.trainIdx].pt for match in matches])
        height, width = grey.shape
        camera = np.array([[0.7 * width, 0, width / 2], [0, 0.7 * width, height / 2], [0, 0, 1]])
        essential, inliers = cv2.findEssentialMat(before, after, camera, cv2.RANSAC, 0.999, 1.0)
        if essential is None or essential.shape != (3, 3):
            return None
        _, rotation, direction, _ = cv2.recoverPose(essential, before, after, camera, mask=inliers)
        return np.hstack([rotation, direction])
