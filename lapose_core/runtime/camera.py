"""What is known of the camera: its calibration, and images rectified and centred by it.

The models of ROS's `sensor_msgs/CameraInfo`, by OpenCV: `plumb_bob` and `rational_polynomial` are
`cv2.initUndistortRectifyMap`, `equidistant` is `cv2.fisheye` (Kannala and Brandt, 2006).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from lapose_core.data.preprocess import Image
from lapose_core.data.raw_image import RawImage
from lapose_core.errors import LaposeError

#: Distortion model -> how many coefficients it may have; fewer of `plumb_bob` are filled up with zeros.
DISTORTION_MODELS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8, 12, 14), "equidistant": (0, 4)}
_OTHER_NAMES = {"": "plumb_bob", "none": "plumb_bob", "fisheye": "equidistant"}

#: Wide cameras are cut here: beyond it a flat image stretches too much for the model, which has seen up to 105 degrees.
_WIDEST_HALF_ANGLE_RAD = math.radians(55.0)
#: Pixels by which rectification may move a corner or an edge before it is worth its time.
_NEGLIGIBLE_PX = 2.0
_BORDER_POINTS = 33  # along each edge, where the distortion is looked at


@dataclass(frozen=True, eq=False)
class Calibration:
    """How a camera draws the world, in pixels.

    Attributes:
        width, height: size of the images that it is for.
        matrix: (3, 3) with focal lengths and principal point.
        distortion: coefficients in the order of ROS and OpenCV.
        model: one of `DISTORTION_MODELS`.
    """

    width: int
    height: int
    matrix: np.ndarray
    distortion: np.ndarray
    model: str

    @classmethod
    def from_camera_info(
        cls,
        *,
        width: int,
        height: int,
        k: np.ndarray,
        d: np.ndarray,
        p: np.ndarray,
        model: str,
        binning: tuple[int, int] = (1, 1),
        roi: tuple[int, int, int, int] = (0, 0, 0, 0),
        rectified: bool = False,
    ) -> Calibration:
        """From the fields of a `sensor_msgs/CameraInfo`.

        Args:
            k, d, p: (9,), (N,) and (12,).
            binning: across and down; 0 means 1.
            roi: left, top, width and height of the part that is sent, in pixels before binning; a size of 0 means all.
            rectified: the images are rectified already, so that `p` describes them.

        Raises LaposeError for a camera that is not calibrated or has an unknown distortion model.
        """
        model = _OTHER_NAMES.get(model, model)
        matrix = np.array(p, float).reshape(3, 4)[:, :3] if rectified else np.array(k, float).reshape(3, 3)
        distortion = np.zeros(0) if rectified else np.array(d, float).ravel()
        if not rectified and model not in DISTORTION_MODELS:
            raise LaposeError(
                f"distortion model {model!r} is not supported: publish one of {', '.join(DISTORTION_MODELS)}"
            )
        if not rectified and len(distortion) not in DISTORTION_MODELS[model]:
            counts = " or ".join(map(str, DISTORTION_MODELS[model]))
            raise LaposeError(f"{len(distortion)} coefficients do not make a {model} distortion: publish {counts}")
        if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and np.all(np.isfinite(matrix)) and width > 0 and height > 0):
            raise LaposeError("the camera is not calibrated (its focal length or size is 0): calibrate it")
        left, top, roi_width, roi_height = roi
        across, down = max(binning[0], 1), max(binning[1], 1)
        matrix = matrix - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]])
        matrix = np.diag([1 / across, 1 / down, 1]) @ matrix
        return cls((roi_width or width) // across, (roi_height or height) // down, matrix, distortion, model)

    def for_size(self, width: int, height: int) -> Calibration:
        """The same camera with its images scaled; raises LaposeError where they have another shape."""
        if (width, height) == (self.width, self.height):
            return self
        across, down = width / self.width, height / self.height
        if abs(across / down - 1) > 0.01:
            raise LaposeError(
                f"camera_info is for {self.width}x{self.height} and the images are {width}x{height}: publish the "
                "camera_info of these images"
            )
        return Calibration(width, height, np.diag([across, down, 1]) @ self.matrix, self.distortion, self.model)

    def same_as(self, other: Calibration | None) -> bool:
        """Whether the images need no other rectification; cameras send their calibration again with each image."""
        return (
            other is not None
            and (self.width, self.height, self.model) == (other.width, other.height, other.model)
            and np.array_equal(self.matrix, other.matrix)
            and np.array_equal(self.distortion, other.distortion)
        )

    def undistort(self, points_N2: np.ndarray) -> np.ndarray:
        """Where the pixels (N, 2) lie on the plane at distance 1, (N, 2); nan beyond the half sphere of a fisheye."""
        points_N12 = np.asarray(points_N2, float)[:, None]
        if not self.distortion.size:
            homogeneous = np.linalg.solve(self.matrix, np.c_[points_N12[:, 0], np.ones(len(points_N12))].T)
            return homogeneous[:2].T
        if self.model == "equidistant":
            plane_N2 = cv2.fisheye.undistortPoints(points_N12, self.matrix, self.distortion)[:, 0]
            # OpenCV gives huge numbers for rays that never meet the plane.
            return np.where(np.abs(plane_N2) < 1e3, plane_N2, np.nan)
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9)
        undistort = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)  # OpenCV 4 and 5
        return undistort(points_N12, self.matrix, self.distortion, R=None, P=None, criteria=criteria)[:, 0]


class Rectifier:
    """Undistorts images and cuts them evenly round the principal point, at their width.

    Attributes:
        calibration: of the images that go in.
        fov_x_rad: horizontal field of view of what comes out.
    """

    def __init__(self, calibration: Calibration) -> None:
        """Raises LaposeError where the calibration cannot be true."""
        self.calibration = calibration
        half_x, half_y = _half_extent(calibration)
        self.fov_x_rad = 2.0 * math.atan(half_x)
        self._focal = 0.5 * calibration.width / half_x
        self._height = round(2.0 * self._focal * half_y)

    @property
    def middle(self) -> tuple[float, float]:
        """Of what comes out, pixels: there the principal point is."""
        return 0.5 * self.calibration.width, 0.5 * self._height

    @cached_property
    def is_needed(self) -> bool:
        """Whether rectified images differ from those that come in by more than two pixels."""
        calibration = self.calibration
        corners = np.array([[x, y] for x in (0, calibration.width - 1) for y in (0, calibration.height - 1)], float)
        moved = calibration.undistort(corners) * self._focal + self._principal_point - corners
        resized = abs(self._height - calibration.height) > _NEGLIGIBLE_PX
        return bool(resized or not np.all(np.abs(moved) <= _NEGLIGIBLE_PX))

    def rectify(self, image: Image) -> Image:
        """What a pinhole camera with its principal point in the centre sees: (H', W, 3) uint8 RGB from (H, W, 3).

        A camera's bytes keep their encoding where it can be rectified as it is, and are decoded where not; raises what
        `RawImage.decode` raises.
        """
        if not self.is_needed:
            return image
        if isinstance(image, np.ndarray):
            return self._remap(image)
        pixels_HWC = image.interleaved()
        if pixels_HWC is None:
            return self._remap(image.decode())
        return RawImage(self._remap(pixels_HWC).reshape(-1), self._height, image.width, image.encoding)

    def _remap(self, image_HWC: np.ndarray) -> np.ndarray:
        return cv2.remap(image_HWC, *self._maps, interpolation=cv2.INTER_LINEAR)

    @property
    def _principal_point(self) -> np.ndarray:
        return 0.5 * np.array([self.calibration.width - 1, self._height - 1])

    @cached_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """For each pixel of the result, where it comes from."""
        calibration, size = self.calibration, (self.calibration.width, self._height)
        matrix = np.diag([self._focal, self._focal, 1.0])
        matrix[:2, 2] = self._principal_point
        make = (
            cv2.fisheye.initUndistortRectifyMap if calibration.model == "equidistant" else cv2.initUndistortRectifyMap
        )
        distortion = calibration.distortion if calibration.distortion.size else np.zeros(4)
        return make(calibration.matrix, distortion, np.eye(3), matrix, size, cv2.CV_16SC2)


def _half_extent(calibration: Calibration) -> tuple[float, float]:
    """Half width and height, on the plane at distance 1, of the largest view round the axis that the image fills."""
    right, bottom = calibration.width - 1.0, calibration.height - 1.0
    across, down = np.linspace(0, right, _BORDER_POINTS), np.linspace(0, bottom, _BORDER_POINTS)
    widest = math.tan(_WIDEST_HALF_ANGLE_RAD)

    def nearest(xs: np.ndarray | float, ys: np.ndarray | float, axis: int, sign: float) -> float:
        """How near an edge comes to the axis; a nan never does."""
        points = np.stack(np.broadcast_arrays(xs, ys), axis=-1).reshape(-1, 2)
        distances = sign * calibration.undistort(points)[:, axis]
        return float(np.nanmin(np.append(distances, widest)))

    half_x = min(nearest(0.0, down, 0, -1.0), nearest(right, down, 0, 1.0))
    half_y = min(nearest(across, 0.0, 1, -1.0), nearest(across, bottom, 1, 1.0))
    if half_x <= 0.05 or half_y <= 0.05:
        raise LaposeError("the calibration leaves no image round its principal point: calibrate the camera again")
    return half_x, half_y
