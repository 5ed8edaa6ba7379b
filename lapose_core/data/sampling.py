"""From a camera's rate to the odometer's: which frames to keep, decided frame by frame as a live camera needs."""

from __future__ import annotations

from lapose_core.errors import LaposeError


class FrameSampler:
    """Keeps the frames whose distances in time come nearest to 1 / rate.

    Each step is measured from the frame kept last, so steps are even: a camera of 9.6 Hz asked for 4.8 Hz gives every
    second frame, always. A frame is kept when waiting for the next one, expected after the same gap as the last, would
    land farther from the ideal instant; so jitter makes single steps longer or shorter but none drifts.

    Attributes:
        out_of_order: frames refused because their stamp was not newer than that of the frame before.
    """

    def __init__(self, rate_hz: float | None = None) -> None:
        """With `rate_hz` None every frame is kept that is newer than the one before."""
        if rate_hz is not None and not rate_hz > 0:
            raise LaposeError(f"a rate of {rate_hz:g} Hz is not possible: give a positive number of frames a second")
        self._step_ns = 0.0 if rate_hz is None else 1e9 / rate_hz
        self._seen_ns: int | None = None
        self._kept_ns: int | None = None
        self.out_of_order = 0

    def wants(self, stamp_ns: int) -> bool:
        """Whether to keep the frame of this stamp; say `keep` if it then proves good."""
        seen_ns, self._seen_ns = self._seen_ns, stamp_ns
        if seen_ns is not None and stamp_ns <= seen_ns:
            self.out_of_order += 1
            self._seen_ns = seen_ns
            return False
        if seen_ns is None or self._kept_ns is None:
            return True
        expected_gap_ns = stamp_ns - seen_ns
        return stamp_ns - self._kept_ns + expected_gap_ns / 2 >= self._step_ns

    def keep(self, stamp_ns: int) -> None:
        """Measure the next step from this frame."""
        self._kept_ns = stamp_ns

    def takes(self, stamp_ns: int) -> bool:
        """`wants`, and `keep` if so: for frames that are known to be good."""
        wanted = self.wants(stamp_ns)
        if wanted:
            self.keep(stamp_ns)
        return wanted
