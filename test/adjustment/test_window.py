"""Windows adjusted to matches of a world of points, seen by a camera that we know."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapose_core.adjustment.camera import KnownCamera, focal_of, seen_through
from lapose_core.adjustment.learned import USUAL_FOV_X, CameraWord
from lapose_core.adjustment.window import adjust_window
from lapose_core.geometry import direction_angle, invert_pose, make_pose, quaternion_of, rotation_angle
from lapose_core.model.config import preset
from lapose_core.runtime.backends.backend import DecodedMotions

CONFIG = preset("compact")
STEPS = 15
AXIS_KNOWN = KnownCamera(axis=(0.0, 0.0))


@dataclass
class Drive:
    """True motions (S, 4, 4), the matches that a camera with this focal length and axis sees, and a head's guess."""

    motions_S44: np.ndarray
    matches_S2NC: np.ndarray
    guess: DecodedMotions


def drive(
    seed: int,
    *,
    focal: float = 400.0,
    axis_px: tuple[float, float] = (0.0, 0.0),
    speed: float = 1.0,
    outliers: float = 0.2,
    turn: float = 0.03,
    turning: float = 0.0,
    distortion: float = 0.0,
) -> Drive:
    rng = np.random.default_rng(seed)
    rotation_S3 = rng.normal((0, turning, 0), (0.01, turn, 0.01), (STEPS, 3))
    forward_S3 = np.stack([rng.normal(0, 0.1, STEPS), rng.normal(0, 0.03, STEPS), np.ones(STEPS)], axis=-1)
    length_S = speed * rng.uniform(0.6, 1.4, STEPS)
    motions_S44 = poses(
        forward_S3 / np.linalg.norm(forward_S3, axis=-1, keepdims=True) * length_S[:, None], rotation_S3
    )

    cells_N2 = np.stack(np.meshgrid(np.arange(8.0, 480, 16), np.arange(8.0, 224, 16)), axis=-1).reshape(-1, 2)
    depth_TN = rng.uniform(3.0, 40.0, (STEPS + 1, len(cells_N2)))
    matches = np.zeros((STEPS, 2, len(cells_N2), 5), np.float32)
    middle = np.array([240.0, 112.0]) + axis_px
    for step, motion in enumerate(motions_S44):
        for way, (depth_N, carry) in enumerate(((depth_TN[step], invert_pose(motion)), (depth_TN[step + 1], motion))):
            straight_N2 = (cells_N2 - middle) / (1 + distortion * _reach(cells_N2 - middle))
            points = np.concatenate([straight_N2 / focal, np.ones((len(cells_N2), 1))], -1) * depth_N[:, None]
            carried = points @ carry[:3, :3].T + carry[:3, 3]
            straight_N2 = carried[:, :2] / np.maximum(carried[:, 2:], 0.1) * focal
            target = straight_N2 * 2 / (1 + np.sqrt(np.maximum(1 - 4 * distortion * _reach(straight_N2), 0.0)))
            target += middle + rng.normal(0, 0.3, (420, 2))
            wrong = rng.random(420) < outliers
            target[wrong] += rng.normal(0, 30.0, (wrong.sum(), 2))
            matches[step, way] = np.concatenate([target, np.tile([0.8, 0.5, 0.8], (420, 1))], axis=-1)
    return Drive(motions_S44, matches, guess_of(rng, motions_S44, focal))


def _reach(places_N2: np.ndarray) -> np.ndarray:
    """(N, 1) squared distance from the axis, in half widths."""
    return np.square(places_N2 / 240).sum(-1, keepdims=True)


def poses(translation_S3: np.ndarray, rotation_S3: np.ndarray) -> np.ndarray:
    half = np.concatenate([rotation_S3 / 2, np.ones((len(rotation_S3), 1))], axis=-1)
    return make_pose(translation_S3, half)


