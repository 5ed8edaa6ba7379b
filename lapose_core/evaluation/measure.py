"""What the model and the baselines say about a source with true poses, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from lapose_core.data.source import Intrinsics, Source
from lapose_core.errors import LaposeError
from lapose_core.evaluation.baselines import baselines
from lapose_core.evaluation.method import LEARNED_CAMERA, ClipEstimate, LaPose, Method, model_methods
from lapose_core.evaluation.metrics import PARKED_STEP_M, ClipScores, is_parked, score_clip
from lapose_core.evaluation.runner import Findings, compare_pairs, estimate_clip, estimate_sequence, pairs_of
from lapose_core.evaluation.windows import CLIP_LENGTH, sample_sequence, sample_windows
from lapose_core.geometry import Trajectory
from lapose_core.runtime.backends.backend import Backend


@dataclass(frozen=True)
class Answers:
    """What one method said.

    Attributes:
        method: its name.
        estimates, scores: of each window.
        sequence_poses_N44: poses over the whole sequence, run frame by frame, the first at identity.
    """

    method: str
    estimates: tuple[ClipEstimate, ...]
    scores: tuple[ClipScores, ...]
    sequence_poses_N44: np.ndarray


@dataclass(frozen=True)
class Measured:
    """One source at one rate.

    Attributes:
        source, backend: names.
        intrinsics: the source's camera, where it is known.
        rate_hz: frames a second within a window.
        stride: a window starts at every stride-th frame.
        truth: true poses of the frames that have one; windows and sequence number these.
        posed_F: of all decoded frames of the source, which have a true pose.
        windows: frame numbers of each.
        sequence_N: frame numbers of the sequence that is run frame by frame.
        left_out_parked, left_out_gaps, frames, frames_without_pose, frames_undecodable: see `Report`.
        methods: the model first; it comes once more at the end, with the camera learned on the drive.
    """

    source: str
    backend: str
    intrinsics: Intrinsics | None
    rate_hz: float
    stride: int
    truth: Trajectory
    posed_F: np.ndarray
    windows: tuple[np.ndarray, ...]
    sequence_N: np.ndarray
    left_out_parked: int
    left_out_gaps: int
    frames_undecodable: int
    methods: tuple[Answers, ...]

    @property
    def frames(self) -> int:
        return len(self.posed_F)

    @property
    def frames_without_pose(self) -> int:
        return int(np.sum(~self.posed_F))

    def true_motions(self) -> Iterator[np.ndarray]:
        """True motions (S, 4, 4) of each window."""
        return (self.truth.select(indices_N).motions() for indices_N in self.windows)


def measure(
    source: Source,
    backend: Backend,
    rate_hz: float,
    *,
    stride: int | None = None,
    camera_height_m: float | None = None,
    progress: bool = True,
    methods: Sequence[Method] | None = None,
) -> Measured:
    """Run the model and the baselines over 16-frame windows of a source with true poses, and frame by frame.

    Args:
        source: frames and true poses; read twice.
        backend: the model.
        rate_hz: frames a second within a window; the nearest frames are taken.
        stride: start a window at every stride-th frame of the source; by default every one, up to 400 windows.
        camera_height_m: of the camera above the road, where it is known: for one more row.
        progress: show progress bars.
        methods: what to run in their place.

    Raises:
        LaposeError: no true poses, too short, a rate above the source's, or a vehicle that never moves.
    """
    if source.poses is None:
        raise LaposeError(
            f"{source.name} has no true poses: give a KITTI sequence folder with poses/NN.txt, or a bag with a "
            "nav_msgs/Odometry topic of true poses"
        )
    stamps_ns, undecodable = _read_stamps(source, progress)
    posed_F = source.poses.covers(stamps_ns)
    truth = source.poses.at(stamps_ns[posed_F])
    try:
        windows = sample_windows(truth.stamps_ns, rate_hz, stride=stride)
    except LaposeError as error:
        raise LaposeError(f"{source.name}: {error}") from None
    moving = [indices_N for indices_N in windows.indices_WN if not is_parked(truth.select(indices_N).motions())]
    if not moving:
        raise LaposeError(
            f"{source.name}: no window of {CLIP_LENGTH} frames at {rate_hz:g} Hz moves {PARKED_STEP_M} m a step; "
            "give a drive that moves, or a lower rate"
        )
    sequence_N = sample_sequence(truth.stamps_ns, rate_hz)

    if methods is None:
        unknown, *known = model_methods(backend, source.intrinsics, camera_height_m)
        methods = [unknown, *baselines(source.intrinsics), *known]
    frames = tqdm(source, "frames", total=len(stamps_ns), unit="frame", disable=not progress)
    posed_frames = (frame for frame, posed in zip(frames, posed_F, strict=True) if posed)
    pairs = [pair for indices_N in [*moving, sequence_N] for pair in pairs_of(indices_N)]
    findings = compare_pairs(posed_frames, methods, truth.stamps_ns, pairs)
    sequences = [
        estimate_sequence(method, found, truth, sequence_N) for method, found in zip(methods, findings, strict=True)
    ]
    answers = [
        _ask(method.name, [method] * len(moving), found, truth, moving, poses_N44, progress)
        for method, found, (poses_N44, _) in zip(methods, findings, sequences, strict=True)
    ]
    if isinstance(methods[0], LaPose):
        # Each window by what the drive has told before its last frame.
        poses_N44, by_frame_N = sequences[0]
        before_W = np.searchsorted(sequence_N, [indices_N[-1] for indices_N in moving]) - 1
        learned_W = [by_frame_N[max(0, before)] for before in before_W]
        answers.append(_ask(LEARNED_CAMERA, learned_W, findings[0], truth, moving, poses_N44, progress))
    return Measured(
        source=source.name,
        backend=backend.name,
        intrinsics=source.intrinsics,
        rate_hz=rate_hz,
        stride=windows.stride,
        truth=truth,
        posed_F=posed_F,
        windows=tuple(moving),
        sequence_N=sequence_N,
        left_out_parked=len(windows.indices_WN) - len(moving),
        left_out_gaps=windows.left_out_gaps,
        frames_undecodable=undecodable,
        methods=tuple(answers),
    )


def _ask(
    name: str,
    methods_W: Sequence[Method],
    findings: Findings,
    truth: Trajectory,
    windows: list[np.ndarray],
    sequence_poses_N44: np.ndarray,
    progress: bool,
) -> Answers:
    """What the method has become by each window says of it."""
    bar = tqdm(zip(methods_W, windows, strict=True), name, len(windows), unit="window", disable=not progress)
    estimates = tuple(estimate_clip(method, findings, truth, indices_N) for method, indices_N in bar)
    scores = tuple(
        score_clip(estimate.motions_S44, truth.select(indices_N).motions())
        for estimate, indices_N in zip(estimates, windows, strict=True)
    )
    return Answers(name, estimates, scores, sequence_poses_N44)


def _read_stamps(source: Source, progress: bool) -> tuple[np.ndarray, int]:
    """Stamps (F,) of the source's frames, and how many frames could not be decoded."""
    undecodable_before = source.undecodable
    frames = tqdm(source, "stamps", total=source.frame_count, unit="frame", disable=not progress)
    stamps_ns = np.array([frame.stamp_ns for frame in frames], np.int64)
    return stamps_ns, source.undecodable - undecodable_before
