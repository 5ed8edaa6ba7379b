"""What a live camera's stamps tell: the next frame, one twice, one late, or a clock that was set back."""

from __future__ import annotations

from enum import Enum

#: A frame this much older than the newest is a clock set back (a bag played again), not a frame that came late.
SET_BACK_NS = 1_000_000_000
#: So many older frames in a row are too, however little the clock went back.
SET_BACK_FRAMES = 5


class StampVerdict(Enum):
    """What to do with a frame: take it, leave it out (`DUPLICATE`, `LATE`), or take it and start anew (`SET_BACK`)."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    LATE = "late"
    SET_BACK = "set back"


class StampGuard:
    """Judges stamps in the order in which the frames come.

    Attributes:
        newest_ns: newest stamp since the clock was last set back; None before the first.
        duplicates, late: frames that were judged so.
        set_back_ns: how far the clock went back when it last did.
    """

    def __init__(self) -> None:
        self.newest_ns: int | None = None
        self.duplicates = self.late = 0
        self.set_back_ns = 0
        self._older_in_a_row: list[int] = []

    def judge(self, stamp_ns: int) -> StampVerdict:
        """What the frame of this stamp is, after all those before."""
        newest_ns = self.newest_ns
        if newest_ns is None or stamp_ns > newest_ns:
            self._take(stamp_ns)
            return StampVerdict.NEXT
        if stamp_ns == newest_ns or stamp_ns in self._older_in_a_row:
            self.duplicates += 1
            return StampVerdict.DUPLICATE
        self._older_in_a_row.append(stamp_ns)
        if stamp_ns < newest_ns - SET_BACK_NS or self._goes_on_from_the_past():
            self.set_back_ns = newest_ns - stamp_ns
            self._take(stamp_ns)
            return StampVerdict.SET_BACK
        self.late += 1
        return StampVerdict.LATE

    def _take(self, stamp_ns: int) -> None:
        self.newest_ns = stamp_ns
        self._older_in_a_row = []

    def _goes_on_from_the_past(self) -> bool:
        if self._older_in_a_row != sorted(self._older_in_a_row):
            self._older_in_a_row = self._older_in_a_row[-1:]
        return len(self._older_in_a_row) >= SET_BACK_FRAMES
