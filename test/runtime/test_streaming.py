"""Frame by frame gives the numbers of whole windows, and faster cameras those of the window's own frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.motion import Odometry
from lapose_core.runtime.backends.backend import Backend
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.backends.recompute import RecomputingBackend
from lapose_core.runtime.odometer import Odometer, OdometerConfig, StaleFrameError

#: Of streaming against recomputing, in float32: metres and parts of a rotation matrix, and of the latent actions.
TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def window_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model whose queries see all past frames, as those of `paper` do."""
    torch = pytest.importorskip("torch")
    from lapose_core.export.onnx import export_model
    from lapose_core.model.config import preset
    from lapose_core.model.lapose import LAPose

    torch.manual_seed(1)
    config = dataclasses.replace(preset("tiny"), preset="tiny paper", context_frames=16, matching_width=0, stem_width=0)
    folder = tmp_path_factory.mktemp("models") / "window"
    export_model(LAPose(config), folder)
    return folder


@pytest.fixture(scope="session", params=["onnxruntime", "torch"])
def window_backend(request: pytest.FixtureRequest, window_model_dir: Path) -> Backend:
    return open_backend(window_model_dir, request.param, threads=1)


def uneven_drive(frames: list[Frame], count: int) -> list[Frame]:
    """Stamps that jitter, with frames left out now and then, and one gap that is too long for a window."""
    rng = np.random.default_rng(3)
    steps_s = 0.25 * rng.uniform(0.5, 1.5, count) * rng.choice([1, 2, 3], count, p=[0.8, 0.15, 0.05])
    steps_s[count // 3] = 4.0
    stamps_ns = 1_000_000_000 + np.cumsum(np.rint(steps_s * 1e9)).astype(int)
    swing = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]  # there and back
    return [Frame(frames[swing[i % len(swing)]].image_HWC, int(stamp)) for i, stamp in enumerate(stamps_ns)]


def drive(backend: Backend, frames: list[Frame], reset_at: int) -> list[Odometry]:
    odometer, answers = Odometer(backend), []
    for index, frame in enumerate(frames):
        if index == reset_at:
            odometer.reset()
        answers.append(odometer.register_frame(frame))
    return answers


def stream_as_recomputed(backend: Backend, frames: list[Frame], reset_at: int) -> list[Odometry]:
    """Answers over a drive, which must be those of recomputing every window."""
    streamed = drive(backend, frames, reset_at)
    recomputed = drive(RecomputingBackend(backend), frames, reset_at)
    for one, other in zip(streamed, recomputed, strict=True):
        assert one.window_fill == other.window_fill
        np.testing.assert_allclose(one.pose_odom_camera, other.pose_odom_camera, atol=TOLERANCE)
        assert (one.motion is None) == (other.motion is None)
        if one.motion is None or other.motion is None:
            continue
        np.testing.assert_allclose(one.motion.action, other.motion.action, atol=TOLERANCE)
        np.testing.assert_allclose(one.motion.pose_from_to, other.motion.pose_from_to, atol=TOLERANCE)
        np.testing.assert_allclose(one.motion.variance, other.motion.variance, rtol=TOLERANCE)
        np.testing.assert_allclose(one.motion.scale_m, other.motion.scale_m, rtol=TOLERANCE)
    return streamed


def test_streaming_equals_recomputing_over_a_drive_with_uneven_stamps_drops_a_gap_and_a_reset(
    backend: OnnxRuntimeBackend, frames: list[Frame]
) -> None:
    streamed = stream_as_recomputed(backend, uneven_drive(frames, 200), reset_at=130)

    assert {odometry.window_fill for odometry in streamed} == set(range(1, 17))
    assert sum(odometry.motion is None for odometry in streamed) == 3  # the start, the gap and the reset


def test_a_model_of_whole_windows_keeps_its_tokens_and_equals_recomputing(
    window_backend: Backend, frames: list[Frame]
) -> None:
    stream_as_recomputed(window_backend, uneven_drive(frames, 45), reset_at=40)


def test_work_of_a_frame_is_that_of_one_frame(backend: OnnxRuntimeBackend, frames: list[Frame]) -> None:
    calls = {"tokenize": 0, "infer_steps": 0, "decode_motions": 0}

    class Counting:
        config, calibration = backend.config, backend.calibration
        prepare, picture = staticmethod(backend.prepare), staticmethod(backend.picture)

        def __getattr__(self, name: str) -> Callable:
            def call(*arguments: object) -> object:
                calls[name] += 1
                return getattr(backend, name)(*arguments)

            return call

    odometer = Odometer(Counting())  # type: ignore[arg-type]
    for frame in frames:
        odometer.register_frame(frame)
    assert calls == {"tokenize": len(frames), "infer_steps": len(frames) - 1, "decode_motions": len(frames) - 1}


