"""How far the estimated motions of one clip are from the true ones.

A clip is S motions between S + 1 frames; motion i is the pose of frame i+1 in frame i. All figures depend on motions
only, so neither where the world's origin lies nor what the axes are called changes them.

AUC@5 judges every pair of frames by m, the larger of its rotation error and the error of its direction of translation,
and asks how many pairs stay under 0 to 5 degrees. The *binned* figure is the literature's: directions folded to at most
90 degrees, so that a reversed one passes, and 1-degree bins, which flatter. The *signed* figure is the exact area under
the curve with directions as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.geometry import align_se3, chain_motions, direction_angle, invert_pose, rotation_angle

AUC_LIMIT_DEG = 5

#: A clip that moves less than this a step has no direction worth judging (paper, evaluation), metres.
PARKED_STEP_M = 0.1

#: Below this true displacement a pair within a moving clip counts as at rest: only its rotation is judged, metres.
PAIR_AT_REST_M = 0.01


@dataclass(frozen=True)
class ClipScores:
    """Errors of one clip; the best value is 1 for the AUCs and 0 for all others.

    Attributes:
        auc_binned, auc_signed: AUC@5, 0 to 1; see the head of this file.
        ate_s_origin: trajectory error, both trajectories divided by their mean distance from the start; no unit.
        ate_s_step: trajectory error, both trajectories divided by their mean step length; no unit.
        ate_m: trajectory error in metres. All three are RMSE after SE(3) alignment.
        log_scale_error: natural logarithm of estimated over true mean step length.
        rotation_errors_S: error of each step's rotation, radians.
    """

    auc_binned: float
    auc_signed: float
    ate_s_origin: float
    ate_s_step: float
    ate_m: float
    log_scale_error: float
    rotation_errors_S: np.ndarray


def score_clip(estimated_S44: np.ndarray, truth_S44: np.ndarray) -> ClipScores:
    """All errors of one clip from its estimated and true motions, each (S, 4, 4) in metres."""
    estimated_N44, truth_N44 = chain_motions(estimated_S44), chain_motions(truth_S44)
    rotation_P, direction_P = pair_errors(estimated_N44, truth_N44)
    estimated_N3, truth_N3 = estimated_N44[:, :3, 3], truth_N44[:, :3, 3]
    estimated_step, true_step = mean_step(estimated_S44), mean_step(truth_S44)
    return ClipScores(
        auc_binned=auc_binned(rotation_P, direction_P),
        auc_signed=auc_signed(rotation_P, direction_P),
        ate_s_origin=trajectory_error(
            _divided(estimated_N3, _mean_distance_from_start(estimated_N3)),
            _divided(truth_N3, _mean_distance_from_start(truth_N3)),
        ),
        ate_s_step=trajectory_error(_divided(estimated_N3, estimated_step), _divided(truth_N3, true_step)),
        ate_m=trajectory_error(estimated_N3, truth_N3),
        log_scale_error=log_ratio(estimated_step, true_step),
        rotation_errors_S=rotation_angle(invert_pose(truth_S44) @ estimated_S44),
    )


@dataclass(frozen=True)
class Summary:
    """Figures over many clips: means, and medians where the name says so.

    Attributes:
        auc_binned, auc_signed, ate_s_origin, ate_s_step, ate_m: as in `ClipScores`.
        median_rotation_error_deg: of all steps of all clips, degrees a step.
        median_log_scale_error: of the clips' absolute log scale errors.
    """

    auc_binned: float
    auc_signed: float
    ate_s_origin: float
    ate_s_step: float
    ate_m: float
    median_rotation_error_deg: float
    median_log_scale_error: float


def summarize(scores: Sequence[ClipScores]) -> Summary:
    """Figures over at least one clip."""

    def mean(name: str) -> float:
        return float(np.mean([getattr(score, name) for score in scores]))

    return Summary(
        auc_binned=mean("auc_binned"),
        auc_signed=mean("auc_signed"),
        ate_s_origin=mean("ate_s_origin"),
        ate_s_step=mean("ate_s_step"),
        ate_m=mean("ate_m"),
        median_rotation_error_deg=float(np.degrees(np.median([score.rotation_errors_S for score in scores]))),
        median_log_scale_error=float(np.median([abs(score.log_scale_error) for score in scores])),
    )


def pair_errors(estimated_N44: np.ndarray, truth_N44: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the relative pose of all P pairs of frames i < j, radians.

    Returns:
        rotation_P: angle between the rotations, 0 to pi.
        direction_P: angle between the translations, 0 to pi; 0 where the truth is at rest (`PAIR_AT_REST_M`), pi where
            only the estimate is.
    """
    first, second = np.triu_indices(len(truth_N44), k=1)
    estimated_P44 = invert_pose(estimated_N44[first]) @ estimated_N44[second]
    truth_P44 = invert_pose(truth_N44[first]) @ truth_N44[second]
    rotation_P = rotation_angle(invert_pose(truth_P44) @ estimated_P44)
    direction_P = direction_angle(estimated_P44[:, :3, 3], truth_P44[:, :3, 3])
    at_rest_P = np.linalg.norm(truth_P44[:, :3, 3], axis=-1) < PAIR_AT_REST_M
    return rotation_P, np.where(at_rest_P, 0.0, np.nan_to_num(direction_P, nan=np.pi))


