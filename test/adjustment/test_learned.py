"""What the windows of a drive say of their one camera is worth more than what any of them says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.adjustment.learned import USUAL_AXIS, CameraWord, LearnedCamera, Mean

#: Windows of a drive, each of which shares its steps with fourteen others.
WINDOW = 15


def drive(guess: float, depths: float, information: float, windows: int, start: LearnedCamera | None = None):
    learned = start or LearnedCamera()
    for _ in range(windows * WINDOW):
        learned = learned.with_word(CameraWord(guess, depths, information))
    return learned


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1e5))
def test_a_first_window_is_between_a_usual_camera_the_heads_guess_and_what_depths_say(
    guess: float, depths: float, told: float
) -> None:
    log_focal = LearnedCamera().log_focal(CameraWord(guess, depths, told))
    assert min(guess, depths, 0) - 1e-9 <= log_focal <= max(guess, depths, 0) + 1e-9
    if told == 0:
        assert min(guess, 0) <= log_focal <= max(guess, 0)


def test_a_guess_near_a_usual_camera_is_drawn_to_it_and_one_of_a_wide_angle_lens_is_not() -> None:
    nothing = LearnedCamera()
    assert nothing.log_focal(CameraWord(-0.2)) == pytest.approx(-0.12, abs=0.03)
    assert nothing.log_focal(CameraWord(-0.8)) == pytest.approx(-0.8, abs=0.02)
    # The more windows say so, the more it is believed.
    assert drive(-0.2, 0.0, 0.0, 20).log_focal(CameraWord(-0.2)) < nothing.log_focal(CameraWord(-0.2))


def test_guesses_that_swing_are_averaged() -> None:
    learned = LearnedCamera()
    for window in range(20 * WINDOW):
        learned = learned.with_word(CameraWord(0.2 * math.sin(window / 10)))
    for guess in (-0.2, 0.2):
        assert abs(learned.log_focal(CameraWord(guess))) < 0.02


def test_one_bend_outweighs_the_guesses_of_a_long_drive_and_stays_when_it_is_over() -> None:
    straight = drive(-0.2, 0.0, 0.0, 20)
    bend = drive(-0.2, 0.0, 1000.0, 4, straight)
    after = drive(-0.2, 0.0, 0.0, 20, bend)
    assert straight.log_focal(CameraWord(-0.2)) == pytest.approx(-0.15, abs=0.03)
    for learned in (bend, after):
        assert abs(learned.log_focal(CameraWord(-0.2))) < 0.08


def test_the_camera_of_long_ago_is_forgotten() -> None:
    zoomed = drive(0.5, 0.5, 1000.0, 30, drive(0.0, 0.0, 1000.0, 8))
    assert zoomed.log_focal(CameraWord(0.5)) == pytest.approx(0.5, abs=0.1)


def test_the_optical_axis_is_where_bends_say_the_surer_the_more_of_them() -> None:
    nothing, word = LearnedCamera(), CameraWord(0.0, axis=0.02, axis_information=1 / 0.01**2)
    assert nothing.axis_across(CameraWord(0.0)) == (0.0, USUAL_AXIS)
    once, doubt = nothing.axis_across(word)
    assert 0.01 < once < 0.02 and doubt < 0.01
    learned = nothing
    for _ in range(8 * WINDOW):
        learned = learned.with_word(word)
    straight, surer = learned.axis_across(CameraWord(0.0))
    assert once < straight < 0.02 and surer < 0.6 * doubt


def test_a_height_is_as_sure_as_the_windows_that_saw_the_road() -> None:
    learned, deviations = LearnedCamera(), []
    assert learned.log_height()[1] == math.inf
    assert learned.with_height(0.5, 0.0) == learned
    for _ in range(10 * WINDOW):
        learned = learned.with_height(math.log(1.6), 0.8)
        deviations.append(learned.log_height()[1])
    assert learned.log_height()[0] == pytest.approx(math.log(1.6))
    assert deviations == sorted(deviations, reverse=True)
    assert 0.06 < deviations[-1] < 0.07


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 10)), min_size=1, max_size=20))
def test_a_mean_without_an_end_is_the_weighted_one(values: list[tuple[float, float]]) -> None:
    mean = Mean()
    for value, weight in values:
        mean = mean.with_one(value, weight)
    assert mean.weight == pytest.approx(sum(weight for _, weight in values))
    assert mean.value == pytest.approx(sum(v * w for v, w in values) / mean.weight, abs=1e-9)
