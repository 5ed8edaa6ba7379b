"""Coverage says how honest covariances are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import multivariate_t

from lapose_core.evaluation.coverage import NOMINAL, measure_coverage, motion_errors
from lapose_core.geometry import make_pose
from lapose_core.runtime.calibration import FREEDOM


@pytest.fixture
def covariance_66() -> np.ndarray:
    """Of decimetres and milliradians, correlated."""
    factor = np.random.default_rng(1).normal(size=(6, 6)) * np.array([[0.1] * 3 + [1e-3] * 3]).T
    return factor @ factor.T


def test_errors_fill_the_ellipsoids_as_they_should(covariance_66: np.ndarray) -> None:
    shape_66 = covariance_66 * (FREEDOM - 2) / FREEDOM
    error_S6 = multivariate_t(shape=shape_66, df=FREEDOM, seed=0, allow_singular=True).rvs(20000)
    covariance_S66 = np.broadcast_to(covariance_66, (20000, 6, 6))
    honest = measure_coverage(error_S6, covariance_S66)
    for shares in (honest.motion, honest.translation, honest.rotation):
        np.testing.assert_allclose(shares, NOMINAL, atol=0.01)
    boastful = measure_coverage(error_S6, covariance_S66 / 4)
    assert boastful.motion[1] < 0.5
    assert measure_coverage(error_S6, covariance_S66 * 9).motion[0] > 0.95


def test_errors_are_in_the_axes_of_the_covariance(covariance_66: np.ndarray) -> None:
    """An error of the motion as `propagate_covariance` takes it: in the older camera's axes."""
    estimated = make_pose(np.array([0.2, -0.1, 3.0]), Rotation.from_rotvec([0.01, 0.3, -0.02]).as_quat())
    error = np.array([0.1, 0.02, -0.3, 0.001, -0.02, 0.003])
    turned = Rotation.from_rotvec(error[3:]).as_matrix() @ estimated[:3, :3]
    truth = make_pose(estimated[:3, 3] + error[:3], Rotation.from_matrix(turned).as_quat())
    np.testing.assert_allclose(motion_errors(estimated[None], truth[None])[0], error, atol=1e-12)
