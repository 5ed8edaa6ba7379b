"""Folders of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.open import open_source
from lapose_core.errors import LaposeError

WriteImages = Callable[..., Path]


def test_numbers_in_names_sort_as_numbers(tmp_path: Path, images: list[np.ndarray], write_images: WriteImages) -> None:
    write_images(tmp_path, images, [f"image_{index}.png" for index in range(12)])

    frames = list(open_source(tmp_path, fps=10.0))

    assert [frame.stamp_ns for frame in frames] == [index * 100_000_000 for index in range(12)]
    for frame, image in zip(frames, images, strict=True):
        np.testing.assert_array_equal(frame.image_HWC, image)


@pytest.mark.parametrize("unit_ns", [1, 1000])
def test_names_may_be_stamps(tmp_path: Path, images: list[np.ndarray], write_images: WriteImages, unit_ns: int) -> None:
    stamps_ns = [1_700_000_000_000_000_000 + index * 100_000_000 for index in range(12)]
    write_images(tmp_path, images, [f"{stamp_ns // unit_ns}.png" for stamp_ns in stamps_ns])

    assert [frame.stamp_ns for frame in open_source(tmp_path)] == stamps_ns


@pytest.mark.parametrize("place", ["drive", "."])
def test_a_times_file_gives_the_stamps(
    tmp_path: Path, images: list[np.ndarray], write_images: WriteImages, place: str
) -> None:
    write_images(tmp_path / "drive", images, [f"{index:06d}.png" for index in range(12)])
    (tmp_path / place / "times.txt").write_text("".join(f"{0.1 * index:.6e}\n" for index in range(12)))

    source = open_source(tmp_path / "drive", rate_hz=5.0)

    assert [frame.stamp_ns for frame in source] == [index * 200_000_000 for index in range(6)]
    assert source.frame_count == 6


def test_without_any_stamps_the_rate_is_asked_for(
    tmp_path: Path, images: list[np.ndarray], write_images: WriteImages
) -> None:
    write_images(tmp_path, images, [f"{index:06d}.png" for index in range(12)])

    with pytest.raises(LaposeError, match=r"--fps"):
        open_source(tmp_path)


def test_a_times_file_of_another_length_is_told(
    tmp_path: Path, images: list[np.ndarray], write_images: WriteImages
) -> None:
    write_images(tmp_path, images, [f"{index}.png" for index in range(12)])
    (tmp_path / "times.txt").write_text("0.0\n0.1\n")

    with pytest.raises(LaposeError, match=r"times\.txt has 2 lines for 12 images"):
        open_source(tmp_path)


def test_a_damaged_image_is_left_out_and_the_next_takes_its_place(
    tmp_path: Path, images: list[np.ndarray], write_images: WriteImages
) -> None:
    write_images(tmp_path, images, [f"{index}.png" for index in range(12)])
    (tmp_path / "4.png").write_bytes(b"\x89PNG broken")

    source = open_source(tmp_path, fps=10.0, rate_hz=5.0)

    assert [frame.stamp_ns // 100_000_000 for frame in source] == [0, 2, 5, 7, 9, 11]
    assert source.undecodable == 1


def test_only_damaged_images_are_an_error(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / f"{index}.png").write_bytes(b"")

    with pytest.raises(LaposeError, match=r"no frame of .* could be decoded"):
        list(open_source(tmp_path, fps=10.0))
