"""Classic monocular visual odometry, two frames at a time: ORB features, brute-force matching, five-point RANSAC.

It finds the rotation and the direction of travel, and needs to be told the camera and how far the vehicle went. Given
both it is the reference; without them it is what a user has who has nothing but a camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lapose_core.data.raw_image import RawImage
from lapose_core.data.source import Intrinsics
from lapose_core.evaluation.method import ClipEstimate, Method, Newest

#: What is taken where the camera is not known: a usual front camera, its principal point in the middle.
GUESSED_FOV_X_DEG = 60.0
#: What is taken where nobody tells how far the vehicle went: a usual speed in town.
GUESSED_SPEED_M_S = 10.0
_FEWEST_MATCHES = 8


@dataclass(frozen=True)
class Keypoints:
    """Features of one image: places (N, 2) in pixels, descriptors (N, 32) uint8, and the image's (width, height)."""

    places_N2: np.ndarray
    descriptors_ND: np.ndarray
    size_WH: tuple[int, int]


class OrbMatcher:
    """ORB features at the image's full size, matched by brute force where both are each other's nearest."""

    def __init__(self, features: int = 2000) -> None:
        self._orb = cv2.ORB_create(features)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)

    def describe(self, image_HWC: np.ndarray | RawImage) -> Keypoints:
        """Features of an RGB image; raises what `RawImage.decode` raises."""
        image = image_HWC.decode() if isinstance(image_HWC, RawImage) else image_HWC
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found, descriptors_ND = self._orb.detectAndCompute(grey, None)
        if descriptors_ND is None:
            descriptors_ND = np.zeros((0, 32), np.uint8)
        places_N2 = np.array([keypoint.pt for keypoint in found], np.float64).reshape(-1, 2)
        return Keypoints(places_N2, descriptors_ND, (grey.shape[1], grey.shape[0]))

    def match(self, previous: Keypoints, current: Keypoints) -> np.ndarray:
        """Places (M, 2, 2) of the same points in both images."""
        if not len(previous.places_N2) or not len(current.places_N2):
            return np.zeros((0, 2, 2))
        matches = self._matcher.match(previous.descriptors_ND, current.descriptors_ND)
        pairs = np.array([(match.queryIdx, match.trainIdx) for match in matches], int).reshape(-1, 2)
        return np.stack([previous.places_N2[pairs[:, 0]], current.places_N2[pairs[:, 1]]], axis=1)


def five_point_motion(places_M22: np.ndarray, camera_33: np.ndarray) -> np.ndarray | None:
    """Pose (4, 4) of the second camera in the first, its translation of length 1; None where it cannot be found.

    Args:
        places_M22: points in both images, pixels.
        camera_33: intrinsic matrix of both.
    """
    if len(places_M22) < _FEWEST_MATCHES:
        return None
    before, after = np.ascontiguousarray(places_M22[:, 0]), np.ascontiguousarray(places_M22[:, 1])
    essential, inliers = cv2.findEssentialMat(before, after, camera_33, cv2.RANSAC, 0.999, 1.0)
    if essential is None or essential.shape != (3, 3):
        return None
    _, rotation, direction, _ = cv2.recoverPose(essential, before, after, camera_33, mask=inliers)
    motion = np.eye(4)
    motion[:3, :3] = rotation.T
    motion[:3, 3] = -rotation.T @ direction[:, 0]
    return motion


class OrbFivePoint(Method):
    """ORB and five-point RANSAC, with step lengths that are either the true ones or those of a usual speed.

    Where two frames give no motion, it goes on straight ahead.
    """

    def __init__(
        self,
        name: str,
        describe: Callable[[np.ndarray | RawImage], Keypoints],
        solve: Callable[[Keypoints, Keypoints], np.ndarray | None],
        true_lengths: bool,
    ) -> None:
        self.name = name
        self._describe, self._solve, self._true_lengths = describe, solve, true_lengths

    def describe(self, image_HWC: np.ndarray | RawImage) -> Keypoints:
        return self._describe(image_HWC)

    def compare(self, previous: Keypoints, current: Keypoints, interval_s: float) -> np.ndarray | None:
        return self._solve(previous, current)

    def estimate(self, steps: list[np.ndarray | None], intervals_S: np.ndarray, truth_S44: np.ndarray) -> ClipEstimate:
        ahead = np.eye(4)
        ahead[2, 3] = 1.0
        motions_S44 = np.array([ahead if step is None else step for step in steps])
        true_S = np.linalg.norm(truth_S44[:, :3, 3], axis=-1)
        length_S = true_S if self._true_lengths else GUESSED_SPEED_M_S * intervals_S
        motions_S44[:, :3, 3] *= length_S[:, None]
        return ClipEstimate(motions_S44)


def orb_methods(intrinsics: Intrinsics | None) -> list[Method]:
    """With the true camera and true lengths, and without either; the rows with the camera only where it is known."""
    matcher = OrbMatcher()
    describe, match = Newest(matcher.describe), Newest(matcher.match)

    def solver(known: Intrinsics | None) -> Callable[[Keypoints, Keypoints], np.ndarray | None]:
        def solve(previous: Keypoints, current: Keypoints) -> np.ndarray | None:
            return five_point_motion(match(previous, current), _camera(known, current.size_WH))

        return Newest(solve)

    guessing = solver(None)
    methods: list[Method] = [
        OrbFivePoint("ORB + five-point, nothing known", describe, guessing, true_lengths=False),
    ]
    if intrinsics is not None:
        knowing = solver(intrinsics)
        methods = [
            OrbFivePoint("ORB + five-point, known camera, true step lengths", describe, knowing, true_lengths=True),
            OrbFivePoint("ORB + five-point, known camera", describe, knowing, true_lengths=False),
            *methods,
        ]
    return methods


def _camera(intrinsics: Intrinsics | None, size_WH: tuple[int, int]) -> np.ndarray:
    """Intrinsic matrix; the guessed one where the camera is not known."""
    width, height = size_WH
    focal = width / (2.0 * math.tan(math.radians(GUESSED_FOV_X_DEG) / 2.0))
    if intrinsics is None:
        return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return np.array([[intrinsics.fx, 0.0, intrinsics.cx], [0.0, intrinsics.fy, intrinsics.cy], [0.0, 0.0, 1.0]])
