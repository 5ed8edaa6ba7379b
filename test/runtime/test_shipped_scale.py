"""The shipped weights' metres, where the camera's height above the road is told."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.data.source import Frame
from lapose_core.models import find_model
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.odometer import Odometer, OdometerConfig
from lapose_core.world.clips import Clips
from lapose_core.world.conditions import condition_clips
from lapose_core.world.render_cpu import render


@pytest.fixture(scope="module")
def drive() -> tuple[Clips, list[Frame]]:
    """Four seconds of a clear day."""
    clips = next(condition_clips("clear", 1, 4.0))
    frames_TCHW = render(clips, 224, 480)[0]
    images = (np.ascontiguousarray(frame.transpose(1, 2, 0)) for frame in frames_TCHW)
    return clips, [Frame(image, int(stamp)) for image, stamp in zip(images, clips.stamps_ns_BT[0], strict=True)]


@pytest.mark.parametrize("told", [1.0, 0.5, 2.0])
def test_the_scale_is_that_of_the_height_that_is_told(drive: tuple[Clips, list[Frame]], told: float) -> None:
    clips, frames = drive
    height = float(clips.pose_base_camera_B44[0, 2, 3])
    config = OdometerConfig(fov_x_rad=float(clips.fov_x_B[0]), camera_height_m=told * height)
    odometer = Odometer(OnnxRuntimeBackend(find_model("compact")), config)
    for frame in frames:
        odometry = odometer.register_frame(frame)
    true = np.linalg.norm(clips.motions_BS44[0, -1, :3, 3])
    assert np.linalg.norm(odometry.motion.pose_from_to[:3, 3]) == pytest.approx(told * true, rel=0.08)
