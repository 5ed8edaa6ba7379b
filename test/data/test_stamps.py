"""Stamps as real cameras, drivers and bag players give them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lapose_core.data.stamps import SET_BACK_NS, StampGuard, StampVerdict

NEXT, DUPLICATE, LATE, SET_BACK = StampVerdict
STEP = 100_000_000


def judge(*stamps: int) -> list[StampVerdict]:
    guard = StampGuard()
    return [guard.judge(stamp) for stamp in stamps]


def test_frames_in_order_are_taken_and_a_gap_is_no_reason_not_to() -> None:
    assert judge(0, 1, STEP, 3600 * 10**9) == [NEXT] * 4


def test_a_stamp_twice_and_one_that_comes_late_are_left_out() -> None:
    guard = StampGuard()
    verdicts = [guard.judge(stamp * STEP) for stamp in (1, 3, 3, 2, 2, 4)]

    assert verdicts == [NEXT, NEXT, DUPLICATE, LATE, DUPLICATE, NEXT]
    assert (guard.duplicates, guard.late, guard.newest_ns) == (2, 1, 4 * STEP)


def test_a_bag_played_again_is_a_clock_set_back() -> None:
    guard = StampGuard()
    for stamp in range(0, 100 * STEP, STEP):
        guard.judge(stamp)

    assert [guard.judge(stamp) for stamp in (0, STEP, 2 * STEP)] == [SET_BACK, NEXT, NEXT]
    assert guard.set_back_ns == 99 * STEP


def test_a_short_bag_played_again_is_seen_after_a_few_frames() -> None:
    loop = [index * STEP for index in range(8)]  # 0.7 s, as short as a late frame might be

    assert judge(*loop, *loop)[8:] == [LATE] * 4 + [SET_BACK, NEXT, NEXT, NEXT]


def test_a_driver_that_stamps_all_images_alike_gives_duplicates() -> None:
    assert judge(0, *[0] * 20) == [NEXT] + [DUPLICATE] * 20


@given(st.lists(st.integers(0, 20 * SET_BACK_NS), max_size=60))
def test_what_is_taken_is_in_order_but_where_the_clock_went_back(stamps: list[int]) -> None:
    guard, before = StampGuard(), None
    for stamp in stamps:
        verdict = guard.judge(stamp)
        if verdict is NEXT:
            assert before is None or stamp > before
        if verdict in (NEXT, SET_BACK):
            before = stamp
            assert guard.newest_ns == stamp
