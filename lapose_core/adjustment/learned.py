"""What a drive tells of its camera, window by window: the focal length and the height above the road do not change.

One window guesses the focal length by the looks of things, to a tenth, and hears of it in bends; the next one sees the
same camera in front of other things. So what all of them say together is worth more than what any of them says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Windows in which a step is seen, and so is told again.
_TOLD_AGAIN = 15
#: Standard deviation of the head's guess of the focal length, its logarithm: what a camera's guesses have in common,
#: and what each has of its own.
_GUESS_ALIKE, _GUESS_ALONE = 0.07, 0.07
#: Of what depths say in one window, at best, and in all of a drive. No lens is quite a pinhole: a barrel distortion of
#: 0.06 looks like a tenth.
_LENS, _LENS_AT_BEST = 0.1, 0.05
#: Of the logarithm of the height in the head's metres: what a drive's have in common, and what each has of its own.
_HEIGHT_ALIKE, _HEIGHT_ALONE = 0.06, 0.08
#: Windows, of those that share no step, after which the oldest are forgotten.
_REMEMBERED = 30.0


@dataclass(frozen=True)
class Mean:
    """A weighted mean that grows."""

    value: float = 0.0
    weight: float = 0.0

    def with_one(self, value: float, weight: float, most: float = math.inf) -> Mean:
        """With one more value; beyond a weight of `most` the older ones give way to it."""
        total = min(self.weight + weight, most)
        return self if total <= 0 else Mean(self.value + (value - self.value) * weight / total, total)


@dataclass(frozen=True)
class LearnedCamera:
    """What the windows of a drive so far have told; nothing at first.

    Attributes:
        guess: of the head, of the logarithm of the focal length, pixels of the model's input; weight in windows.
        depths: what bends say of the same; weight is one over a variance.
        height: logarithm of the camera's above the road, in the head's metres; weight in windows.
    """

    guess: Mean = Mean()
    depths: Mean = Mean()
    height: Mean = Mean()

    def log_focal(self, guess: float, depths: float = 0.0, information: float = 0.0) -> float:
        """The focal length's logarithm by all that was told before and a window's own word.

        Args:
            guess: the head's, a logarithm.
            depths, information: what depths say, and one over its variance; see `compare_depths`.
        """
        guesses = self.guess.with_one(guess, 1.0)
        told = self.depths.with_one(depths, min(information, 1 / _LENS**2))
        trust = 1 / (_GUESS_ALIKE**2 + _GUESS_ALONE**2 / guesses.weight)
        return guesses.value + (told.value - guesses.value) * told.weight / (told.weight + trust)

    def log_height(self) -> tuple[float, float]:
        """The height's logarithm, and its deviation; infinite where nothing was seen of the road."""
        if self.height.weight <= 0:
            return 0.0, math.inf
        return self.height.value, math.hypot(_HEIGHT_ALIKE, _HEIGHT_ALONE / math.sqrt(self.height.weight))

    def with_focal(self, guess: float, depths: float, information: float) -> LearnedCamera:
        """After a window; arguments are those of `log_focal`."""
        share = min(information, 1 / _LENS**2) / _TOLD_AGAIN
        return LearnedCamera(
            self.guess.with_one(guess, 1 / _TOLD_AGAIN, _REMEMBERED),
            self.depths.with_one(depths, share, 1 / _LENS_AT_BEST**2),
            self.height,
        )

    def with_height(self, log_height: float, agreed: float) -> LearnedCamera:
        """After a window in which the road was seen to lie so far below, as far as that may be believed (0 to 1)."""
        height = self.height.with_one(log_height, agreed / _TOLD_AGAIN, _REMEMBERED)
        return LearnedCamera(self.guess, self.depths, height)


NOTHING_LEARNED = LearnedCamera()
