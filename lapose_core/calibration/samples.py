"""Rendered clips through a model: its motions and variances beside the true motions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from tqdm import tqdm
from typing_extensions import Self

from lapose_core.adjustment.camera import KnownCamera
from lapose_core.calibration.pictures import spoil
from lapose_core.geometry import make_pose
from lapose_core.runtime.backends.backend import Backend, InferredSteps
from lapose_core.runtime.calibration import turn_of
from lapose_core.runtime.estimate import decode_window, refine_steps, view_step
from lapose_core.runtime.stillness import Stillness
from lapose_core.runtime.view import look
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig

#: Any camera, mounted anywhere: users have more of them than training. Standing still has a rule of its own.
_WORLD = WorldConfig(
    standing_share=0.0, tail_share=0.3, fov_x_usual_share=0.3, principal_point=(0.016, 0.012), barrel_share=0.15
)
#: Share of the clips whose frames are further apart in time than training has them, or whose vehicle is faster.
_SLOW_SHARE, _FAST_SHARE = 0.1, 0.1
_SLOW_RATE_HZ, _FASTER = (0.4, 1.0), (1.5, 3.0)
#: What is told of a camera is never quite true: standard deviations of the focal length's logarithm, of the axis in
#: widths of the picture, and of what rectifying leaves of the lens' distortion.
_TOLD_FOCAL, _TOLD_AXIS, _TOLD_DISTORTION = 0.01, 0.003, 0.03
#: Clips drawn at a time, of one kind each.
_BLOCK = 4


@dataclass(frozen=True)
class Samples:
    """S steps, those of a window as the pose head decodes them together; see `Calibration.covariance`.

    Attributes:
        turn_S, told_S: of each step's window.
        clip_S: number of each step's clip.
    """

    poses_S44: np.ndarray
    variance_S6: np.ndarray
    intervals_S: np.ndarray
    sight_S: np.ndarray
    turn_S: np.ndarray
    told_S: np.ndarray
    truth_S44: np.ndarray
    clip_S: np.ndarray

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))

    def select(self, mask_S: np.ndarray) -> Samples:
        return Samples(*(getattr(self, item.name)[mask_S] for item in fields(self)))


def draw_samples(
    backend: Backend, clips: int, seed: int, *, spoilt: bool = True, progress: bool = True
) -> tuple[Samples, Samples]:
    """Draw so many rendered clips and decode them; the same seed gives the same clips.

    Returns the samples of a model that knows nothing of the camera, and of one that is told.

    Args:
        spoilt: spoil the pictures, and go beyond the rates and speeds of training; else both are as in training.
    """
    config = backend.config
    rng = np.random.default_rng(seed)
    parts = []
    for number, (drawn, faster) in enumerate(
        tqdm(_blocks(rng, clips, config.clip_length, spoilt), "clips", total=-(-clips // _BLOCK), disable=not progress)
    ):
        for place, frames_TCHW in enumerate(_render(drawn, config.image_height, config.image_width)):
            frames_THWC = np.ascontiguousarray(frames_TCHW.transpose(0, 2, 3, 1))
            if spoilt:
                frames_THWC = spoil(rng, frames_THWC)
            intervals_S = (drawn.intervals_BS[place] / faster).astype(np.float32)
            told = _told_camera(rng, drawn, place, config.image_width)
            parts.append(
                _decoded(backend, frames_THWC, intervals_S, drawn.motions_BS44[place], number * _BLOCK + place, told)
            )
    unknown, known = (Samples.joined(list(samples)) for samples in zip(*parts, strict=True))
    return unknown, known


def _blocks(rng: np.random.Generator, clips: int, frames: int, spoilt: bool) -> Iterator[tuple[Clips, float]]:
    """Blocks of clips, and how many times as fast as drawn their vehicles are to be."""
    for begin in range(0, clips, _BLOCK):
        world, faster, kind = _WORLD, 1.0, rng.random()
        if spoilt and kind < _SLOW_SHARE:
            world = WorldConfig(**{**vars(world), "rate_hz": _SLOW_RATE_HZ})
        elif spoilt and kind < _SLOW_SHARE + _FAST_SHARE:
            faster = rng.uniform(*_FASTER)
            world = WorldConfig(**{**vars(world), "rate_hz": tuple(hz / faster for hz in world.rate_hz)})
        yield sample_clips(rng, min(_BLOCK, clips - begin), world, frames), faster


def _render(clips: Clips, height: int, width: int) -> np.ndarray:
    from lapose_core.world.render_cpu import render  # numba is slow to load

    return render(clips, height, width)


def _decoded(
    backend: Backend,
    frames_THWC: np.ndarray,
    intervals_S: np.ndarray,
    truth_S44: np.ndarray,
    clip: int,
    told: KnownCamera,
) -> tuple[Samples, Samples]:
    prepared = [backend.prepare(frame) for frame in frames_THWC]
    views = [look(*pair) for pair in zip(frames_THWC, map(backend.picture, prepared), strict=True)]
    features = [backend.tokenize(frame) for frame in prepared]
    steps = range(len(intervals_S))
    seen = [view_step(views[i], views[i + 1], float(intervals_S[i])) for i in steps]
    if backend.config.context_frames == 2:
        pairs = [backend.infer_steps(features[i : i + 2], intervals_S[i : i + 1]) for i in steps]
        inferred = InferredSteps.joined(pairs)
    else:
        inferred = backend.infer_steps(features, intervals_S)
    inferred = refine_steps(inferred, views)
    # Where the pictures overrule the model, nothing is left to calibrate.
    left_S = np.array([not (step.is_blind or step.stillness is Stillness.STILL) for step in seen])

    def samples_of(camera: KnownCamera) -> Samples:
        decoded = decode_window(backend, inferred, intervals_S, camera)
        poses_S44 = make_pose(decoded.translation_S3, decoded.quaternion_S4)
        samples = Samples(
            poses_S44,
            decoded.variance_S6.astype(np.float64),
            intervals_S,
            np.array([step.sight for step in seen]),
            np.full(len(intervals_S), turn_of(poses_S44)),
            np.full(len(intervals_S), decoded.scale_deviation),
            truth_S44,
            np.full(len(intervals_S), clip),
        )
        return samples.select(left_S)

    return samples_of(KnownCamera()), samples_of(told)


def _told_camera(rng: np.random.Generator, clips: Clips, clip: int, width: int) -> KnownCamera:
    focal, across, along = clips.cameras_BTC[clip, 0, [t.FOCAL, t.PRINCIPAL_X, t.PRINCIPAL_Y]].tolist()
    axis = (width * (across + rng.normal(0, _TOLD_AXIS)), width * (along + rng.normal(0, _TOLD_AXIS)))
    distortion = float(clips.distortion_B[clip]) + rng.normal(0, _TOLD_DISTORTION)
    return KnownCamera(width * focal * math.exp(rng.normal(0, _TOLD_FOCAL)), axis, distortion)
