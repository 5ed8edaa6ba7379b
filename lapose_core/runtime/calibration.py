"""From the model's variances to a covariance that a filter may believe: a few numbers beside a model's weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lapose_core.errors import LaposeError
from lapose_core.geometry import rotation_angle
from lapose_core.model.config import StoredConfig

CALIBRATION_FILE = "calibration.json"
_VERSION = 2

#: Degrees of freedom of the Student's t that errors follow: of the same covariance as a Gaussian, but more of them are
#: small, and more are very large. Of rendered clips as calibration draws them 3 to 4 cover best, of KITTI 5 to 6.
FREEDOM = 4.0

_log = logging.getLogger(__name__)

#: Nothing is known better than this (m^2 and rad^2; 0.1 mm, 0.006 degrees): a covariance of zero breaks filters.
SMALLEST_VARIANCE = 1e-8

#: Sight of a clear picture, see `View`: from there the growth counts.
_CLEAR_SIGHT, _LEAST_SIGHT = 0.8, 0.02
#: Seconds between frames that training has; shorter and longer are extrapolations.
_SHORTEST_S, _LONGEST_S = 0.1, 1.0
#: Longer steps and higher speeds are long and high.
_LONG_STEP_M, _HIGH_SPEED_MPS = 8.0, 20.0
#: Radians: a window that turns so far tells the field of view, and with it the scale.
_TELLING_TURN_RAD = 0.3


@dataclass(frozen=True)
class Growth:
    """How standard deviations grow: factors are powers of these numbers, and 0 leaves them alone.

    Attributes:
        sight: of a clear picture's sight over that of the poorer frame.
        interval: of the interval over the nearest one that training has.
        step, speed: of the estimated step's length and speed over long and high ones, from there on.
    """

    sight: float = 0.0
    interval: float = 0.0
    step: float = 0.0
    speed: float = 0.0


@dataclass(frozen=True)
class Calibration(StoredConfig):
    """Corrects the variances of one set of weights; by default it leaves them as they are.

    Attributes:
        factors: of the standard deviations of translation (x y z) and rotation (x y z).
        translation, rotation: growth of theirs.
        scale_share, straight_share: standard deviations of the scale, which is common to a window, as shares of the
            step: an error along the direction of travel. The second where the window goes straight, on top.
        scale_factor: of the scale's standard deviation that the window tells, on top of these.
        slide_tilt: correlation of the errors of moving up or down and of tilting, which look alike.
        known_camera: the same for a camera whose focal length is known; None where it has none of its own.
        weights: which they were fitted to, see `weights_of`; empty where nothing was.
        version: of the file's format.
    """

    factors: tuple[float, ...] = (1.0,) * 6
    translation: Growth = Growth()
    rotation: Growth = Growth()
    scale_share: float = 0.0
    straight_share: float = 0.0
    scale_factor: float = 0.0
    slide_tilt: float = 0.0
    known_camera: Calibration | None = None
    weights: str = ""
    version: int = _VERSION

    @classmethod
    def of_model(cls, model_dir: Path) -> Calibration:
        """That of a model folder; one without leaves the variances as they are. Warns where the weights are newer.

        A folder without graphs, which torch runs, does not tell how new its weights are.

        Raises LaposeError for a file that is none of this version.
        """
        path = model_dir / CALIBRATION_FILE
        if not path.is_file():
            return cls()
        try:
            fields = json.loads(path.read_text())
            if fields["version"] != _VERSION:
                raise ValueError(f"version {fields['version']}")
            read = cls._of_fields(fields)
        except (ValueError, TypeError, KeyError) as error:
            raise LaposeError(f"{path} is no calibration ({error}): write it again with `lapose calibrate`") from None
        if weights_of(model_dir) not in ("", read.weights):
            _log.warning("%s was fitted to other weights: write it again with `lapose calibrate`", path)
        return read

    @classmethod
    def _of_fields(cls, fields: dict[str, Any]) -> Calibration:
        growths = {name: Growth(**fields.pop(name)) for name in ("translation", "rotation")}
        known = fields.pop("known_camera", None)
        read = cls(
            **growths,
            **{**fields, "factors": tuple(map(float, fields["factors"]))},
            known_camera=None if known is None else cls._of_fields(known),
        )
        if len(read.factors) != 6 or not np.all(np.isfinite(read.numbers())) or not abs(read.slide_tilt) < 1:
            raise ValueError("numbers that make no covariance")
        return read

    def of_camera(self, *, known: bool) -> Calibration:
        """That of a camera whose focal length is known, or not."""
        return self.known_camera if known and self.known_camera is not None else self

    def numbers(self) -> np.ndarray:
        """All that can be fitted, (18,): logarithms of the factors, growths, doubts of the scale, correlation."""
        growths = [*dataclasses.astuple(self.translation), *dataclasses.astuple(self.rotation)]
        scale = (self.scale_share, self.straight_share, self.scale_factor)
        return np.array([*np.log(self.factors), *growths, *scale, self.slide_tilt])

    @classmethod
    def from_numbers(cls, numbers: np.ndarray) -> Calibration:
        """The inverse of `numbers`."""
        values = [float(value) for value in numbers]
        factors = tuple(float(value) for value in np.exp(numbers[:6]))
        return cls(factors, Growth(*values[6:10]), Growth(*values[10:14]), *values[14:18])

    def covariance(
        self,
        poses_S44: np.ndarray,
        variance_S6: np.ndarray,
        intervals_S: np.ndarray,
        sight_S: np.ndarray,
        turn_S: np.ndarray | float,
        told_S: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """Covariances (S, 6, 6) of motions: translation, then rotation vector (m^2, rad^2), in the older camera's axes.

        Args:
            poses_S44: estimated motions.
            variance_S6: the model's, as `DecodedMotions` has them.
            intervals_S: seconds.
            sight_S: of the poorer of the two frames, see `View`.
            turn_S: radians that the step's window turns, see `turn_of`.
            told_S: what the step's window tells of its scale, `DecodedMotions.scale_deviation`.
        """
        translation_S3 = poses_S44[:, :3, 3]
        deviation_S6 = np.sqrt(np.maximum(variance_S6.astype(np.float64), SMALLEST_VARIANCE))
        growth_S2 = self._growth(poses_S44, intervals_S, sight_S)
        deviation_S6 = deviation_S6 * self.factors * np.repeat(growth_S2, 3, axis=-1)
        deviation_S6 = np.maximum(deviation_S6, SMALLEST_VARIANCE**0.5)
        covariance_S66 = deviation_S6[:, :, None] * self._correlation() * deviation_S6[:, None, :]
        stretch_S3 = self.scale_deviation(poses_S44, intervals_S, sight_S, turn_S, told_S)[:, None] * translation_S3
        covariance_S66[:, :3, :3] += stretch_S3[:, :, None] * stretch_S3[:, None, :]
        return covariance_S66

    def scale_deviation(
        self,
        poses_S44: np.ndarray,
        intervals_S: np.ndarray,
        sight_S: np.ndarray,
        turn_S: np.ndarray | float,
        told_S: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """(S,) standard deviations of the scale, as shares of the steps; in `covariance` already. See there."""
        straight_S = self.straight_share**2 / (1 + (np.asarray(turn_S) / _TELLING_TURN_RAD) ** 2)
        variance_S = self.scale_share**2 + straight_S + (self.scale_factor * np.asarray(told_S)) ** 2
        return np.sqrt(variance_S) * self._growth(poses_S44, intervals_S, sight_S)[:, 0]

    def _growth(self, poses_S44: np.ndarray, intervals_S: np.ndarray, sight_S: np.ndarray) -> np.ndarray:
        """(S, 2) factors by which the deviations of translation and rotation grow."""
        step_S = np.linalg.norm(poses_S44[:, :3, 3], axis=-1)
        intervals_S = np.maximum(intervals_S, 1e-3)
        beyond_S4 = np.stack(
            [
                _CLEAR_SIGHT / np.maximum(sight_S, _LEAST_SIGHT),
                np.maximum(intervals_S / _LONGEST_S, _SHORTEST_S / intervals_S),
                step_S / _LONG_STEP_M,
                step_S / intervals_S / _HIGH_SPEED_MPS,
            ],
            axis=-1,
        )
        powers_42 = np.transpose([dataclasses.astuple(self.translation), dataclasses.astuple(self.rotation)])
        return np.exp(np.log(np.maximum(beyond_S4, 1.0)) @ powers_42)

    def _correlation(self) -> np.ndarray:
        correlation = np.eye(6)
        correlation[1, 3] = correlation[3, 1] = self.slide_tilt
        return correlation


def weights_of(model_dir: Path) -> str:
    """Twelve hexadecimal digits of a model folder's pose head; empty where it has no graph of it."""
    graph = model_dir / "pose_head.onnx"
    return hashlib.sha256(graph.read_bytes()).hexdigest()[:12] if graph.is_file() else ""


def turn_of(poses_S44: np.ndarray) -> float:
    """How far a window turns, whichever way: the sum of the angles of its motions (S, 4, 4), radians."""
    return float(rotation_angle(poses_S44).sum())
