"""The loops of `lengths` and `bend` over the cells of a window, compiled."""

from __future__ import annotations

import math

import numpy as np

from lapose_core.compiled import compiled, compiled_sums


@compiled
def find_depths(
    here_S2M, there_S2M, deviation_SM, weight_SM, rotation_S33, shift_S3, focal, inverse_SM, noise_SM, off_SM
):
    """See `lengths.inverse_depth`, whose answer is written to the last three. All in single precision."""
    nearer = np.float32(1 / focal)
    for s in range(len(shift_S3)):
        r00, r01, r02 = rotation_S33[s, 0, 0], rotation_S33[s, 0, 1], rotation_S33[s, 0, 2]
        r10, r11, r12 = rotation_S33[s, 1, 0], rotation_S33[s, 1, 1], rotation_S33[s, 1, 2]
        r20, r21, r22 = rotation_S33[s, 2, 0], rotation_S33[s, 2, 1], rotation_S33[s, 2, 2]
        s0, s1, s2 = shift_S3[s, 0], shift_S3[s, 1], shift_S3[s, 2]
        for m in range(weight_SM.shape[1]):
            x, y = here_S2M[s, 0, m] * nearer, here_S2M[s, 1, m] * nearer
            u, v = there_S2M[s, 0, m] * nearer, there_S2M[s, 1, m] * nearer
            t0, t1, t2 = r00 * x + r01 * y + r02, r10 * x + r11 * y + r12, r20 * x + r21 * y + r22
            parallax_x, parallax_y = u * s2 - s0, v * s2 - s1
            off_x, off_y = t0 - u * t2, t1 - v * t2
            square = parallax_x * parallax_x + parallax_y * parallax_y + np.float32(1e-12)
            inverse = (parallax_x * off_x + parallax_y * off_y) / square
            beside_x, beside_y = off_x - inverse * parallax_x, off_y - inverse * parallax_y
            noise = deviation_SM[s, m] * max(t2 + inverse * s2, np.float32(0.2)) * nearer
            inverse_SM[s, m] = inverse
            noise_SM[s, m] = noise / math.sqrt(square)
            off_SM[s, m] = math.sqrt(beside_x * beside_x + beside_y * beside_y) / noise


@compiled_sums
def log_ratio(before_JN, after_JN, before_deviation_JN, after_deviation_JN, good_JN, expected_J, different, scales):
    """See `lengths.Sights.log_ratio`."""
    steps, points = good_JN.shape
    found_J, total_J = expected_J.copy(), np.empty(steps)
    ratio_N, information_N = np.empty(points), np.empty(points)
    for j in range(steps):
        half = math.exp(0.5 * expected_J[j])
        count = 0
        for n in range(points):
            if good_JN[j, n]:
                # Noise by what both sightings together say of the depth: by each one's own, the nearer would win.
                before, after = float(before_JN[j, n]), float(after_JN[j, n])
                noise = (before_deviation_JN[j, n] * half) ** 2 + (after_deviation_JN[j, n] / half) ** 2
                ratio_N[count] = math.log(after / before)
                information_N[count] = 1 / (noise / (before * after) + different**2)
                count += 1
        for scale in scales:
            expected, softness, total, weighted = found_J[j], 1 / scale**2, 0.0, 0.0
            for k in range(count):
                off = ratio_N[k] - expected
                trust = 1 / (1 + off * off * information_N[k] * softness)
                weight = information_N[k] * trust * trust
                total += weight
                weighted += weight * ratio_N[k]
            total_J[j] = max(total, 1e-9)
            found_J[j] = weighted / total_J[j]
    return found_J, total_J


@compiled_sums
def depth_difference(
    before_JN, after_JN, before_deviation_JN, after_deviation_JN, seen_JN, ratio_J, different, scale
):  # fmt: skip
    """Sum of squared deviations between depths that were seen twice, from `scale` on as of outliers."""
    total, softness = 0.0, 1 / scale**2
    for j in range(len(ratio_J)):
        for n in range(seen_JN.shape[1]):
            if seen_JN[j, n]:
                before, after = before_JN[j, n] * ratio_J[j], after_JN[j, n]
                nearness = 0.5 * max(after + before, 0.0)
                noise = after_deviation_JN[j, n] ** 2 + (before_deviation_JN[j, n] * ratio_J[j]) ** 2
                surprise = (after - before) ** 2 / (noise + (different * nearness) ** 2)
                total += surprise / (1 + surprise * softness)
    return total
