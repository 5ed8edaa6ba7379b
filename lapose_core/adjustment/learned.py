"""What a drive tells of its camera, window by window: the focal length and the height above the road do not change.

One window guesses the focal length by the looks of things, to a sixth, and hears of it in bends; the next one sees the
same camera in front of other things. So what all of them say together is worth more than what any of them says. Before
any of them says a word, most front cameras are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

#: Windows in which a step is seen, and so is told again.
_TOLD_AGAIN = 15
#: Horizontal field of view of most front cameras, radians, and how many they are: as in the rendered world
#: (`WorldConfig.fov_x_usual_deg`). Their focal lengths' logarithm spreads by so much, that of the others over a range.
USUAL_FOV_X = math.radians(58.0)
_USUAL_SHARE, _USUAL_SPREAD, _OTHERS_RANGE = 0.6, 0.13, 1.3
#: Standard deviation of the head's guess of the focal length, its logarithm, on real roads (on rendered ones half of
#: it): what a camera's guesses have in common, and what each has of its own.
_GUESS_ALIKE, _GUESS_ALONE = 0.1, 0.11
#: Of what depths say in one window, at best, and in all of a drive. No lens is quite a pinhole: a barrel distortion of
#: 0.06 looks like a tenth.
_LENS, _LENS_AT_BEST = 0.1, 0.05
#: The same of the optical axis, widths of the model's input, and how far off the middle it usually is.
_AXIS_LENS, _AXIS_AT_BEST, USUAL_AXIS = 0.006, 0.004, 0.016
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
class CameraWord:
    """What one window says of its camera.

    Attributes:
        guess: of the head, of the focal length: its logarithm over a usual camera's.
        depths, information: what depths say of the same in a bend, and one over its variance; see `compare_depths`.
        axis, axis_information: the same of the optical axis: so many widths of the model's input right of its middle.
    """

    guess: float
    depths: float = 0.0
    information: float = 0.0
    axis: float = 0.0
    axis_information: float = 0.0


@dataclass(frozen=True)
class LearnedCamera:
    """What the windows of a drive so far have told; nothing at first.

    Attributes:
        guess: of the head, of the focal length: the logarithm of what it is over a usual camera's (`USUAL_FOV_X`);
            weight in windows.
        depths: what bends say of the same; weight is one over a variance.
        axis: what they say of the optical axis, widths of the model's input right of its middle; weight as that.
        height: logarithm of the camera's above the road, in the head's metres; weight in windows.
    """

    guess: Mean = Mean()
    depths: Mean = Mean()
    axis: Mean = Mean()
    height: Mean = Mean()

    def log_focal(self, word: CameraWord) -> float:
        """The focal length by all that was told before and a window's own word, a logarithm as `guess`."""
        guesses = self.guess.with_one(word.guess, 1.0)
        told = self.depths.with_one(word.depths, min(word.information, 1 / _LENS**2))
        seen, variance = _among_cameras(guesses.value, _GUESS_ALIKE**2 + _GUESS_ALONE**2 / guesses.weight)
        return seen + (told.value - seen) * told.weight / (told.weight + 1 / variance)

    def axis_across(self, word: CameraWord) -> tuple[float, float]:
        """Where the optical axis meets the picture by all of that, as `axis`, and the deviation of it."""
        told = self.axis.with_one(word.axis, min(word.axis_information, 1 / _AXIS_LENS**2))
        weight = told.weight + 1 / USUAL_AXIS**2
        return told.value * told.weight / weight, weight**-0.5

    def log_height(self) -> tuple[float, float]:
        """The height's logarithm, and its deviation; infinite where nothing was seen of the road."""
        if self.height.weight <= 0:
            return 0.0, math.inf
        return self.height.value, math.hypot(_HEIGHT_ALIKE, _HEIGHT_ALONE / math.sqrt(self.height.weight))

    def with_word(self, word: CameraWord) -> LearnedCamera:
        """After a window that said so."""
        share = min(word.information, 1 / _LENS**2) / _TOLD_AGAIN
        axis_share = min(word.axis_information, 1 / _AXIS_LENS**2) / _TOLD_AGAIN
        return replace(
            self,
            guess=self.guess.with_one(word.guess, 1 / _TOLD_AGAIN, _REMEMBERED),
            depths=self.depths.with_one(word.depths, share, 1 / _LENS_AT_BEST**2),
            axis=self.axis.with_one(word.axis, axis_share, 1 / _AXIS_AT_BEST**2),
        )

    def with_height(self, log_height: float, agreed: float) -> LearnedCamera:
        """After a window in which the road was seen to lie so far below, as far as that may be believed (0 to 1)."""
        height = self.height.with_one(log_height, agreed / _TOLD_AGAIN, _REMEMBERED)
        return replace(self, height=height)


def _among_cameras(guess: float, variance: float) -> tuple[float, float]:
    """Mean and variance of the focal length's logarithm, given what cameras there are and a guess."""
    both = variance + _USUAL_SPREAD**2
    usual = _USUAL_SHARE * math.exp(-0.5 * guess**2 / both) / math.sqrt(2 * math.pi * both)
    share = usual / (usual + (1 - _USUAL_SHARE) / _OTHERS_RANGE)
    kept = 1 - share * variance / both
    return guess * kept, variance * kept


NOTHING_LEARNED = LearnedCamera()
