"""The loops of `epipolar` over the matches of a window, compiled."""

from __future__ import annotations

import math

import numpy as np

from lapose_core.compiled import compiled, compiled_sums

#: Matches that are looked at together: what is kept of them stays in the processor's nearest cache.
_BLOCK = 64
#: A step's unknowns: rotation (3) and direction (2) of its own; in common the optical axis (2) and the focal length.
_OWN, _ALL, _FOCAL = 5, 8, 7


@compiled
def fit_steps(
    older_S2M, newer_S2M, deviation_SM, weight_SM,
    believed_S33, heading_S3, variance_S6, common_deviation_3, rotation_S33, direction_S3, common_3,
    focal, scales, freedom, share, longest,
):  # fmt: skip
    """Gauss-Newton, one turn for each scale; `rotation_S33`, `direction_S3` and `common_3` are moved to the minimum.

    Args:
        older_S2M, newer_S2M, deviation_SM, weight_SM: see `Correspondences`.
        believed_S33, heading_S3: rotations and directions that are believed beforehand.
        variance_S6, common_deviation_3: how far; of direction and rotation, and of what is common.
        focal: pixels, believed beforehand.
        scales: deviations at which a match starts to count as an outlier.
        freedom: a belief that is off by more squared deviations gives way.
        share: of a match, that counts.
        longest: change of an unknown in a turn.

    Returns:
        Of the last turn, two unit vectors (S, 2, 3) square to each direction and the normal equations (S, 8, 9) by a
        step's unknowns: second derivatives, then the first ones. What is believed of what is common is with the first.
    """
    steps = len(rotation_S33)
    across_S23 = np.empty((steps, 2, 3))
    for scale in scales:
        equations_S89 = np.zeros((steps, _ALL, _ALL + 1))
        for c in range(3):
            equations_S89[0, _OWN + c, _OWN + c] = 1 / common_deviation_3[c] ** 2
            equations_S89[0, _OWN + c, _ALL] = common_3[c] / common_deviation_3[c] ** 2
        for s in range(steps):
            _find_across(direction_S3[s], across_S23[s])
            _add_belief(
                believed_S33[s], heading_S3[s], variance_S6[s], freedom, steps,
                rotation_S33[s], direction_S3[s], across_S23[s], common_3, equations_S89[s],
            )  # fmt: skip
            _add_matches(
                older_S2M[s], newer_S2M[s], deviation_SM[s], weight_SM[s], rotation_S33[s], direction_S3[s],
                across_S23[s], focal * math.exp(common_3[2]), scale, share, equations_S89[s],
            )  # fmt: skip
            for i in range(_ALL):
                for j in range(i):
                    equations_S89[s, j, i] = equations_S89[s, i, j]
        step_S8 = _solve(equations_S89)
        for s in range(steps):
            for i in range(_ALL):
                step_S8[s, i] = min(max(step_S8[s, i], -longest), longest)
            turned_33 = _product(rotation_S33[s], _rotation(step_S8[s]))
            for i in range(3):
                direction_S3[s, i] += step_S8[s, 3] * across_S23[s, 0, i] + step_S8[s, 4] * across_S23[s, 1, i]
                for j in range(3):
                    rotation_S33[s, i, j] = turned_33[i, j]
            _make_unit(direction_S3[s])
        for c in range(3):
            common_3[c] += step_S8[0, _OWN + c]
    return across_S23, equations_S89


