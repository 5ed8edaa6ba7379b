"""Height of the ground: a plane in which the grade changes once, along a vertical curve as roads have them.

Along the curve's direction the ground is a parabola within `HILL_HALF` metres of its middle, and straight beyond: a
parabola that went on would soon be a bowl. Where `HILL_HALF` is 0 the ground is flat. Written in `ops`.
"""

# ruff: noqa: F403, F405
from lapose_core.world.ops import load, maximum, minimum, sqrt, where
from lapose_core.world.tables import *


def place_on_hill(looks, look, x, y):
    """A point from the middle of the vertical curve, how far along it that is, and the same within the curve."""
    x = x - load(looks, look + HILL_X)
    y = y - load(looks, look + HILL_Y)
    along = x * load(looks, look + HILL_COS) + y * load(looks, look + HILL_SIN)
    half = load(looks, look + HILL_HALF)
    return x, y, along, minimum(maximum(along, -half), half)


def ground_height(looks, look, x, y):
    """Height of the ground at a point, metres."""
    height = 0.0 * x
    if load(looks, look + HILL_HALF) > 0.0:
        px, py, along, within = place_on_hill(looks, look, x, y)
        bent = load(looks, look + HILL_CURVATURE) * within * (along - 0.5 * within)
        height = load(looks, look + GRADE_X) * px + load(looks, look + GRADE_Y) * py + bent
    return height


def climb(looks, look, x, y, dx, dy, dz):
    """How fast the ray (dx, dy, dz) gains height over the ground when it is over (x, y)."""
    if load(looks, look + HILL_HALF) > 0.0:
        _, _, _, within = place_on_hill(looks, look, x, y)
        turned = load(looks, look + HILL_CURVATURE) * within
        grade_x = load(looks, look + GRADE_X) + turned * load(looks, look + HILL_COS)
        grade_y = load(looks, look + GRADE_Y) + turned * load(looks, look + HILL_SIN)
        dz = dz - grade_x * dx - grade_y * dy
    return dz


def first_root(above, rise, bent):
    """Least depth t >= 0 at which above + rise t + bent t^2 is 0, `above` being 0 or more, or `NOTHING`."""
    above = maximum(above, 0.0)
    square = rise * rise - 4.0 * bent * above
    root = sqrt(maximum(square, 0.0))
    # Two ways to write it, each without a difference of like numbers where it is used.
    falling = 2.0 * above / maximum(root - rise, 1e-9)
    rising = (rise + root) / maximum(-2.0 * bent, 2e-9)
    meets = (square >= 0.0) & ((rise < 0.0) | (bent < -1e-9))
    return where(meets, where(rise < 0.0, falling, rising), NOTHING)


def ground_hit(looks, look, ox, oy, oz, dx, dy, dz):
    """Depth at which the ray meets the ground; what is beyond `FAR` counts for nothing."""
    depth = -oz / minimum(dz, -1e-9)
    if load(looks, look + HILL_HALF) > 0.0:
        # Straight ground up to `enter`, a parabola from there to `leave`, straight ground beyond.
        half = load(looks, look + HILL_HALF)
        _, _, along, _ = place_on_hill(looks, look, ox, oy)
        pace = dx * load(looks, look + HILL_COS) + dy * load(looks, look + HILL_SIN)
        bent = -0.5 * load(looks, look + HILL_CURVATURE) * pace * pace
        per = 1.0 / where((pace < 1e-7) & (pace > -1e-7), 1e-7, pace)
        one = (-half - along) * per
        other = (half - along) * per
        enter = maximum(minimum(one, other), 0.0)
        leave = maximum(maximum(one, other), 0.0)
        before = first_root(oz - ground_height(looks, look, ox, oy), climb(looks, look, ox, oy, dx, dy, dz), 0.0 * pace)
        x = ox + enter * dx
        y = oy + enter * dy
        above = oz + enter * dz - ground_height(looks, look, x, y)
        on_curve = enter + first_root(above, climb(looks, look, x, y, dx, dy, dz), bent)
        x = ox + leave * dx
        y = oy + leave * dy
        above = oz + leave * dz - ground_height(looks, look, x, y)
        after = leave + first_root(above, climb(looks, look, x, y, dx, dy, dz), 0.0 * pace)
        depth = where(before <= enter, before, where(on_curve <= leave, on_curve, after))
    return depth