@pytest.mark.parametrize("kind", ["frame by frame", "windows"])
def test_the_window_steps_without_a_jump(
    kind: str, backend: Backend, window_backend: Backend, frames: list[Frame]
) -> None:
    """At every third frame the window steps; committing gives the odometry that measuring gives."""
    odometer = Odometer(backend if kind == "frame by frame" else window_backend)
    plain = Odometer(odometer.backend)
    for index, frame in enumerate(frames):
        measured = odometer.measure_frame(frame)
        np.testing.assert_array_equal(odometer.measure_frame(frame).pose_odom_camera, measured.pose_odom_camera)
        if index % 3 == 0:
            registered = odometer.register_frame(frame)
            np.testing.assert_array_equal(registered.pose_odom_camera, measured.pose_odom_camera)
            np.testing.assert_array_equal(registered.covariance, measured.covariance)
            expected = plain.register_frame(frame)
            np.testing.assert_array_equal(registered.pose_odom_camera, expected.pose_odom_camera)


def test_a_measured_frame_is_measured_against_the_last_of_the_window(
    backend: OnnxRuntimeBackend, frames: list[Frame]
) -> None:
    odometer = Odometer(backend)
    for frame in frames[:4]:
        before = odometer.register_frame(frame)

    measured = [odometer.measure_frame(frame) for frame in frames[4:7]]

    for odometry, frame in zip(measured, frames[4:7], strict=True):
        assert odometry.motion is not None
        assert (odometry.stamp_ns, odometry.motion.stamp_from_ns) == (frame.stamp_ns, frames[3].stamp_ns)
        expected = before.pose_odom_camera @ odometry.motion.pose_from_to
        np.testing.assert_allclose(odometry.pose_odom_camera, expected, atol=1e-12)
        assert odometry.window_fill == 5


def test_a_frame_older_than_the_window_is_not_measured(backend: OnnxRuntimeBackend, frames: list[Frame]) -> None:
    odometer = Odometer(backend)
    odometer.register_frame(frames[1])
    with pytest.raises(StaleFrameError):
        odometer.measure_frame(frames[0])


def test_every_frame_has_its_odometry_and_the_window_that_it_would_have_without_those_between(
    backend: OnnxRuntimeBackend, frames: list[Frame]
) -> None:
    """Of frames at 4 Hz the window takes those of 1 Hz; the others are measured."""
    odometer, plain, steps = Odometer(backend), Odometer(backend), FrameSampler(1.0)
    odometries = [odometer.take_frame(frame, steps) for frame in frames]

    assert [odometry.stamp_ns for odometry in odometries] == [frame.stamp_ns for frame in frames]
    assert [odometry.is_step for odometry in odometries] == [index % 4 == 0 for index in range(len(frames))]
    for odometry, frame in zip(odometries[::4], frames[::4], strict=True):
        expected = plain.register_frame(frame)
        np.testing.assert_array_equal(odometry.pose_odom_camera, expected.pose_odom_camera)
        np.testing.assert_array_equal(odometry.covariance, expected.covariance)
        assert odometry.window_fill == expected.window_fill


def test_a_refused_frame_is_no_step_and_an_empty_window_takes_what_comes(
    backend: OnnxRuntimeBackend, frames: list[Frame]
) -> None:
    odometer, steps = Odometer(backend), FrameSampler(1.0)
    for frame in frames[:4]:
        odometer.take_frame(frame, steps)
    with pytest.raises(LaposeError, match="smaller"):
        odometer.take_frame(Frame(np.zeros((4, 4, 3), np.uint8), frames[4].stamp_ns), steps)
    assert odometer.take_frame(frames[5], steps).is_step
    assert not odometer.take_frame(frames[6], steps).is_step

    odometer.reset()
    assert odometer.take_frame(frames[7], steps).is_step
    measured = odometer.take_frame(frames[8], steps)
    assert measured.motion is not None
    assert measured.motion.stamp_from_ns == frames[7].stamp_ns


def test_after_a_gap_the_pose_goes_on_from_the_newest_frame_and_not_from_the_window(
    backend: OnnxRuntimeBackend, frames: list[Frame]
) -> None:
    odometer = Odometer(backend, OdometerConfig(max_gap_s=2.0, gap_speed_mps=10.0))
    steps = FrameSampler(1.0)
    before = [odometer.take_frame(frame, steps) for frame in frames[:7]][-1]
    assert not before.is_step

    after = odometer.take_frame(Frame(frames[7].image_HWC, before.stamp_ns + 3_000_000_000), steps)

    assert (after.is_step, after.motion, after.window_fill) == (True, None, 1)
    np.testing.assert_array_equal(after.pose_odom_camera, before.pose_odom_camera)
    np.testing.assert_allclose(np.diag(after.covariance - before.covariance)[:3], 30.0**2)