@compiled
def _add_matches(
    older_2M, newer_2M, deviation_M, weight_M, rotation_33, direction_3, across_23, focal, scale, share, equations_89
):
    """Add what a step's matches say; of what is common they tell the focal length. To the lower triangle alone."""
    one, focal, nearer = np.float32(1.0), np.float32(focal), np.float32(1 / focal)
    softness, share = np.float32(1 / scale**2), np.float32(share)
    essential_9 = _singles(_product(_hat(direction_3), rotation_33))
    e02, e12, e20, e21 = essential_9[2], essential_9[5], essential_9[6], essential_9[7]
    r00, r01, r02, r10, r11, r12, r20, r21, r22 = _singles(rotation_33)
    a0, a1, a2 = np.float32(across_23[0, 0]), np.float32(across_23[0, 1]), np.float32(across_23[0, 2])
    b0, b1, b2 = np.float32(across_23[1, 0]), np.float32(across_23[1, 1]), np.float32(across_23[1, 2])
    row_7B, weighted_7B = np.empty((7, _BLOCK), np.float32), np.empty((7, _BLOCK), np.float32)
    for start in range(0, len(weight_M), _BLOCK):
        count = min(_BLOCK, len(weight_M) - start)
        for k in range(count):
            m = start + k
            ox, oy = older_2M[0, m] * nearer, older_2M[1, m] * nearer
            nx, ny = newer_2M[0, m] * nearer, newer_2M[1, m] * nearer
            off, square, p0, p1, p2, q0, q1, q2 = _off_line(essential_9, ox, oy, nx, ny)
            unit = focal / (math.sqrt(square) * deviation_M[m])
            t0, t1, t2 = r00 * nx + r01 * ny + r02, r10 * nx + r11 * ny + r12, r20 * nx + r21 * ny + r22
            c0, c1, c2 = t1 - t2 * oy, t2 * ox - t0, t0 * oy - t1 * ox
            # By the focal length both the plane's distance and its slope change; the latter is as much of the sum.
            slope_change = e02 * p0 + e12 * p1 + e20 * q0 + e21 * q1
            row_7B[0, k] = unit * (ny * q2 - q1)
            row_7B[1, k] = unit * (q0 - nx * q2)
            row_7B[2, k] = unit * (nx * q1 - ny * q0)
            row_7B[3, k] = unit * (a0 * c0 + a1 * c1 + a2 * c2)
            row_7B[4, k] = unit * (b0 * c0 + b1 * c1 + b2 * c2)
            row_7B[5, k] = unit * (p2 + q2 - off * slope_change / square)
            row_7B[6, k] = unit * off
            trust = one / (one + (unit * off) ** 2 * softness)
            weight = share * weight_M[m] * trust * trust
            for i in range(7):
                weighted_7B[i, k] = weight * row_7B[i, k]
        _add_products(weighted_7B, row_7B, count, equations_89)


@compiled_sums
def _add_products(weighted_7B, row_7B, count, equations_89):
    """Add the products of derivatives (six) and of what is off, summed over matches."""
    for i in range(7):
        for j in range(min(i + 1, 6)):
            total = 0.0
            for k in range(count):
                total += float(weighted_7B[i, k]) * float(row_7B[j, k])
            column = j if j < _OWN else _FOCAL
            if i < 6:
                equations_89[i if i < _OWN else _FOCAL, column] += total
            else:
                equations_89[column, _ALL] += total


@compiled
def _off_line(essential_9, ox, oy, nx, ny):
    """How far two rays (z = 1, of the older and the newer frame) are off the plane that a step's direction is in.

    After that the squared slope of it over both pictures, never zero (Sampson's denominator), and the plane's normal in
    the older frame and in the newer one.
    """
    e00, e01, e02, e10, e11, e12, e20, e21, e22 = essential_9
    p0, p1, p2 = e00 * nx + e01 * ny + e02, e10 * nx + e11 * ny + e12, e20 * nx + e21 * ny + e22
    q0, q1, q2 = e00 * ox + e10 * oy + e20, e01 * ox + e11 * oy + e21, e02 * ox + e12 * oy + e22
    square = p0 * p0 + p1 * p1 + q0 * q0 + q1 * q1 + np.float32(1e-18)
    return ox * p0 + oy * p1 + p2, square, p0, p1, p2, q0, q1, q2


@compiled
def _add_belief(
    believed_33, heading_3, variance_6, freedom, steps,
    rotation_33, direction_3, across_23, common_3, equations_89,
):  # fmt: skip
    """Add what is believed of a step beforehand. To the lower triangle alone."""
    x, y, z = direction_3[0], direction_3[1], direction_3[2]
    moved_3 = np.array([x - common_3[0] * z, y - common_3[1] * z, z])
    _make_unit(moved_3)
    for i in range(_OWN):
        off = variance = by_x = by_y = 0.0
        if i < 3:
            left, right = (i + 1) % 3, (i + 2) % 3
            for c in range(3):
                off += 0.5 * (
                    believed_33[c, right] * rotation_33[c, left] - believed_33[c, left] * rotation_33[c, right]
                )
            variance = variance_6[3 + i]
        else:
            side_3 = across_23[i - 3]
            # All that is believed of the directions counts once a window: their errors have causes in common.
            for c in range(3):
                off += side_3[c] * (moved_3[c] - heading_3[c])
                variance += side_3[c] ** 2 * variance_6[c]
            # Moving the axis moves what is believed about, not what is measured.
            by_x, by_y = -side_3[0] * z, -side_3[1] * z
        information = 1 / ((variance + off**2 / freedom) * (1 if i < 3 else steps))
        for row, by in ((i, 1.0), (5, by_x), (6, by_y)):
            equations_89[row, i] += information * by
            equations_89[row, _ALL] += information * by * off
        equations_89[5, 5] += information * by_x * by_x
        equations_89[6, 5] += information * by_x * by_y
        equations_89[6, 6] += information * by_y * by_y


