"""How far the road lies below the camera: the one length in the picture that is known beforehand.

A point of the road is as many steps away as its flow says, and as many camera heights as the angle says under which it
is seen: the vehicle drives along the plane that the road is. The height, known or believed, makes it metres. What
stands on the road is nearer than that, and what is matched too short, as where asphalt looks alike everywhere, farther:
the height is where most points agree, and how many do says what it is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lapose_core.adjustment.camera import KnownCamera
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import EpipolarFit
from lapose_core.adjustment.lengths import inverse_depth

#: The road ahead: slopes below the horizon, and how far to either side, in camera heights.
_BELOW, _BESIDE = 0.06, 2.0
#: Pixels of flow: less tells no depth, more has changed its looks. Deviations by which a point may be off its
#: epipolar line, and by which it has to have moved.
_FLOW, _OFF_LINE, _TELLING = (4.0, 60.0), 3.0, 3.0
#: Deviation of a point's height, as a share, beside what its flow says; and of slopes, by the direction of travel's.
_UNEVEN, _SLOPE = 0.1, 0.005
#: Heights are looked for by logarithms about the middle of those believed, in a window of such a width.
_HEIGHTS = np.arange(-1.5, 1.5, 0.01)
_WIDTH = 0.08
#: Points and their weight, in all, that tell a height; the share of them that has to agree, and how gradually.
_FEWEST, _ENOUGH = 40, 3000.0
_AGREE, _GRADUALLY = 0.2, 0.03
#: Standard deviation of the height that is found, its logarithm.
_FOUND = 0.04
#: The head's scale, its logarithm: off by so much, or, in so many windows, by anything: real roads are at times unlike
#: those it was trained on, and then it is not near the truth either.
_HEAD, _LOST = 0.07, 0.3
#: Camera heights to believe in, metres: behind the windscreens of cars, as in the rendered world; now and then a lorry.
_CARS, _LORRIES = (1.2, 1.6, 1.9), (2.1, 2.4)
#: Corrections of the scale's logarithm to choose from.
_CORRECTIONS = np.arange(-1.0, 1.005, 0.01)


@dataclass(frozen=True)
class Ground:
    """The road below a window's steps.

    Attributes:
        log_height: logarithm of the camera's height in the unit of the steps.
        agreed: 0 to 1, how far the road may be believed to be what was found.
    """

    log_height: float
    agreed: float


def see_ground(found: Correspondences, fit: EpipolarFit, length_S: np.ndarray) -> Ground | None:
    """The road, from the cells of each step's newer frame; None where too few of its points are seen.

    Args:
        found, fit: of the same S steps.
        length_S: of the steps, metres by what is believed of the scale.
    """
    # Looking back the road grows coarser, as descriptors like it: of the older frame's cells more stand still.
    newer = found.part(slice(found.weight_SM.shape[-1] // 2, None)).back
    direction_S3 = (fit.rotation_S33.swapaxes(-1, -2) @ fit.direction_S3[..., None])[..., 0]
    nearness_SN, deviation_SN, off_SN = inverse_depth(newer, fit.rotation_S33, fit.seen_S3, fit.focal)
    ray_S2N = newer.older_S2M / np.float32(fit.focal)
    below_SN = ray_S2N[:, 1] - (direction_S3[:, 1] / direction_S3[:, 2])[:, None]
    flow_SN = np.linalg.norm(newer.newer_S2M - newer.older_S2M, axis=1)
    road_SN = (below_SN > _BELOW) & (np.abs(ray_S2N[:, 0]) < _BESIDE * below_SN)
    road_SN &= (newer.weight_SM > 0) & (off_SN < _OFF_LINE) & (nearness_SN > _TELLING * deviation_SN)
    road_SN &= (flow_SN > _FLOW[0]) & (flow_SN < _FLOW[1])
    if road_SN.sum() < _FEWEST:
        return None
    below_K, nearness_K = below_SN[road_SN], nearness_SN[road_SN]
    length_K = np.broadcast_to(length_S[:, None], road_SN.shape)[road_SN]
    variance_K = _UNEVEN**2 + (deviation_SN[road_SN] / nearness_K) ** 2 + (_SLOPE / below_K) ** 2
    return _agreed_height(np.log(below_K / nearness_K * length_K), newer.weight_SM[road_SN] / variance_K)


def correct_scale(ground: Ground | None, camera: KnownCamera) -> tuple[float, float]:
    """What to add to the logarithm of the scale, and its standard deviation then.

    Args:
        ground: seen with the head's scale.
        camera: its height above the road, or what the drive has told of it.
    """
    near_K = np.exp(-0.5 * (_CORRECTIONS / _HEAD) ** 2) / (_HEAD * math.sqrt(2 * math.pi))
    log_likelihood_K = np.log((1 - _LOST) * near_K + _LOST / np.ptp(_CORRECTIONS))
    if ground is not None:
        log_heights_H, probability_H = _believed_heights(camera)
        off_KH = (ground.log_height + _CORRECTIONS[:, None] - log_heights_H) / _FOUND
        found_K = np.exp(-0.5 * off_KH**2) @ probability_H / (_FOUND * math.sqrt(2 * math.pi))
        log_likelihood_K += np.log(ground.agreed * found_K + 1 - ground.agreed)
    probability_K = np.exp(log_likelihood_K - log_likelihood_K.max())
    probability_K /= probability_K.sum()
    mean = float(probability_K @ _CORRECTIONS)
    return mean, math.sqrt(float(probability_K @ (_CORRECTIONS - mean) ** 2))


def _agreed_height(log_height_K: np.ndarray, weight_K: np.ndarray) -> Ground:
    """Where most of the points' heights lie together."""
    middle = math.log(_CARS[1])
    binned_H, _ = np.histogram(log_height_K - middle, _HEIGHTS, weights=weight_K)
    reach = np.arange(-4 * _WIDTH, 4 * _WIDTH + 0.005, 0.01)
    together_H = np.convolve(binned_H, np.exp(-0.5 * (reach / _WIDTH) ** 2), "same")
    best, total = int(together_H.argmax()), float(weight_K.sum())
    share = float(together_H[best]) / total
    agreed = min(total / _ENOUGH, 1.0) / (1 + math.exp(-(share - _AGREE) / _GRADUALLY))
    return Ground(middle + float(_HEIGHTS[best]) + 0.005, agreed)


def _believed_heights(camera: KnownCamera) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of heights, and how likely they are: the head's metres may be wrong for a whole drive."""
    if camera.height is not None:
        return np.log([camera.height]), np.ones(1)
    log_heights_H = np.log(_HEIGHTS_OF_CAMERAS)
    learned, deviation = camera.learned.log_height()
    probability_H = 1 / (1 + ((log_heights_H - learned) / deviation) ** 2)
    return log_heights_H, probability_H / probability_H.sum()


def _heights_of_cameras() -> np.ndarray:
    """Heights that are all as likely: quantiles of the triangular distribution of cars, and a few of lorries."""
    low, usual, high = _CARS
    share = (np.arange(17) + 0.5) / 17
    rising = low + np.sqrt(share * (high - low) * (usual - low))
    falling = high - np.sqrt((1 - share) * (high - low) * (high - usual))
    return np.append(np.where(share < (usual - low) / (high - low), rising, falling), _LORRIES)


_HEIGHTS_OF_CAMERAS = _heights_of_cameras()
