"""A source goes in, files come out."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.geometry import Trajectory, make_pose
from lapose_core.motion import Odometry
from lapose_core.runtime.odometer import Odometer
from lapose_core.runtime.run import run


@pytest.fixture
def drive(tmp_path: Path, frames: list[Frame]) -> Path:
    """The frames as a folder of images at 4 Hz."""
    folder = tmp_path / "drive"
    folder.mkdir()
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{index:03d}.png"), frame.image_HWC[..., ::-1])
    return folder


@pytest.fixture
def run_tiny(tiny_model_dir: Path, tmp_path: Path) -> Callable[..., object]:
    def call(source: Path, **options: object) -> object:
        options = {"fps": 4.0, "model": tiny_model_dir, "progress": False, "threads": 1, **options}
        return run(source, tmp_path / "output", **options)  # type: ignore[arg-type]

    return call


def read_motions(output: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((output / "motions.csv").read_text().splitlines()))


def test_a_run_writes_what_the_odometer_says(
    drive: Path, run_tiny: Callable[..., object], tmp_path: Path, frames: list[Frame], backend
) -> None:
    summary = run_tiny(drive)

    odometer = Odometer(backend)
    odometries = [odometer.register_frame(Frame(f.image_HWC, f.stamp_ns - frames[0].stamp_ns)) for f in frames]
    trajectory = Trajectory.read_tum(tmp_path / "output" / "trajectory.tum")
    np.testing.assert_array_equal(trajectory.stamps_ns, [odometry.stamp_ns for odometry in odometries])
    np.testing.assert_allclose(trajectory.poses, [odometry.pose_odom_camera for odometry in odometries], atol=1e-6)
    rows = read_motions(tmp_path / "output")
    assert len(rows) == len(frames) - 1
    pose = np.eye(4)
    for row, expected in zip(rows, trajectory.poses[1:], strict=True):
        numbers = [float(row[name]) for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")]
        pose = pose @ make_pose(numbers[:3], numbers[3:])
        np.testing.assert_allclose(pose, expected, atol=1e-6)
    assert cv2.imread(str(tmp_path / "output" / "trajectory.png")) is not None
    assert summary.frames == 24
    assert summary.distance_m == pytest.approx(trajectory.length_m(), abs=1e-6)
    assert "24 frames (0 undecodable, 0 out of order)" in str(summary)


def test_a_run_keeps_to_the_rate(drive: Path, run_tiny: Callable[..., object], tmp_path: Path) -> None:
    run_tiny(drive, rate_hz=2.0)

    stamps_ns = Trajectory.read_tum(tmp_path / "output" / "trajectory.tum").stamps_ns
    np.testing.assert_array_equal(np.diff(stamps_ns), np.full(11, 500_000_000))


def test_every_frame_has_a_pose_and_the_steps_stay_the_same(
    drive: Path, run_tiny: Callable[..., object], tmp_path: Path
) -> None:
    run_tiny(drive, rate_hz=2.0)
    steps = Trajectory.read_tum(tmp_path / "output" / "trajectory.tum")
    motions = read_motions(tmp_path / "output")

    summary = run_tiny(drive, rate_hz=2.0, every_frame=True)

    trajectory = Trajectory.read_tum(tmp_path / "output" / "trajectory.tum")
    assert summary.frames == len(trajectory.stamps_ns) == 24
    assert read_motions(tmp_path / "output") == motions
    shared = np.isin(trajectory.stamps_ns, steps.stamps_ns)
    np.testing.assert_array_equal(trajectory.stamps_ns[shared], steps.stamps_ns)
    np.testing.assert_allclose(trajectory.poses[shared], steps.poses, atol=1e-6)


def test_a_calibrated_run_takes_the_cameras_word(drive: Path, run_tiny: Callable[..., object], tmp_path: Path) -> None:
    """The drive as a KITTI sequence, whose calib.txt says 300 pixels of focal length."""
    sequence = tmp_path / "sequences" / "00"
    shutil.copytree(drive, sequence / "image_0")
    images = sorted((sequence / "image_0").glob("*.png"))
    for number, image in enumerate(images):
        image.rename(image.with_name(f"{number:06d}.png"))
    (sequence / "times.txt").write_text("".join(f"{0.25 * number:.6e}\n" for number in range(len(images))))
    (sequence / "calib.txt").write_text("P0: 300 0 100 0 0 300 50 0 0 0 1 0\n")
    run_tiny(sequence)
    guessed = read_motions(tmp_path / "output")
    run_tiny(sequence, calibrated=True)
    told = read_motions(tmp_path / "output")
    assert len(told) == len(guessed) and all(a["tz"] != b["tz"] for a, b in zip(told, guessed, strict=True))


def test_a_source_that_does_not_tell_its_camera_cannot_be_run_calibrated(
    drive: Path, run_tiny: Callable[..., object]
) -> None:
    with pytest.raises(LaposeError, match="does not tell its camera: leave out --calibrated"):
        run_tiny(drive, calibrated=True)


def test_recomputing_the_window_gives_the_same_files(
    drive: Path, run_tiny: Callable[..., object], tmp_path: Path
) -> None:
    run_tiny(drive)
    streamed = Trajectory.read_tum(tmp_path / "output" / "trajectory.tum")

    run_tiny(drive, stream=False)

    recomputed = Trajectory.read_tum(tmp_path / "output" / "trajectory.tum")
    np.testing.assert_allclose(recomputed.poses, streamed.poses, atol=1e-4)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image.write_bytes(b"no image"),
        lambda image: cv2.imwrite(str(image), np.zeros((32, 64, 3), np.uint8)),
    ],
    ids=["damaged", "too small"],
)
def test_a_bad_frame_is_left_out_counted_and_the_run_goes_on(
    drive: Path, run_tiny: Callable[..., object], tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(drive / "010.png")

    summary = run_tiny(drive)

    assert (summary.frames, summary.undecodable) == (23, 1)
    assert len(read_motions(tmp_path / "output")) == 22


def ends_at_the_ninth(error: BaseException) -> Callable[[Odometer, Frame], Odometry]:
    """`register_frame` as it is, but for the ninth frame."""
    register_frame = Odometer.register_frame

    def ending(self: Odometer, frame: Frame) -> Odometry:
        if frame.stamp_ns == 8 * 250_000_000:
            raise error
        return register_frame(self, frame)

    return ending


def test_ctrl_c_keeps_what_there_is(
    drive: Path, run_tiny: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odometer, "register_frame", ends_at_the_ninth(KeyboardInterrupt()))

    summary = run_tiny(drive)

    assert summary.interrupted
    assert str(summary).startswith("interrupted after 8 frames")
    assert len(read_motions(tmp_path / "output")) == 7


def test_an_error_half_way_keeps_what_there_is(
    drive: Path, run_tiny: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odometer, "register_frame", ends_at_the_ninth(RuntimeError("a bug")))

    with pytest.raises(RuntimeError, match="a bug"):
        run_tiny(drive)
    assert len(read_motions(tmp_path / "output")) == 7


def test_images_that_are_all_too_small_are_told(drive: Path, run_tiny: Callable[..., object]) -> None:
    for image in drive.iterdir():
        cv2.imwrite(str(image), np.zeros((32, 64, 3), np.uint8))

    with pytest.raises(LaposeError, match="64x32, smaller than the model's input of 128x64"):
        run_tiny(drive)


def test_a_single_frame_is_not_enough(drive: Path, run_tiny: Callable[..., object], tmp_path: Path) -> None:
    with pytest.raises(LaposeError, match="a motion needs two"):
        run_tiny(drive, rate_hz=0.05)
    assert not list((tmp_path / "output").iterdir())


def test_an_output_that_is_a_file_is_told(drive: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LaposeError, match="--output"):
        run(drive, tmp_path / "file", model=tiny_model_dir, fps=4.0, progress=False)
