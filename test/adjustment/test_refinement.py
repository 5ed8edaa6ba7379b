"""Matches are moved to where the pictures fit best, and only there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lapose_core.adjustment.correspondences import cells
from lapose_core.adjustment.refinement import refine_matches

WIDTH, HEIGHT = 480, 224
SHIFT = np.array([3.3, -1.6])


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """A textured picture, flat in its left third, and the same moved by SHIFT pixels."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(0, 255, (HEIGHT, WIDTH)), (0, 0), 2.0) * 3 - 255
    picture[:, : WIDTH // 3] = 128
    moved = cv2.warpAffine(picture, np.float64([[1, 0, SHIFT[0]], [0, 1, SHIFT[1]]]), (WIDTH, HEIGHT), cv2.INTER_CUBIC)
    return picture.clip(0, 255).astype(np.uint8), moved.clip(0, 255).astype(np.uint8)


def matches_off_by(off: np.ndarray) -> np.ndarray:
    """(2, N, 5), there and back, with a spread of one cell."""
    cell_N2 = cells(WIDTH, HEIGHT).T
    rest_N3 = np.broadcast_to(np.float32([0.9, 0.9, 1.0]), (len(cell_N2), 3))
    targets = cell_N2 + SHIFT + off, cell_N2 - SHIFT + off
    return np.stack([np.concatenate([target, rest_N3], axis=-1) for target in targets]).astype(np.float32)


def textured() -> np.ndarray:
    x, y = cells(WIDTH, HEIGHT)
    return (x > WIDTH / 3 + 20) & (x < WIDTH - 20) & (y > 20) & (y < HEIGHT - 20)


def test_a_match_that_is_off_by_a_pixel_ends_at_the_true_place_and_is_trusted_more(pictures) -> None:
    exact = matches_off_by(np.zeros(2))
    refined = refine_matches(matches_off_by(np.array([0.7, 0.6])), *pictures)
    position = np.linalg.norm((refined - exact)[..., :2], axis=-1)[:, textured()]
    assert np.median(position) < 0.05
    assert np.mean(position < 0.2) > 0.95
    assert np.median(refined[:, textured(), 4]) == 0.5


def test_where_there_is_no_texture_a_match_stays(pictures) -> None:
    matches = matches_off_by(np.array([0.7, 0.6]))
    flat = cells(WIDTH, HEIGHT)[0] < WIDTH / 3 - 30
    refined = refine_matches(matches, *pictures)
    np.testing.assert_array_equal(refined[:, flat], matches[:, flat])


def test_a_match_that_is_far_off_stays(pictures) -> None:
    matches = matches_off_by(np.array([9.0, 7.0]))
    refined = refine_matches(matches, *pictures)
    assert np.mean((refined == matches).all(-1)) > 0.9


def test_the_matches_given_are_not_changed(pictures) -> None:
    matches = matches_off_by(np.array([0.5, 0.5]))
    before = matches.copy()
    refine_matches(matches, *pictures)
    np.testing.assert_array_equal(matches, before)
