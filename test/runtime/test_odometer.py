"""The online system."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapose_core.adjustment.camera import KnownCamera
from lapose_core.adjustment.learned import LearnedCamera, Mean
from lapose_core.data.preprocess import prepare_frame, source_fov_x
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.geometry import make_pose
from lapose_core.motion import Motion
from lapose_core.runtime.backends.backend import InferredSteps
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.estimate import decode_window, refine_steps
from lapose_core.runtime.odometer import Odometer, OdometerConfig, StaleFrameError
from lapose_core.runtime.pose_doubt import PoseDoubt
from lapose_core.runtime.view import look

CLIP_LENGTH = 16


@pytest.fixture
def odometer(backend: OnnxRuntimeBackend) -> Odometer:
    return Odometer(backend)


def later(frame: Frame, seconds: float) -> Frame:
    return Frame(frame.image_HWC, frame.stamp_ns + round(seconds * 1e9))


def test_the_first_frame_is_the_origin(odometer: Odometer, frames: list[Frame]) -> None:
    odometry = odometer.register_frame(frames[0])

    np.testing.assert_array_equal(odometry.pose_odom_camera, np.eye(4))
    assert odometry.motion is None
    assert odometry.window_fill == 1
    assert odometry.stamp_ns == frames[0].stamp_ns
    assert np.all(np.linalg.eigvalsh(odometry.covariance) > 0)


def test_odometry_is_the_chain_of_the_motions(odometer: Odometer, frames: list[Frame]) -> None:
    pose = np.eye(4)
    for index, frame in enumerate(frames):
        odometry = odometer.register_frame(frame)
        if index == 0:
            continue
        assert odometry.motion is not None
        assert (odometry.motion.stamp_from_ns, odometry.motion.stamp_to_ns) == (
            frames[index - 1].stamp_ns,
            frame.stamp_ns,
        )
        assert odometry.window_fill == min(index + 1, CLIP_LENGTH)
        pose = pose @ odometry.motion.pose_from_to
        np.testing.assert_allclose(odometry.pose_odom_camera, pose, atol=1e-12)


def test_running_frame_by_frame_gives_the_numbers_of_the_whole_window(
    odometer: Odometer, backend: OnnxRuntimeBackend, frames: list[Frame]
) -> None:
    for frame in frames[:-1]:
        odometer.register_frame(frame)
    learned = odometer.learned
    motion = odometer.register_frame(frames[-1]).motion
    assert motion is not None

    window = frames[-CLIP_LENGTH:]
    prepared = [backend.prepare(frame.image_HWC) for frame in window]
    features = [backend.tokenize(frame_CHW) for frame_CHW in prepared]
    steps = [backend.infer_steps(features[i : i + 2], np.array([0.25])) for i in range(CLIP_LENGTH - 1)]
    views = [look(frame.image_HWC, backend.picture(seen)) for frame, seen in zip(window, prepared, strict=True)]
    inferred = refine_steps(InferredSteps.joined(steps), views)
    intervals_S = np.full(CLIP_LENGTH - 1, 0.25, np.float32)
    decoded = decode_window(backend, inferred, intervals_S, KnownCamera(learned=learned))

    expected = make_pose(decoded.translation_S3[-1], decoded.quaternion_S4[-1])
    np.testing.assert_allclose(motion.pose_from_to, expected, atol=1e-6)
    np.testing.assert_allclose(motion.action, steps[-1].actions_SK[0], atol=1e-6)
    np.testing.assert_allclose(motion.variance, decoded.variance_S6[-1], rtol=1e-4)
    assert motion.scale_m == pytest.approx(decoded.scale_m, rel=1e-5)
    assert motion.fov_x_rad == pytest.approx(source_fov_x(decoded.fov_x_S[-1], 192, 96, backend.config), rel=1e-5)


def test_running_frame_by_frame_gives_the_actions_of_the_model_in_training(
    odometer: Odometer, frames: list[Frame], tiny_model_dir
) -> None:
    torch = pytest.importorskip("torch")
    from lapose_core.model.lapose import LAPose

    for frame in frames:
        motion = odometer.register_frame(frame).motion
    assert motion is not None

    model = LAPose.load(tiny_model_dir)
    window_TCHW = np.stack([prepare_frame(frame.image_HWC, model.config) for frame in frames[-CLIP_LENGTH:]])
    with torch.no_grad():
        actions_1SK, _ = model.infer_actions(
            torch.from_numpy(window_TCHW)[None], torch.full((1, CLIP_LENGTH - 1), 0.25)
        )

    np.testing.assert_allclose(actions_1SK[0, -1].numpy(), motion.action, atol=1e-3)


def test_a_known_camera_is_believed(backend: OnnxRuntimeBackend, frames: list[Frame]) -> None:
    known = Odometer(backend, OdometerConfig(principal_point=(96.0, 48.0), fov_x_rad=1.0))
    told_later = Odometer(backend)
    unknown = Odometer(backend)
    for frame in frames[:6]:
        motion, guessed = known.register_frame(frame).motion, unknown.register_frame(frame).motion
    for frame in frames[:5]:
        told_later.register_frame(frame)
    told_later.know_camera((96.0, 48.0), 1.0)
    later_motion = told_later.register_frame(frames[5]).motion
    np.testing.assert_allclose(later_motion.pose_from_to, motion.pose_from_to, atol=1e-9)
    assert np.abs(guessed.pose_from_to - motion.pose_from_to).max() > 1e-4
    # What the pictures tell of it is still told, for comparison.
    assert motion.fov_x_rad != pytest.approx(1.0, rel=1e-3)


def test_reset_starts_again_from_nothing(odometer: Odometer, frames: list[Frame]) -> None:
    first = [odometer.register_frame(frame) for frame in frames[:5]][-1]
    odometer.reset()
    again = [odometer.register_frame(frame) for frame in frames[:5]][-1]

    np.testing.assert_array_equal(first.pose_odom_camera, again.pose_odom_camera)
    np.testing.assert_array_equal(first.covariance, again.covariance)


def test_what_the_drive_has_told_of_the_camera_outlasts_a_restart_and_no_more(
    odometer: Odometer, frames: list[Frame]
) -> None:
    for frame in frames[: CLIP_LENGTH - 1]:
        odometer.register_frame(frame)
    assert odometer.learned.guess == Mean()  # a window that still fills tells no focal length
    odometer.register_frame(frames[CLIP_LENGTH - 1])
    learned = odometer.learned
    assert learned.guess.weight > 0
    odometer.measure_frame(frames[CLIP_LENGTH])
    assert odometer.learned == learned
    odometer.restart()
    assert odometer.learned == learned
    assert odometer.register_frame(frames[CLIP_LENGTH]).motion is None
    odometer.know_camera(None, None)
    assert odometer.learned == LearnedCamera()
    for frame in frames:
        odometer.register_frame(later(frame, 100.0))
    assert odometer.learned != LearnedCamera()
    odometer.reset()
    assert odometer.learned == LearnedCamera()


@pytest.mark.parametrize("seconds", [0.0, -0.1])
def test_a_stale_frame_is_refused_and_changes_nothing(
    backend: OnnxRuntimeBackend, frames: list[Frame], seconds: float
) -> None:
    disturbed, undisturbed = Odometer(backend), Odometer(backend)
    for frame in frames[:4]:
        disturbed.register_frame(frame)
        undisturbed.register_frame(frame)

    with pytest.raises(StaleFrameError, match="order of time"):
        disturbed.register_frame(later(frames[3], seconds))

    np.testing.assert_array_equal(
        disturbed.register_frame(frames[4]).pose_odom_camera, undisturbed.register_frame(frames[4]).pose_odom_camera
    )


def test_an_image_that_is_too_small_changes_nothing(odometer: Odometer, frames: list[Frame]) -> None:
    odometer.register_frame(frames[0])

    with pytest.raises(LaposeError, match="smaller than the model's input"):
        odometer.register_frame(Frame(np.zeros((32, 64, 3), np.uint8), frames[1].stamp_ns))

    motion = odometer.register_frame(frames[1]).motion
    assert motion is not None
    assert motion.stamp_from_ns == frames[0].stamp_ns


def test_a_gap_starts_a_new_window_where_the_camera_was_last_seen(
    backend: OnnxRuntimeBackend, frames: list[Frame]
) -> None:
    config = OdometerConfig(max_gap_s=1.0, gap_speed_mps=10.0, gap_turn_radps=0.1)
    odometer = Odometer(backend, config)
    before = [odometer.register_frame(frame) for frame in frames[:6]][-1]

    after = odometer.register_frame(later(frames[5], 3.0))

    assert after.motion is None
    assert after.window_fill == 1
    np.testing.assert_array_equal(after.pose_odom_camera, before.pose_odom_camera)
    growth = np.diag(after.covariance - before.covariance)
    np.testing.assert_allclose(growth, [30.0**2] * 3 + [0.3**2] * 3)
    following = odometer.register_frame(later(frames[6], 3.0))
    assert following.window_fill == 2


def test_a_dropped_frame_is_no_gap(odometer: Odometer, frames: list[Frame]) -> None:
    odometer.register_frame(frames[0])

    motion = odometer.register_frame(frames[2]).motion

    assert motion is not None
    assert motion.interval_s == 0.5


def test_covariances_grow_and_stay_covariances(odometer: Odometer, frames: list[Frame]) -> None:
    spread = []
    for frame in frames:
        covariance = odometer.register_frame(frame).covariance
        np.testing.assert_array_equal(covariance, covariance.T)
        assert np.linalg.eigvalsh(covariance).min() > 0
        spread.append(np.linalg.det(covariance))
    assert np.all(np.diff(spread) > 0)


vectors = st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3).map(np.array)


@given(vectors, vectors, vectors, vectors, st.integers(0, 11))
def test_covariance_follows_a_small_error_through_the_chain(
    position: np.ndarray, turn: np.ndarray, step: np.ndarray, step_turn: np.ndarray, axis: int
) -> None:
    """An error of size 1e-6 in one of the 12 directions (6 of the pose, 6 of the motion), carried by hand."""
    pose = make_pose(position, Rotation.from_rotvec(turn).as_quat())
    motion_pose = make_pose(step, Rotation.from_rotvec(step_turn).as_quat())
    error = np.zeros(12)
    error[axis] = 1e-6
    ended = disturb(pose, error[:6]) @ disturb(motion_pose, error[6:])
    expected_end = pose @ motion_pose
    turned = Rotation.from_matrix(ended[:3, :3] @ expected_end[:3, :3].T).as_rotvec()
    end_error = np.concatenate([ended[:3, 3] - expected_end[:3, 3], turned])

    motion = Motion(0, 1, motion_pose, np.diag(error[6:] ** 2), 0.0, 1.0, 1.0, np.zeros(50, np.float32))
    covariance = PoseDoubt(np.diag(error[:6] ** 2)).after(motion, pose).covariance

    np.testing.assert_allclose(covariance, np.outer(end_error, end_error), atol=1e-16)


def test_a_scale_that_is_off_makes_a_straight_drive_too_long_and_a_round_trip_less_so() -> None:
    """A tenth of the way for a while, forgotten in the long run; out and back, it cancels in part."""
    forward = make_pose(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    back = make_pose(np.array([0.0, 0.0, -1.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    deviation = {}
    for name, steps in {"near": [forward] * 10, "far": [forward] * 1000, "back": [forward] * 10 + [back] * 10}.items():
        pose, doubt = np.eye(4), PoseDoubt()
        for step in steps:
            covariance = np.diag([1e-8, 1e-8, 0.01 + 1e-8, 1e-8, 1e-8, 1e-8])
            doubt = doubt.after(Motion(0, 1, step, covariance, 0.1, 1.0, 1.0, np.zeros(50, np.float32)), pose)
            pose = pose @ step
        deviation[name] = np.sqrt(doubt.covariance[2, 2])
        assert np.all(np.linalg.eigvalsh(doubt.covariance) > 0)
    assert deviation["near"] == pytest.approx(0.1 * 10, rel=0.1)
    assert 0.1 * 1000**0.5 < deviation["far"] < 0.5 * 0.1 * 1000
    assert deviation["back"] < 0.6 * deviation["near"]


def disturb(pose: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The pose with an error (translation, rotation vector) in the axes of the frame it is given in."""
    disturbed = pose.copy()
    disturbed[:3, 3] += error[:3]
    disturbed[:3, :3] = Rotation.from_rotvec(error[3:]).as_matrix() @ pose[:3, :3]
    return disturbed


def test_a_model_that_can_run_neither_frame_by_frame_nor_by_windows_is_refused(backend: OnnxRuntimeBackend) -> None:
    class FourFrames:
        config = dataclasses.replace(backend.config, preset="other", context_frames=4)

    with pytest.raises(LaposeError, match="'other' looks at 4 frames"):
        Odometer(FourFrames())  # type: ignore[arg-type]
