"""What a model folder's calibration does to the variances."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapose_core.errors import LaposeError
from lapose_core.geometry import make_pose
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.calibration import CALIBRATION_FILE, Calibration, Growth, weights_of

WIDER = Calibration(
    (2.0,) * 6, Growth(0.5, 1.0, 0.5, 0.5), Growth(0.5, 1.0, 0.1, 0.1), scale_share=0.1, straight_share=0.1,
    scale_factor=1.0, slide_tilt=0.5,
)  # fmt: skip
numbers = st.floats(0.01, 40.0)


def motion(step_m: float, turn_rad: float = 0.0) -> np.ndarray:
    return make_pose(np.array([[0.0, 0.0, step_m]]), Rotation.from_rotvec([[0.0, turn_rad, 0.0]]).as_quat())


def test_without_a_calibration_the_variances_stay_as_they_are(tiny_model_dir: Path) -> None:
    assert OnnxRuntimeBackend(tiny_model_dir).calibration == Calibration()
    variance_S6 = np.geomspace(1e-6, 1.0, 6)[None]
    covariance_S66 = Calibration().covariance(motion(30.0), variance_S6, np.array([3.0]), np.array([0.01]), 0.0)
    np.testing.assert_allclose(covariance_S66[0], np.diag(variance_S6[0]))


@given(numbers, st.floats(0.01, 5.0), st.floats(0.0, 1.0), st.lists(st.floats(1e-12, 10.0), min_size=6, max_size=6))
def test_whatever_is_seen_the_covariance_is_one(step: float, interval: float, sight: float, variance: list) -> None:
    covariance_66 = WIDER.covariance(
        motion(step), np.array([variance]), np.array([interval]), np.array([sight]), np.array([0.1])
    )[0]
    np.testing.assert_array_equal(covariance_66, covariance_66.T)
    np.linalg.cholesky(covariance_66)


def test_doubt_grows_where_sight_interval_step_or_speed_go_beyond_what_is_usual() -> None:
    def volume(
        step: float = 1.0, interval: float = 0.25, sight: float = 0.8, turn: float = 1.0, told: float = 0.1
    ) -> float:
        covariance_S66 = WIDER.covariance(
            motion(step), np.full((1, 6), 1e-2), np.array([interval]), np.array([sight]), np.array([turn]), told
        )
        return float(np.linalg.det(covariance_S66[0]))

    usual = volume()
    assert volume(sight=0.9) == pytest.approx(usual)
    assert volume(sight=0.2) > 10 * usual
    assert volume(interval=2.0) > 10 * usual
    assert volume(step=20.0, interval=1.0) > 10 * usual
    assert volume(turn=0.0) > usual  # straight ahead the scale is a guess
    assert volume(told=0.3) > usual


def test_every_model_folder_has_its_own(tiny_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    fitted = Calibration((2.0,) * 6, slide_tilt=0.3, weights=weights_of(folder))
    fitted.save(folder / CALIBRATION_FILE)
    with caplog.at_level(logging.WARNING):
        assert OnnxRuntimeBackend(folder).calibration == fitted
        assert not caplog.records
        Calibration(weights="of others").save(folder / CALIBRATION_FILE)
        Calibration.of_model(folder)
    assert "lapose calibrate" in caplog.text

    caplog.clear()
    (folder / "pose_head.onnx").unlink()  # torch alone runs such a folder
    with caplog.at_level(logging.WARNING):
        assert Calibration.of_model(folder).weights == "of others"
    assert not caplog.text


@pytest.mark.parametrize("change", [{"version": 99}, {"factors": [1.0]}, {"slide_tilt": 1.0}, {"unknown": 1}])
def test_a_calibration_that_is_none_is_refused(change: dict, tmp_path: Path) -> None:
    path = tmp_path / CALIBRATION_FILE
    Calibration().save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(LaposeError, match="lapose calibrate"):
        Calibration.of_model(tmp_path)