def auc_binned(rotation_P: np.ndarray, direction_P: np.ndarray) -> float:
    """AUC@5 as the literature has it (VGGT): directions folded, mean of the recall at 1, 2, 3, 4 and 5 degrees."""
    error_P = np.degrees(np.maximum(rotation_P, np.minimum(direction_P, np.pi - direction_P)))
    counts, _ = np.histogram(error_P, bins=np.arange(AUC_LIMIT_DEG + 1))
    return float(np.mean(np.cumsum(counts) / len(error_P)))


def auc_signed(rotation_P: np.ndarray, direction_P: np.ndarray) -> float:
    """Exact area under the recall curve from 0 to 5 degrees, directions not folded."""
    error_P = np.degrees(np.maximum(rotation_P, direction_P))
    return float(np.mean(np.maximum(0.0, 1.0 - error_P / AUC_LIMIT_DEG)))


def trajectory_error(estimated_N3: np.ndarray, truth_N3: np.ndarray) -> float:
    """Root mean square distance between positions after SE(3) alignment, in their unit (ATE)."""
    alignment = align_se3(estimated_N3, truth_N3)
    aligned_N3 = estimated_N3 @ alignment[:3, :3].T + alignment[:3, 3]
    return float(np.sqrt(np.mean(np.sum((aligned_N3 - truth_N3) ** 2, axis=-1))))


def mean_step(motions_S44: np.ndarray) -> float:
    """Mean length of the steps, metres: the clip's metric scale."""
    return float(np.mean(np.linalg.norm(motions_S44[:, :3, 3], axis=-1)))


def is_parked(truth_S44: np.ndarray) -> bool:
    """Whether a clip moves too little to be judged: less than `PARKED_STEP_M` a step in the mean."""
    return mean_step(truth_S44) < PARKED_STEP_M


def log_ratio(estimated: float, truth: float) -> float:
    """Logarithm of estimated over true step length; a millimetre stands in for less, so that it stays finite."""
    return float(np.log(max(estimated, 1e-3) / max(truth, 1e-3)))


def _mean_distance_from_start(positions_N3: np.ndarray) -> float:
    return float(np.mean(np.linalg.norm(positions_N3[1:] - positions_N3[0], axis=-1)))


def _divided(positions_N3: np.ndarray, scale: float) -> np.ndarray:
    # A trajectory that stays in one place has no scale and is left as it is.
    return positions_N3 / scale if scale > 1e-9 else positions_N3
