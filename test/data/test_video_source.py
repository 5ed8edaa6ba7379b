"""Video files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError


@pytest.mark.parametrize("name", ["drive.mp4", "drive.avi"])
def test_frames_come_as_rgb_with_the_stamps_of_the_file(
    tmp_path: Path, images: list[np.ndarray], write_video: Callable[..., Path], name: str
) -> None:
    source = open_source(write_video(tmp_path / name, images, fps=10.0))

    frames = list(source)

    assert [frame.stamp_ns for frame in frames] == [index * 100_000_000 for index in range(12)]
    assert source.name == "drive"
    assert source.frame_count == 12
    assert source.undecodable == 0
    for frame, image in zip(frames, images, strict=True):
        assert frame.image_HWC.shape == (96, 160, 3)
        np.testing.assert_allclose(frame.image_HWC.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=8)


def test_a_source_can_be_read_twice_and_left_half_way(
    tmp_path: Path, images: list[np.ndarray], write_video: Callable[..., Path]
) -> None:
    source = open_source(write_video(tmp_path / "drive.mp4", images), rate_hz=5.0)
    next(iter(source))

    assert [frame.stamp_ns for frame in source] == [frame.stamp_ns for frame in source]
    assert source.frame_count == 6


def test_a_given_frame_rate_replaces_that_of_the_file(
    tmp_path: Path, images: list[np.ndarray], write_video: Callable[..., Path]
) -> None:
    source = open_source(write_video(tmp_path / "drive.mp4", images, fps=10.0), fps=4.0)

    assert [frame.stamp_ns for frame in source] == [index * 250_000_000 for index in range(12)]


def test_a_damaged_frame_is_left_out_and_counted(
    tmp_path: Path, images: list[np.ndarray], write_video: Callable[..., Path]
) -> None:
    video = write_video(tmp_path / "drive.avi", images)
    data = bytearray(video.read_bytes())
    starts = [start for start in range(len(data)) if data[start : start + 2] == b"\xff\xd8"]  # one JPEG a frame
    data[starts[5] : starts[6] - 10] = bytes(starts[6] - 10 - starts[5])
    video.write_bytes(data)

    source = open_source(video)
    stamps_ns = [frame.stamp_ns for frame in source]

    assert stamps_ns == [index * 100_000_000 for index in range(12) if index != 5]
    assert source.undecodable == 1


def test_a_video_that_was_cut_short_ends_where_it_ends(
    tmp_path: Path, images: list[np.ndarray], write_video: Callable[..., Path]
) -> None:
    video = write_video(tmp_path / "drive.avi", images)
    video.write_bytes(video.read_bytes()[: -video.stat().st_size // 3])

    source = open_source(video)

    assert 1 <= len(list(source)) < 12
    assert source.undecodable == 0


@pytest.mark.parametrize("content", [b"", b"this is a text file\n" * 50])
def test_a_file_that_is_no_video_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "drive.mp4"
    path.write_bytes(content)

    with pytest.raises(LaposeError, match=r"drive\.mp4") as caught:
        list(open_source(path))
    assert "\n" not in str(caught.value)


def test_a_video_without_frames_is_told(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    with pytest.raises(LaposeError, match=r"drive\.avi"):
        list(open_source(write_video(tmp_path / "drive.avi", [])))
