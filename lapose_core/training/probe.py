"""Linear probe of latent actions: what of the motion a straight line through them can tell.

Reconstruction loss ranks models wrongly (a wider bottleneck always reconstructs better), so this is what to watch.
"""

from __future__ import annotations

import torch
from torch import Tensor

_PENALTIES = torch.logspace(-4, 4, 33, dtype=torch.float64)


def probe(actions_XK: Tensor, targets: dict[str, Tensor]) -> dict[str, float]:
    """Ridge regression from actions to each target, fitted on the first half and judged on the second.

    Args:
        actions_XK: latent actions of X steps; steps of a clip side by side, so that no clip is in both halves.
        targets: (X,) each, by name.

    Returns `NAME_r2`: the share of the second half's variance that is explained; 0 is no better than its mean.
    """
    actions_XK = actions_XK.double().cpu()
    half = len(actions_XK) // 2
    mean_K, spread_K = actions_XK[:half].mean(0), actions_XK[:half].std(0).clamp(min=1e-6)
    actions_XK = (actions_XK - mean_K) / spread_K
    figures = {}
    for name, target_X in targets.items():
        target_X = target_X.double().cpu()
        middle = target_X[:half].mean()
        weights_K = _ridge(actions_XK[:half], target_X[:half] - middle)
        error_X = actions_XK[half:] @ weights_K + middle - target_X[half:]
        variance = target_X[half:].var(correction=0).clamp(min=1e-12)
        figures[f"{name}_r2"] = (1 - error_X.square().mean() / variance).item()
    return figures


def _ridge(inputs_XK: Tensor, targets_X: Tensor) -> Tensor:
    """Weights of the penalty that generalised cross validation finds best (Golub, Heath and Wahba, 1979)."""
    left, singular_R, right = torch.linalg.svd(inputs_XK, full_matrices=False)
    seen_R = left.T @ targets_X
    shrink_PR = singular_R**2 / (singular_R**2 + _PENALTIES[:, None] * len(inputs_XK))
    outside = targets_X.square().sum() - seen_R.square().sum()
    error_P = (((1 - shrink_PR) * seen_R) ** 2).sum(1) + outside
    free_P = len(inputs_XK) - shrink_PR.sum(1)
    # With more actions than steps the weakest penalties fit everything, and the criterion is nothing over nothing.
    score_P = torch.where(free_P > len(inputs_XK) / 4, error_P / free_P.square(), torch.inf)
    best = score_P.argmin() if score_P.isfinite().any() else -1
    return right.T @ (shrink_PR[best] * seen_R / singular_R.clamp(min=1e-12))
