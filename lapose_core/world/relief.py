"""Height of the ground: a plane in which the grade changes once, along a vertical curve as roads have them.

Along the curve's direction the ground is a parabola within `HILL_HALF` metres of its middle, and straight beyond: a
parabola that went on would soon be a bowl. Where `HILL_HALF` is 0 the ground is flat. Written in `ops`.
"""

# ruff: noqa: F403, F405
from lapose_core.world.ops import load, maximum, minimum, sqrt, where
from lapose_core.world.tables import *


def place_on_hill(looks, look, x, y):
    """How far a point is along the vertical curve, and the height there of the plane that touches its middle."""
    x = x - load(looks, look + HILL_X)
    y = y - load(looks, look + HILL_Y)
    along = x * load(looks, look + HILL_COS) + y * load(looks, look + HILL_SIN)
    return along, x * load(looks, look + GRADE_X) + y * load(looks, look + GRADE_Y)


def bend(looks, look, along):
    """Height above that plane, and by how much the grade differs from the plane's."""
    half = load(looks, look + HILL_HALF)
    within = minimum(maximum(along, -half), half)
    turned = load(looks, look + HILL_CURVATURE) * within
    return turned * (along - 0.5 * within), turned


def ground_height(looks, look, x, y):
    """Height of the ground at a point, metres."""
    height = 0.0 * x
    if load(looks, look + HILL_HALF) > 0.0:
        along, plane = place_on_hill(looks, look, x, y)
        bent, _ = bend(looks, look, along)
        height = plane + bent
    return height


def climb(looks, look, x, y, dx, dy, dz):
    """How fast the ray (dx, dy, dz) gains height over the ground when it is over (x, y)."""
    if load(looks, look + HILL_HALF) > 0.0:
        along, _ = place_on_hill(looks, look, x, y)
        _, turned = bend(looks, look, along)
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
        along, plane = place_on_hill(looks, look, ox, oy)
        pace = dx * load(looks, look + HILL_COS) + dy * load(looks, look + HILL_SIN)
        above = oz - plane
        rise = dz - dx * load(looks, look + GRADE_X) - dy * load(looks, look + GRADE_Y)
        # Straight ground up to `enter`, a parabola from there to `leave`, straight ground beyond.
        half = load(looks, look + HILL_HALF)
        per = 1.0 / where((pace < 1e-7) & (pace > -1e-7), 1e-7, pace)
        one = (-half - along) * per
        other = (half - along) * per
        enter = maximum(minimum(one, other), 0.0)
        leave = maximum(maximum(one, other), 0.0)
        straight = 0.0 * pace
        bent, turned = bend(looks, look, along)
        before = first_root(above - bent, rise - turned * pace, straight)
        bent, turned = bend(looks, look, along + enter * pace)
        curved = -0.5 * load(looks, look + HILL_CURVATURE) * pace * pace
        on_curve = enter + first_root(above + enter * rise - bent, rise - turned * pace, curved)
        bent, turned = bend(looks, look, along + leave * pace)
        after = leave + first_root(above + leave * rise - bent, rise - turned * pace, straight)
        depth = where(before <= enter, before, where(on_curve <= leave, on_curve, after))
    return depth
