"""Slopes of the world: one vertical curve a clip, between two grades; vehicles and boxes are put on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.world import tables as t
from lapose_core.world.config import WorldConfig
from lapose_core.world.roads import Roads
from lapose_core.world.vehicle import Drive

# By place (city, suburb, country, motorway).
_RADIUS_M = np.array([(800, 8000), (800, 8000), (1000, 12000), (5000, 20000)])
_GRADE = np.array([0.03, 0.03, 0.03, 0.02])  # standard deviation
_STEEPEST = np.array([0.12, 0.12, 0.12, 0.06])
_CROSSFALL = 0.01  # standard deviation
_AHEAD_M = 80.0  # so far beyond the drive may the curve's middle lie


@dataclass(frozen=True)
class Slopes:
    """The ground's height in B clips, as `relief` has it; numpy's side of the same formulas.

    Attributes:
        table_BC: the look table's columns from `HILL_X` to `HILL_HALF`, float64; half a length of 0: flat.
    """

    table_BC: np.ndarray

    @property
    def sloped_B(self) -> np.ndarray:
        """Which clips are not flat."""
        return self._column(t.HILL_HALF) > 0

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Metres, at points (B, ...)."""
        px, py, along, within = self._place(x, y)
        curvature, grade_x, grade_y = (self._like(x, c) for c in (t.HILL_CURVATURE, t.GRADE_X, t.GRADE_Y))
        return grade_x * px + grade_y * py + curvature * within * (along - 0.5 * within)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rise per metre along x and y, at points (B, ...)."""
        *_, within = self._place(x, y)
        turned = self._like(x, t.HILL_CURVATURE) * within
        grades, directions = (t.GRADE_X, t.GRADE_Y), (t.HILL_COS, t.HILL_SIN)
        x_grade, y_grade = (
            self._like(x, g) + turned * self._like(x, d) for g, d in zip(grades, directions, strict=True)
        )
        return x_grade, y_grade

    def ground_axes(self, x_BT: np.ndarray, y_BT: np.ndarray, yaw_BT: np.ndarray) -> np.ndarray:
        """Rotations (B, T, 3, 3) world <- vehicle that stands on the ground: forward, left, away from the ground."""
        grade_x, grade_y = self.gradient(x_BT, y_BT)
        cos, sin = np.cos(yaw_BT), np.sin(yaw_BT)
        forward = np.stack([cos, sin, grade_x * cos + grade_y * sin], -1)
        forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
        away = np.stack([-grade_x, -grade_y, np.ones_like(grade_x)], -1)
        away /= np.linalg.norm(away, axis=-1, keepdims=True)
        return np.stack([forward, np.cross(away, forward), away], -1)

    def lift(self, boxes: np.ndarray) -> None:
        """Put boxes (B, ..., BOX_STRIDE) of the flat world on the ground, in place; each is sheared along it.

        What stands on a crest is sunk until no part of its foot is in the air.
        """
        for columns, shears in (
            ((t.NEXT_X, t.NEXT_Y, t.NEXT_COS, t.NEXT_SIN), (t.NEXT_SHEAR_X, t.NEXT_SHEAR_Y)),
            ((t.CENTRE_X, t.CENTRE_Y, t.BOX_COS, t.BOX_SIN), (t.SHEAR_X, t.SHEAR_Y)),
        ):
            x, y, cos, sin = (boxes[..., column].astype(np.float64) for column in columns)
            grade_x, grade_y = self.gradient(x, y)
            boxes[..., shears[0]] = grade_x * cos + grade_y * sin
            boxes[..., shears[1]] = grade_y * cos - grade_x * sin
            _, _, along, _ = self._place(x, y)
            hill_cos, hill_sin = self._like(x, t.HILL_COS), self._like(x, t.HILL_SIN)
            reach = np.abs(cos * hill_cos + sin * hill_sin) * boxes[..., t.HALF_X]
            reach += np.abs(cos * hill_sin - sin * hill_cos) * boxes[..., t.HALF_Y]
            on_curve = np.abs(along) < self._like(x, t.HILL_HALF) + reach
            sunk = 0.5 * np.maximum(-self._like(x, t.HILL_CURVATURE), 0.0) * on_curve * reach**2
            rise = self.height(x, y) - sunk
            if columns[0] == t.NEXT_X:
                boxes[..., t.NEXT_RISE] = rise
            else:
                boxes[..., t.NEXT_RISE] -= rise
                boxes[..., t.CENTRE_Z] += rise

    def _column(self, column: int) -> np.ndarray:
        return self.table_BC[:, column - t.HILL_X]

    def _like(self, x: np.ndarray, column: int) -> np.ndarray:
        """A column, to be broadcast with points (B, ...)."""
        return self._column(column).reshape(-1, *(1,) * (x.ndim - 1))

    def _place(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """Points from the middle of the curve, how far they are along it, and the same within it."""
        px, py = x - self._like(x, t.HILL_X), y - self._like(y, t.HILL_Y)
        along = px * self._like(x, t.HILL_COS) + py * self._like(x, t.HILL_SIN)
        half = self._like(x, t.HILL_HALF)
        return px, py, along, np.clip(along, -half, half)


def draw_slopes(rng: np.random.Generator, roads: Roads, drive: Drive, config: WorldConfig) -> Slopes:
    """A vertical curve on the road driven or a little ahead, in a share of the clips; the others are flat."""
    B = len(roads.place_B)
    table = np.zeros((B, t.HILL_HALF + 1 - t.HILL_X))
    sloped = rng.random(B) < config.slope_share
    shortest, longest = np.log(_RADIUS_M[roads.place_B]).T
    radius = np.exp(rng.uniform(shortest, longest))
    spread, steepest = _GRADE[roads.place_B], _STEEPEST[roads.place_B]
    before, after = np.clip(rng.normal(0, spread, (2, B)), -steepest, steepest)
    grade, crossfall = 0.5 * (before + after), np.clip(rng.normal(0, _CROSSFALL, B), -0.03, 0.03)
    first, last = drive.along_BT.min(1), drive.along_BT.max(1) + _AHEAD_M
    x, y, heading = (v[:, 0] for v in roads.point(rng.uniform(first, last)[:, None]))
    cos, sin = np.cos(heading), np.sin(heading)
    columns = {
        t.HILL_X: x, t.HILL_Y: y, t.HILL_COS: cos, t.HILL_SIN: sin,
        t.GRADE_X: grade * cos - crossfall * sin, t.GRADE_Y: grade * sin + crossfall * cos,
        t.HILL_CURVATURE: np.sign(after - before) / radius, t.HILL_HALF: 0.5 * radius * np.abs(after - before),
    }  # fmt: skip
    for column, values in columns.items():
        table[:, column - t.HILL_X] = sloped * values
    return Slopes(table)
