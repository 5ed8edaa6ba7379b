"""Where in the picture a box may be, and where on the ground its shadow: so much less for `render_cpu` to ask for.

Compiled by numba alone.
"""

# ruff: noqa: F403, F405
import math

import numpy as np

from lapose_core.world.lens import principal_point, straightening
from lapose_core.world.relief import climb, ground_height
from lapose_core.world.shutter import row_slack
from lapose_core.world.tables import *


def box_rectangle(boxes, row, camera, focal, height, width):
    """Rows and columns that the box may cover (its twelve edges, cut at the near plane, projected), least depth."""
    left, right, top, bottom, nearest = 1e9, -1e9, 1e9, -1e9, 1e9
    centre_x, centre_y = principal_point(camera, 0, height, width)
    corner_x = 0.5 * (1.0 + 2.0 * abs(camera[PRINCIPAL_X])) * width / focal
    corner_y = (0.5 * height + abs(camera[PRINCIPAL_Y]) * width) / focal
    bent = 1.0 / straightening(camera[DISTORTION], corner_x, corner_y)
    cos, sin = boxes[row + BOX_COS], boxes[row + BOX_SIN]
    for edge in range(12):
        axis = edge // 4
        first, second = 1.0 - 2.0 * (edge % 2), 1.0 - 2.0 * ((edge // 2) % 2)
        ends = np.empty((2, 3))
        for end in range(2):
            sign = 1.0 - 2.0 * end
            hx = boxes[row + HALF_X] * (sign if axis == 0 else first)
            hy = boxes[row + HALF_Y] * (sign if axis == 1 else (first if axis == 2 else second))
            hz = boxes[row + HALF_Z] * (sign if axis == 2 else second)
            x = boxes[row + CENTRE_X] + hx * cos - hy * sin - camera[POSITION]
            y = boxes[row + CENTRE_Y] + hx * sin + hy * cos - camera[POSITION + 1]
            z = boxes[row + CENTRE_Z] + hz - camera[POSITION + 2]
            z += boxes[row + SHEAR_X] * hx + boxes[row + SHEAR_Y] * hy
            for i in range(3):
                ends[end, i] = camera[ROTATION + i] * x + camera[ROTATION + 3 + i] * y + camera[ROTATION + 6 + i] * z
        if max(ends[0, 2], ends[1, 2]) < NEAR:
            continue
        for end in range(2):
            z = ends[end, 2]
            x, y = ends[end, 0], ends[end, 1]
            if z < NEAR:
                share = (NEAR - z) / (ends[1 - end, 2] - z)
                x, y, z = x + share * (ends[1 - end, 0] - x), y + share * (ends[1 - end, 1] - y), NEAR
            # The lens moves what is in the picture by no more than at its corner.
            u, v = focal * x / z, focal * y / z
            left, right = min(left, u, bent * u), max(right, u, bent * u)
            top, bottom = min(top, v, bent * v), max(bottom, v, bent * v)
            nearest = min(nearest, z)
    shift, turn = row_slack(camera, 0)
    corner = corner_x + corner_y
    nearest = nearest * (1.0 - turn * corner) - shift
    spread = shift / max(nearest, NEAR) * (1.0 + corner) + turn * (1.0 + corner * corner)
    margin = 1.0 + focal * max(bent, 1.0) * spread
    c0, c1 = int(max(left + centre_x - margin, 0.0)), int(min(right + centre_x + margin, width))
    r0, r1 = int(max(top + centre_y - margin, 0.0)), int(min(bottom + centre_y + margin, height))
    return r0, r1, c0, c1, nearest


def shadow_circles(boxes, row, count, looks, look):
    """Centre and squared radius of a circle about the shadow that each of the boxes from `row` on throws."""
    circles = np.empty((count, 3))
    for k in range(count):
        box = boxes[row + k * BOX_STRIDE : row + (k + 1) * BOX_STRIDE]
        ground = ground_height(looks, look, box[CENTRE_X], box[CENTRE_Y])
        low, high = max(box[CENTRE_Z] - box[HALF_Z] - ground, 0.0), box[CENTRE_Z] + box[HALF_Z] - ground
        sun_x, sun_y = looks[look + SUN_X], looks[look + SUN_Y]
        # Down a slope shadows are long, and where it bends they end elsewhere.
        sun_z = max(climb(looks, look, box[CENTRE_X], box[CENTRE_Y], sun_x, sun_y, looks[look + SUN_Z]), 0.02)
        middle, half = 0.5 * (low + high) / sun_z, 0.5 * (high - low) / sun_z
        level = math.sqrt(sun_x**2 + sun_y**2)
        radius = math.sqrt(box[HALF_X] ** 2 + box[HALF_Y] ** 2) + half * level
        bent = 0.5 * abs(looks[look + HILL_CURVATURE]) * (radius + middle * level) ** 2
        radius += 2.0 * bent * level / sun_z
        circles[k] = box[CENTRE_X] - middle * sun_x, box[CENTRE_Y] - middle * sun_y, radius**2
    return circles
