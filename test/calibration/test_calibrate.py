"""`lapose calibrate` makes a model's variances honest."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lapose_core.calibration.calibrate import calibrate
from lapose_core.calibration.fit import LEAST_CLIPS, coverage_of, fit_calibration
from lapose_core.calibration.pictures import spoil
from lapose_core.calibration.samples import Samples
from lapose_core.errors import LaposeError
from lapose_core.evaluation.coverage import NOMINAL
from lapose_core.geometry import make_pose
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.calibration import CALIBRATION_FILE, FREEDOM, Calibration


def samples(clips: int, claimed: np.ndarray) -> Samples:
    """Steps of 1 m with errors of 5 cm and 2 mrad, more where sight is poor, from a model that claims other ones."""
    rng = np.random.default_rng(0)
    steps = 15 * clips
    sight_S = np.repeat(rng.uniform(0.1, 0.8, clips), 15)
    deviation_S6 = np.array([0.05] * 3 + [0.002] * 3) * (0.8 / sight_S)[:, None]
    error_S6 = rng.normal(size=(steps, 6)) * np.sqrt((FREEDOM - 2) / rng.chisquare(FREEDOM, steps))[:, None]
    error_S6 *= deviation_S6
    poses_S44 = np.tile(np.eye(4), (steps, 1, 1))
    poses_S44[:, 2, 3] = 1.0
    half = 0.5 * error_S6[:, 3:]
    truth_S44 = make_pose(poses_S44[:, :3, 3] + error_S6[:, :3], np.hstack([half, np.ones((steps, 1))]))
    return Samples(
        poses_S44, np.tile(claimed**2, (steps, 1)), np.full(steps, 0.25), sight_S, np.full(steps, 1.0),
        np.zeros(steps), truth_S44, np.repeat(np.arange(clips), 15),
    )  # fmt: skip


def test_a_model_that_is_too_sure_of_rotation_and_not_enough_of_translation_is_corrected() -> None:
    drawn = samples(60, np.array([0.2] * 3 + [0.0005] * 3))
    fitted = fit_calibration(drawn)
    assert all(factor < 0.5 for factor in fitted.factors[:3])
    assert all(factor > 2.0 for factor in fitted.factors[3:])
    assert fitted.translation.sight > 0.6
    assert fitted.rotation.sight > 0.6
    covered = coverage_of(fitted, drawn)
    for shares in (covered.motion, covered.translation, covered.rotation):
        np.testing.assert_allclose(shares, NOMINAL, atol=0.05)


def test_the_file_is_written_and_used_and_a_second_run_gives_the_same(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    summary = calibrate(folder, clips=LEAST_CLIPS + 4, backend="onnxruntime", progress=False)
    assert "90 %" in str(summary)
    read = OnnxRuntimeBackend(folder).calibration
    assert read == summary.calibration != Calibration()
    known = read.of_camera(known=True)
    assert known == summary.calibration.known_camera
    assert known != read.of_camera(known=False) == read
    again = calibrate(folder, clips=LEAST_CLIPS + 4, backend="onnxruntime", progress=False)
    np.testing.assert_allclose(again.calibration.numbers(), summary.calibration.numbers(), rtol=1e-6)
    with pytest.raises(LaposeError, match="too few"):
        calibrate(folder, clips=3, backend="onnxruntime", progress=False)
    assert (folder / CALIBRATION_FILE).is_file()


def test_spoilt_pictures_are_pictures_and_some_are_dark() -> None:
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (2, 64, 128, 3), np.uint8)
    spoilt = [spoil(rng, clip) for _ in range(40)]
    assert all(one.shape == clip.shape and one.dtype == np.uint8 for one in spoilt)
    assert min(one.mean() for one in spoilt) < 0.3 * clip.mean()
