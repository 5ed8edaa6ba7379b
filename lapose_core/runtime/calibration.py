"""From the model's variances to a covariance that a filter may believe: a few numbers beside a model's weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapose_core.errors import LaposeError
from lapose_core.model.config import StoredConfig

CALIBRATION_FILE = "calibration.json"
_VERSION = 1

#: Nothing is known better than this (m^2 and rad^2; 0.1 mm, 0.006 degrees): a covariance of zero breaks filters.
SMALLEST_VARIANCE = 1e-8

#: Sight of a clear picture, see `View`: from there the growth counts.
_CLEAR_SIGHT, _LEAST_SIGHT = 0.85, 0.02
#: Seconds between frames that training has; shorter and longer are extrapolations.
_SHORTEST_S, _LONGEST_S = 0.1, 1.0
#: Metres: steps around this length are neither short nor long.
_USUAL_STEP_M = 2.0


@dataclass(frozen=True)
class Growth:
    """How standard deviations grow: factors are powers of these numbers, and 0 leaves them alone.

    Attributes:
        spread: of the model's own standard deviation, on top of itself.
        sight: of the clear picture's sight over that of the poorer frame.
        interval: of the interval over the nearest one that training has.
        step: of the estimated step's length over a usual one; counted from there on.
    """

    spread: float = 0.0
    sight: float = 0.0
    interval: float = 0.0
    step: float = 0.0


@dataclass(frozen=True)
class Calibration(StoredConfig):
    """Corrects the variances of one set of weights; by default it leaves them as they are.

    Attributes:
        factors: of the standard deviations of translation (x y z) and rotation (x y z).
        translation, rotation: growth of theirs.
        scale_share: standard deviation of the scale, which is common to a clip, as a share of the step: an error along
            the direction of travel.
        slide_tilt: correlation of the errors of moving up or down and of tilting, which look alike.
        version: of the file's format.
    """

    factors: tuple[float, ...] = (1.0,) * 6
    translation: Growth = Growth()
    rotation: Growth = Growth()
    scale_share: float = 0.0
    slide_tilt: float = 0.0
    version: int = _VERSION

    @classmethod
    def of_model(cls, model_dir: Path) -> Calibration:
        """That of a model folder; one without leaves the variances as they are.

        Raises LaposeError for a file that is none of this version.
        """
        path = model_dir / CALIBRATION_FILE
        if not path.is_file():
            return cls()
        try:
            fields = json.loads(path.read_text())
            if fields["version"] != _VERSION:
                raise ValueError(f"version {fields['version']}")
            growths = {name: Growth(**fields.pop(name)) for name in ("translation", "rotation")}
            read = cls(**growths, **{**fields, "factors": tuple(map(float, fields["factors"]))})
            if len(read.factors) != 6 or not np.all(np.isfinite(read.numbers())) or not abs(read.slide_tilt) < 1:
                raise ValueError("numbers that make no covariance")
        except (ValueError, TypeError, KeyError) as error:
            raise LaposeError(f"{path} is no calibration ({error}): write it again with `lapose calibrate`") from None
        return read

    def numbers(self) -> np.ndarray:
        """All that can be fitted, (16,): logarithms of the factors, growths, scale's share, correlation."""
        growths = [*dataclasses.astuple(self.translation), *dataclasses.astuple(self.rotation)]
        return np.array([*np.log(self.factors), *growths, self.scale_share, self.slide_tilt])

    @classmethod
    def from_numbers(cls, numbers: np.ndarray) -> Calibration:
        """The inverse of `numbers`."""
        values = [float(value) for value in numbers]
        factors = tuple(float(value) for value in np.exp(numbers[:6]))
        return cls(factors, Growth(*values[6:10]), Growth(*values[10:14]), values[14], values[15])

    def covariance(
        self, poses_S44: np.ndarray, variance_S6: np.ndarray, intervals_S: np.ndarray, sight_S: np.ndarray
    ) -> np.ndarray:
        """Covariances (S, 6, 6) of motions: translation, then rotation vector (m^2, rad^2), in the older camera's axes.

        Args:
            poses_S44: estimated motions.
            variance_S6: the model's, as `DecodedMotions` has them.
            intervals_S: seconds.
            sight_S: of the poorer of the two frames, see `View`.
        """
        translation_S3 = poses_S44[:, :3, 3]
        deviation_S6 = np.sqrt(np.maximum(variance_S6.astype(np.float64), SMALLEST_VARIANCE))
        step_S = np.linalg.norm(translation_S3, axis=-1)
        logs_S3 = np.log(
            [
                _CLEAR_SIGHT / np.clip(sight_S, _LEAST_SIGHT, _CLEAR_SIGHT),
                np.maximum(np.maximum(intervals_S / _LONGEST_S, _SHORTEST_S / np.maximum(intervals_S, 1e-3)), 1.0),
                np.maximum(step_S / _USUAL_STEP_M, 1.0),
            ]
        ).T
        growth_S2 = np.stack(
            [logs_S3 @ (grow.sight, grow.interval, grow.step) for grow in (self.translation, self.rotation)], axis=-1
        )
        spread_S2 = deviation_S6.reshape(-1, 2, 3) ** np.array([self.translation.spread, self.rotation.spread])[:, None]
        deviation_S6 = deviation_S6 * self.factors * (spread_S2 * np.exp(growth_S2)[..., None]).reshape(-1, 6)
        deviation_S6 = np.maximum(deviation_S6, SMALLEST_VARIANCE**0.5)
        covariance_S66 = deviation_S6[:, :, None] * self._correlation() * deviation_S6[:, None, :]
        covariance_S66[:, :3, :3] += self.scale_share**2 * translation_S3[:, :, None] * translation_S3[:, None, :]
        return covariance_S66

    def _correlation(self) -> np.ndarray:
        correlation = np.eye(6)
        correlation[1, 3] = correlation[3, 1] = self.slide_tilt
        return correlation
