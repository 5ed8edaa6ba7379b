"""Clips from unlabelled drives: rates are drawn and kept, what cannot be used is left out and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.data.chunks import ClipRates, choose_frames
from lapose_core.data.folder import DriveFolder, find_drives
from lapose_core.errors import LaposeError
from lapose_core.model.config import preset

TINY = preset("tiny")
RATES = ClipRates(2.0, 5.0, 4)


def noise(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 96, 160, 3), dtype=np.uint8))


@given(
    seed=st.integers(0, 1000),
    camera_hz=st.floats(4.0, 40.0),
    slowest=st.floats(0.5, 3.0),
    wider=st.floats(1.0, 8.0),
    frames=st.integers(2, 16),
)
def test_every_step_of_a_clip_lasts_about_as_long(
    seed: int, camera_hz: float, slowest: float, wider: float, frames: int
) -> None:
    rates = ClipRates(slowest, slowest * wider, frames)
    stamps = (np.arange(int(camera_hz * rates.longest_s) + 2) * 1e9 / camera_hz).astype(np.int64) + 10**18
    index = choose_frames(np.random.default_rng(seed), stamps, rates)
    if index is None:
        return
    assert len(index) == frames
    steps = np.diff(stamps[index]) * 1e-9
    assert (steps > 0).all()
    assert np.abs(steps - steps.mean()).max() <= 1.01 / camera_hz
    assert 1 / steps.mean() <= slowest * wider * 1.5


def test_rates_are_drawn_over_the_whole_range() -> None:
    stamps = (np.arange(400) * 1e9 / 20).astype(np.int64)
    rng = np.random.default_rng(0)
    drawn = [np.diff(stamps[choose_frames(rng, stamps, ClipRates(1.0, 4.0, 16))]).mean() * 1e-9 for _ in range(200)]
    assert min(drawn) < 0.3
    assert max(drawn) > 0.9


def test_a_gap_is_not_taken_for_a_step() -> None:
    stamps = (np.r_[np.arange(10), 40 + np.arange(10)] * 1e8).astype(np.int64)
    rng = np.random.default_rng(0)
    found = [choose_frames(rng, stamps, ClipRates(4.0, 10.0, 4)) for _ in range(200)]
    whole = [index for index in found if index is not None]
    assert whole
    assert not any(index[0] < 10 <= index[-1] for index in whole)


@pytest.mark.parametrize("rates", [(0.0, 4.0), (-1.0, 4.0), (4.0, 1.0), (float("nan"), 4.0)])
def test_rates_that_are_none_are_refused(rates: tuple[float, float]) -> None:
    with pytest.raises(LaposeError, match="no range of frame rates"):
        ClipRates(*rates, 16)


def test_a_folder_gives_the_drives_in_it_and_leaves_out_what_cannot_be_used(
    tmp_path: Path, write_video, write_images, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "trip").mkdir()
    write_video(tmp_path / "trip" / "good.avi", noise(40))
    write_video(tmp_path / "short.avi", noise(5))
    (tmp_path / "broken.mp4").write_bytes(b"this is no video")
    write_images(tmp_path / "no_rate", noise(20), [f"{i}.png" for i in range(20)])
    reader = DriveFolder(tmp_path, TINY, RATES)
    assert {drive.name for drive in reader.drives} == {"good.avi", "short.avi", "broken.mp4", "no_rate"}
    rng = np.random.default_rng(0)
    chunks = [*reader.chunks(rng), *reader.chunks(rng)]
    assert {chunk.name for chunk in chunks} == {"good"}
    frames, intervals = chunks[0].draw_clip(rng, RATES)
    assert frames.shape == (4, 3, 64, 128)
    assert frames.dtype == np.uint8
    assert intervals.shape == (3,)
    assert reader.omissions.count == 3
    said = capsys.readouterr().err
    assert said.count("left out") == 3, "each is told once"
    assert "shorter than 4 frames at 2 Hz" in said
    assert "no video that OpenCV can read" in said
    assert "give the camera's rate with --fps" in said


def test_a_folder_of_nothing_but_bad_drives_is_refused(tmp_path: Path, write_video) -> None:
    with pytest.raises(LaposeError, match="no such file or folder"):
        find_drives(tmp_path / "nowhere")
    with pytest.raises(LaposeError, match="holds no videos"):
        find_drives(tmp_path)
    write_video(tmp_path / "short.avi", noise(5))
    with pytest.raises(LaposeError, match="nothing of it can be trained on"):
        next(DriveFolder(tmp_path, TINY, RATES).endless(np.random.default_rng(0)))


def test_a_rate_that_is_given_wins(tmp_path: Path, write_images) -> None:
    write_images(tmp_path / "drive", noise(20), [f"{i}.png" for i in range(20)])
    chunk = next(DriveFolder(tmp_path, TINY, RATES, fps=5.0).chunks(np.random.default_rng(0)))
    assert np.diff(chunk.stamps_ns).tolist() == [200_000_000] * (len(chunk.stamps_ns) - 1)
    folder = DriveFolder(tmp_path, TINY, RATES, fps=0.0)
    assert not list(folder.chunks(np.random.default_rng(0)))
    assert folder.omissions.count == 1