def guess_of(rng: np.random.Generator, motions_S44: np.ndarray, focal: float) -> DecodedMotions:
    """A head that errs: 0.2 degrees, 3 degrees of direction, 10 % of length, 3 % of focal length."""
    length_S1 = np.linalg.norm(motions_S44[:, :3, 3], axis=-1, keepdims=True)
    spread_S6 = np.concatenate([np.repeat(0.05 * length_S1, 3, axis=-1), np.full((STEPS, 3), 0.0035)], axis=-1)
    error = poses(np.zeros((STEPS, 3)), rng.normal(0, 0.0035, (STEPS, 3)))
    translation_S3 = (motions_S44[:, :3, 3] + rng.normal(0, 0.05, (STEPS, 3)) * length_S1) * rng.uniform(
        0.93, 1.07, (STEPS, 1)
    )
    guessed = focal * np.exp(rng.normal(0, 0.03))
    return DecodedMotions(
        translation_S3,
        quaternion_of(motions_S44 @ error),
        spread_S6**2,
        np.full(STEPS, 2 * np.arctan(240 / guessed)),
        float(length_S1.mean()),
    )


def errors(answer: DecodedMotions, truth_S44: np.ndarray) -> tuple[float, float, float]:
    """Medians over the steps: rotation and direction, degrees; each length by the one before, as a share."""
    motions_S44 = make_pose(answer.translation_S3, answer.quaternion_S4)
    turned = np.degrees(np.median(rotation_angle(invert_pose(motions_S44) @ truth_S44)))
    tilted = np.degrees(np.median(direction_angle(motions_S44[:, :3, 3], truth_S44[:, :3, 3])))
    steps = [np.diff(np.log(np.linalg.norm(motion[:, :3, 3], axis=-1))) for motion in (motions_S44, truth_S44)]
    return turned, tilted, float(np.median(np.abs(steps[0] - steps[1]))) if len(truth_S44) > 1 else 0.0


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_matches_make_rotation_direction_and_lengths_better(seed: int) -> None:
    seen = drive(seed)
    adjusted = adjust_window(seen.guess, seen.matches_S2NC, CONFIG, AXIS_KNOWN)

    before, after = errors(seen.guess, seen.motions_S44), errors(adjusted, seen.motions_S44)
    assert after[0] < max(0.6 * before[0], 0.05)
    assert after[1] < max(0.5 * before[1], 0.5)
    assert after[2] < max(0.5 * before[2], 0.02)


@pytest.mark.parametrize("turn", [0.08, 0.3])
@pytest.mark.parametrize("off", [-0.15, 0.15])
def test_a_bend_tells_a_focal_length_that_the_head_has_wrong(off: float, turn: float) -> None:
    left = []
    for seed in range(6):
        seen = drive(seed, turn=turn)
        wrong = seen_through(seen.guess, 400 * np.exp(off), CONFIG)
        left.append(abs(np.log(focal_of(adjust_window(wrong, seen.matches_S2NC, CONFIG), CONFIG) / 400)))
    assert np.mean(left) < 0.5 * abs(off)


@pytest.mark.parametrize("focal", [None, 400.0])
@pytest.mark.parametrize("off_px", [-9.0, 9.0])
def test_bends_tell_where_the_optical_axis_meets_the_picture(off_px: float, focal: float | None) -> None:
    camera, tilted = KnownCamera(focal), []
    for seed in range(30):
        seen = drive(seed, axis_px=(off_px, 0.0), turning=0.06)
        adjusted = adjust_window(seen.guess, seen.matches_S2NC, CONFIG, camera)
        camera = replace(camera, learned=adjusted.learned)
        tilted.append(errors(adjusted, seen.motions_S44)[1])
    across, deviation = camera.learned.axis_across(CameraWord(0.0))
    assert across * CONFIG.image_width == pytest.approx(off_px, abs=3.0)
    assert deviation * CONFIG.image_width < 4.0
    # Unknown, it would turn all directions by 1.3 degrees.
    assert np.mean(tilted[:5]) < 0.8
    assert np.mean(tilted[-5:]) < 0.65


