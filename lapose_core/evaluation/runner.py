"""Run methods over the frames of a source, and estimate clips from what they found.

Images are never kept: one pass over the source describes each frame once, compares each pair as soon as its second
frame is there, and forgets a frame after its last pair.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lapose_core.data.source import Frame
from lapose_core.evaluation.method import ClipEstimate, Method
from lapose_core.evaluation.windows import CLIP_LENGTH
from lapose_core.geometry import Trajectory, chain_motions

#: Numbers of two frames, the older one first.
Pair = tuple[int, int]

#: What `Method.compare` gave for each pair.
Findings = dict[Pair, Any]


def compare_pairs(
    frames: Iterable[Frame], methods: Sequence[Method], stamps_ns: np.ndarray, pairs: Iterable[Pair]
) -> list[Findings]:
    """Run the methods over the frames once.

    Args:
        frames: frames, numbered from 0 as they come.
        methods: what to run.
        stamps_ns: (F,) their stamps, nanoseconds.
        pairs: frame numbers (older, newer) that some clip needs.

    Returns:
        For each method, what it found in each pair.
    """
    older_of: dict[int, list[int]] = {}
    last_use: dict[int, int] = {}
    for older, newer in set(pairs):
        older_of.setdefault(newer, []).append(older)
        last_use[older] = max(newer, last_use.get(older, 0))
        last_use.setdefault(newer, newer)
    descriptions: dict[int, list[Any]] = {}
    findings: list[Findings] = [{} for _ in methods]
    for number, frame in enumerate(frames):
        if number not in last_use:
            continue
        current = descriptions[number] = [method.describe(frame.image_HWC) for method in methods]
        for older in older_of.get(number, ()):
            interval_s = float(stamps_ns[number] - stamps_ns[older]) * 1e-9
            for method, found, a, b in zip(methods, findings, descriptions[older], current, strict=True):
                found[older, number] = method.compare(a, b, interval_s)
        descriptions = {kept: value for kept, value in descriptions.items() if last_use[kept] > number}
    return findings


def pairs_of(indices_N: Sequence[int] | np.ndarray) -> list[Pair]:
    """Adjacent frame numbers of a clip."""
    return [(int(older), int(newer)) for older, newer in itertools.pairwise(indices_N)]


def estimate_clip(method: Method, findings: Findings, truth: Trajectory, indices_N: np.ndarray) -> ClipEstimate:
    """The method's motions of the clip made of the numbered frames; `truth` has a pose for every frame."""
    clip = truth.select(indices_N)
    steps = [findings[pair] for pair in pairs_of(indices_N)]
    return method.estimate(steps, np.diff(clip.stamps_ns) * 1e-9, clip.motions())


def estimate_sequence(
    method: Method, findings: Findings, truth: Trajectory, indices_N: np.ndarray
) -> tuple[np.ndarray, list[Method]]:
    """A sequence of any length, frame by frame as the odometer runs: each window's last motion.

    Returns its poses (N, 4, 4), and what the method has become by each of its frames.
    """
    motions_S44, methods = [], [method]
    for end in range(2, len(indices_N) + 1):
        estimate = estimate_clip(method, findings, truth, indices_N[max(0, end - CLIP_LENGTH) : end])
        motions_S44.append(estimate.motions_S44[-1])
        method = method.after(estimate)
        methods.append(method)
    return chain_motions(np.array(motions_S44)), methods
