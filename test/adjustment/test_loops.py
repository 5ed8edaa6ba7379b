"""The loops of the adjustment, and how they are compiled."""

from __future__ import annotations

import sys
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapose_core import compiled
from lapose_core.adjustment.correspondences import Correspondences
from lapose_core.adjustment.epipolar import CameraDoubt, distance_to_lines, fit_epipolar
from lapose_core.adjustment.lengths import inverse_depth
from lapose_core.errors import LaposeError
from lapose_core.geometry import rotation_from_vector

FOCAL, WIDTH = 400.0, 480
STEPS, POINTS = 3, 200


def seen_from_both(
    rng: np.random.Generator, noise: float
) -> tuple[Correspondences, np.ndarray, np.ndarray, np.ndarray]:
    """Matches of points, the motions (rotation, translation) between their frames, and depths in the newer frame."""
    rotation_S33 = rotation_from_vector(rng.normal(0, 0.03, (STEPS, 3)))
    shift_S3 = np.array([0.0, 0.0, 1.0]) + rng.normal(0, 0.1, (STEPS, 3))
    newer_S2M = rng.uniform(-1, 1, (STEPS, 2, POINTS)) * np.array([[230.0], [105.0]])
    depth_SM = rng.uniform(4.0, 30.0, (STEPS, POINTS))
    ray_S3M = np.concatenate([newer_S2M / FOCAL, np.ones((STEPS, 1, POINTS))], axis=1)
    older_S3M = rotation_S33 @ (ray_S3M * depth_SM[:, None]) + shift_S3[..., None]
    older_S2M = FOCAL * older_S3M[:, :2] / older_S3M[:, 2:] + rng.normal(0, noise, (STEPS, 2, POINTS))
    ones_SM = np.ones((STEPS, POINTS), np.float32)
    found = Correspondences(older_S2M.astype(np.float32), newer_S2M.astype(np.float32), 0.5 * ones_SM, ones_SM)
    return found, rotation_S33, shift_S3, depth_SM


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_points_are_as_near_as_they_are(seed: int) -> None:
    found, rotation_S33, shift_S3, depth_SM = seen_from_both(np.random.default_rng(seed), noise=0.0)
    length_S1 = np.linalg.norm(shift_S3, axis=-1, keepdims=True)
    nearness_SM, deviation_SM, off_SM = inverse_depth(found.back, rotation_S33, shift_S3 / length_S1, FOCAL)

    # Towards the point that the vehicle drives to, parallax and certainty vanish.
    sure_SM = deviation_SM < 0.02
    assert sure_SM.mean() > 0.5
    np.testing.assert_allclose(nearness_SM[sure_SM], (length_S1 / depth_SM)[sure_SM], rtol=0.02, atol=1e-3)
    assert off_SM.max() < 0.1


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_fit_is_where_points_are_nearest_to_their_lines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, rotation_S33, shift_S3, _ = seen_from_both(rng, noise=0.4)
    direction_S3 = shift_S3 / np.linalg.norm(shift_S3, axis=-1, keepdims=True)
    nothing_believed_S6, camera_known = np.full((STEPS, 6), 1e3), CameraDoubt(1e-6, (1e-6, 1e-6))
    fit = fit_epipolar(found, rotation_S33, direction_S3, nothing_believed_S6, FOCAL, WIDTH, camera_known)

    there = distance_to_lines(found, fit)
    for axis in np.eye(3):
        for step in (-3e-4, 3e-4):
            beside = vars(fit) | {"rotation_S33": fit.rotation_S33 @ rotation_from_vector(step * axis)}
            assert distance_to_lines(found, type(fit)(**beside)) > there
    turned = rotation_from_vector(np.array([0.02, 0.0, 0.0]))
    again = fit_epipolar(found, rotation_S33 @ turned, direction_S3, nothing_believed_S6, FOCAL, WIDTH, camera_known)
    assert distance_to_lines(found, again) == pytest.approx(there, rel=0.02)


def test_loops_run_where_nothing_can_be_kept_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def without_disk(*given: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*given, **options)

    monkeypatch.setattr(numba, "njit", without_disk)

    assert compiled.compiled(lambda a, b: a + b)(1, 2) == 3


def test_without_numba_the_first_loop_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)

    loop = compiled.compiled(lambda a, b: a + b)
    with pytest.raises(LaposeError, match="pip install numba"):
        loop(1, 2)