@pytest.mark.parametrize("distortion", [-0.1, 0.04])
def test_a_lens_that_is_known_is_taken_out_of_the_matches(distortion: float) -> None:
    found: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    for seed in range(4):
        seen = drive(seed, turn=0.08, distortion=distortion)
        for told, own in found.items():
            camera = KnownCamera(400.0, (0.0, 0.0), distortion if told else 0.0)
            own.append(errors(adjust_window(seen.guess, seen.matches_S2NC, CONFIG, camera), seen.motions_S44))
    turned, _, lengths = np.mean(found[True], axis=0) / np.mean(found[False], axis=0)
    assert turned < 0.9
    assert lengths < 0.5


def test_what_bends_have_told_of_the_focal_length_stays_on_the_straight_after_them() -> None:
    for road in range(2):
        camera = AXIS_KNOWN
        for window, turn in enumerate([0.05] * 40 + [0.001]):
            seen = drive(100 * road + window, turn=turn)
            wrong = seen_through(seen.guess, 340.0, CONFIG)
            adjusted = adjust_window(wrong, seen.matches_S2NC, CONFIG, camera)
            camera = replace(camera, learned=adjusted.learned)
        assert abs(np.log(focal_of(adjusted, CONFIG) / 400)) < 0.6 * np.log(400 / 340)


def test_a_car_that_waits_teaches_nothing() -> None:
    seen = drive(3, speed=0.01, turn=0.0)
    assert adjust_window(seen.guess, seen.matches_S2NC, CONFIG).learned == KnownCamera().learned


def test_straight_ahead_nothing_tells_the_focal_length_and_the_heads_stays() -> None:
    for seed in range(4):
        seen = drive(seed, turn=0.001)
        adjusted = adjust_window(seen.guess, seen.matches_S2NC, CONFIG)
        assert focal_of(adjusted, CONFIG) == pytest.approx(focal_of(seen.guess, CONFIG), rel=0.06)


def test_a_known_focal_length_and_axis_are_better_than_guessed_ones() -> None:
    apart = []
    for seed in range(6):
        seen = drive(seed, axis_px=(6.0, -4.0), focal=500.0)
        wider = replace(seen.guess, fov_x_S=np.full(STEPS, 2 * np.arctan(240 / 420)))
        answers = [
            adjust_window(wider, seen.matches_S2NC, CONFIG, camera)
            for camera in (KnownCamera(), KnownCamera(500.0, (6.0, -4.0)))
        ]
        apart.append([errors(answer, seen.motions_S44)[:2] for answer in answers])
        assert answers[1].fov_x_S[0] == pytest.approx(2 * np.arctan(240 / 500), rel=0.01)
    guessed, known = np.mean(apart, axis=0)
    assert np.all(known < 0.8 * guessed)


def test_motions_seen_through_a_longer_lens_turn_less_and_go_farther() -> None:
    guess = drive(0).guess
    focal = focal_of(guess, CONFIG)
    longer = seen_through(guess, 1.2 * focal, CONFIG)
    assert focal_of(longer, CONFIG) == pytest.approx(1.2 * focal)
    turned, before = (rotation_angle(make_pose(np.zeros(3), q.quaternion_S4)) for q in (longer, guess))
    assert np.all(turned < before)
    assert np.all(longer.translation_S3[:, 2] > 1.1 * guess.translation_S3[:, 2])
    same = seen_through(longer, focal, CONFIG)
    np.testing.assert_allclose(same.translation_S3, guess.translation_S3, rtol=1e-6)
    np.testing.assert_allclose(same.quaternion_S4, guess.quaternion_S4, atol=1e-9)
    np.testing.assert_allclose(same.variance_S6, guess.variance_S6, rtol=1e-6)