@compiled
def _solve(equations_S89):
    """The steps (S, 8) to the minimum: the steps' own unknowns are eliminated, what they have in common remains."""
    left_S89, common_34 = equations_S89.copy(), np.zeros((3, 4))
    for s in range(len(left_S89)):
        _eliminate(left_S89[s], _OWN)
        for i in range(3):
            for j in range(4):
                common_34[i, j] += left_S89[s, _OWN + i, _OWN + j]
    _eliminate(common_34, 3)
    step_S8 = np.zeros((len(left_S89), _ALL))
    for s in range(len(left_S89)):
        _substitute(common_34, 3, step_S8[s, _OWN:])
        _substitute(left_S89[s], _OWN, step_S8[s])
    return step_S8


@compiled
def _eliminate(equations, count):
    """The first unknowns out of the rows below their own; no pivoting, as second derivatives are positive definite."""
    for i in range(count):
        for row in range(i + 1, equations.shape[0]):
            share = equations[row, i] / equations[i, i]
            for column in range(i, equations.shape[1]):
                equations[row, column] -= share * equations[i, column]


@compiled
def _substitute(equations, count, step):
    """The first unknowns of an eliminated system, into `step`, which has those after them."""
    for i in range(count - 1, -1, -1):
        total = equations[i, len(step)]
        for j in range(i + 1, len(step)):
            total += equations[i, j] * step[j]
        step[i] = -total / equations[i, i]


@compiled_sums
def distance_to_lines(older_S2M, newer_S2M, deviation_SM, weight_SM, rotation_S33, direction_S3, focal, scale):
    """Sum of squared deviations between the points and their epipolar lines, from `scale` on as of outliers."""
    one, nearer, softness = np.float32(1.0), np.float32(1 / focal), np.float32(1 / scale**2)
    total = 0.0
    for s in range(len(rotation_S33)):
        essential_9 = _singles(_product(_hat(direction_S3[s]), rotation_S33[s]))
        for m in range(weight_SM.shape[1]):
            ox, oy = older_S2M[s, 0, m] * nearer, older_S2M[s, 1, m] * nearer
            nx, ny = newer_S2M[s, 0, m] * nearer, newer_S2M[s, 1, m] * nearer
            told = _off_line(essential_9, ox, oy, nx, ny)
            off, square = told[0], told[1]
            surprise = off * off / (square * (nearer * deviation_SM[s, m]) ** 2)
            total += weight_SM[s, m] * surprise / (one + surprise * softness)
    return total


@compiled
def _find_across(direction_3, across_23):
    """Unit vectors square to a direction and to each other."""
    least = 0
    for c in range(1, 3):
        if abs(direction_3[c]) < abs(direction_3[least]):
            least = c
    # Square to the direction and to the axis that is farthest from it.
    left, right = (least + 1) % 3, (least + 2) % 3
    across_23[0, least], across_23[0, left], across_23[0, right] = 0.0, direction_3[right], -direction_3[left]
    _make_unit(across_23[0])
    for c in range(3):
        left, right = (c + 1) % 3, (c + 2) % 3
        across_23[1, c] = direction_3[left] * across_23[0, right] - direction_3[right] * across_23[0, left]


@compiled
def _rotation(vector):
    """The matrix (3, 3) of a rotation vector, radians (Rodrigues)."""
    square = vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2
    angle = math.sqrt(square)
    if angle > 1e-4:
        sine, versine = math.sin(angle) / angle, (1 - math.cos(angle)) / square
    else:
        sine, versine = 1 - square / 6, 0.5 - square / 24
    hat_33 = _hat(vector)
    rotation_33 = _product(hat_33, hat_33)
    for i in range(3):
        for j in range(3):
            rotation_33[i, j] = (1.0 if i == j else 0.0) + sine * hat_33[i, j] + versine * rotation_33[i, j]
    return rotation_33


@compiled
def _hat(vector):
    """The matrix (3, 3) that the cross product with a vector is."""
    hat_33 = np.zeros((3, 3))
    for c in range(3):
        hat_33[(c + 2) % 3, (c + 1) % 3], hat_33[(c + 1) % 3, (c + 2) % 3] = vector[c], -vector[c]
    return hat_33


@compiled
def _product(a_33, b_33):
    product_33 = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                product_33[i, j] += a_33[i, k] * b_33[k, j]
    return product_33


@compiled
def _make_unit(vector_3):
    length = math.sqrt(vector_3[0] ** 2 + vector_3[1] ** 2 + vector_3[2] ** 2)
    for c in range(3):
        vector_3[c] /= length


@compiled
def _singles(matrix_33):
    """A matrix's numbers, row by row, in the precision of the matches."""
    a, single = matrix_33, np.float32
    return (
        single(a[0, 0]), single(a[0, 1]), single(a[0, 2]), single(a[1, 0]), single(a[1, 1]), single(a[1, 2]),
        single(a[2, 0]), single(a[2, 1]), single(a[2, 2]),
    )  # fmt: skip