def test_an_axis_off_the_middle_is_told_by_what_is_believed_of_the_directions() -> None:
    """A head that is right about straight ahead keeps its directions, though the picture shows them turned."""
    seen = drive(0, axis_px=(-8.0, 0.0))
    right = replace(seen.guess, translation_S3=seen.motions_S44[:, :3, 3])
    sure = replace(right, variance_S6=right.variance_S6 * np.repeat([0.05, 1.0], 3))
    adjusted = adjust_window(sure, seen.matches_S2NC, CONFIG)
    told = adjust_window(sure, seen.matches_S2NC, CONFIG, AXIS_KNOWN)

    assert errors(adjusted, seen.motions_S44)[1] < 0.5
    assert errors(told, seen.motions_S44)[1] > 0.8


def test_a_head_that_takes_reversing_for_driving_is_corrected() -> None:
    seen = drive(1)
    wrong = replace(seen.guess, translation_S3=-seen.guess.translation_S3)
    adjusted = adjust_window(wrong, seen.matches_S2NC, CONFIG)
    assert errors(adjusted, seen.motions_S44)[1] < 1.0


def test_where_nothing_was_matched_the_head_is_believed_of_a_usual_camera() -> None:
    seen = drive(2)
    nothing = seen.matches_S2NC.copy()
    nothing[..., :2] = -100.0  # everything has left the picture
    guess = replace(seen.guess, fov_x_S=np.full(STEPS, USUAL_FOV_X))
    adjusted = adjust_window(guess, nothing, CONFIG)

    np.testing.assert_allclose(adjusted.translation_S3, guess.translation_S3, atol=1e-6)
    np.testing.assert_allclose(adjusted.quaternion_S4, guess.quaternion_S4, atol=1e-6)
    np.testing.assert_allclose(adjusted.fov_x_S, guess.fov_x_S, atol=1e-6)


def test_a_car_that_stands_stays_where_it_is() -> None:
    seen = drive(3, speed=1e-9, turn=0.0)
    adjusted = adjust_window(seen.guess, seen.matches_S2NC, CONFIG)
    assert np.abs(adjusted.translation_S3).max() < 1e-3
    assert np.all(np.isfinite(adjusted.variance_S6)) and np.all(adjusted.variance_S6 > 0)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_window_that_only_begins_is_adjusted_as_well(steps: int) -> None:
    seen = drive(4)
    begun = DecodedMotions(*(value[:steps] if np.ndim(value) else value for value in vars(seen.guess).values()))
    adjusted = adjust_window(begun, seen.matches_S2NC[:steps], CONFIG, AXIS_KNOWN)
    assert errors(adjusted, seen.motions_S44[:steps])[1] < errors(begun, seen.motions_S44[:steps])[1]


def test_the_variances_are_of_the_size_of_the_errors_and_no_smaller() -> None:
    surprises = []
    for seed in range(10):
        seen = drive(seed)
        adjusted = adjust_window(seen.guess, seen.matches_S2NC, CONFIG, AXIS_KNOWN)
        motions_S44 = make_pose(adjusted.translation_S3, adjusted.quaternion_S4)
        sideways = (motions_S44 - seen.motions_S44)[:, :2, 3]
        surprises.append(sideways**2 / adjusted.variance_S6[:, :2])
    inside = [np.mean(np.array(surprises) < square) for square in (0.455, 2.71)]  # of a Gaussian's, 50 and 90 %
    assert 0.5 < inside[0] < 0.95 and inside[1] > 0.9


def test_a_window_is_the_same_to_the_last_digit_wherever_its_arrays_lie() -> None:
    seen, rng, others = drive(0, turning=0.03), np.random.default_rng(0), []
    first = adjust_window(seen.guess, seen.matches_S2NC, CONFIG)
    for _ in range(40):
        others = [*others[-50:], *(np.empty(size, np.uint8) for size in rng.integers(10, 200_000, 10))]
        again = adjust_window(seen.guess, seen.matches_S2NC, CONFIG)
        np.testing.assert_array_equal(again.translation_S3, first.translation_S3)
