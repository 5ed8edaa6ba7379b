"""Batches of rendered clips: drawn in the training process on a GPU, ahead of it by workers on the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lapose_core.model.config import QUERY_STRIDE, ModelConfig
from lapose_core.model.losses import MotionTarget
from lapose_core.training.batch import Batch
from lapose_core.training.config import TrainConfig
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig


@dataclass
class ClipBatch(Batch):
    """B clips of T frames, S = T - 1 steps, N query cells.

    Attributes:
        frames_BTCHW: uint8 pictures; None where only the flow is wanted.
        intervals_BS: seconds.
        translation_BS3, quaternion_BS4, fov_x_B: true motions (metres; x y z w, w >= 0; radians).
        target_BSN2, visible_BSN: exact flow of each step's cells into the next frame (pixels).
        back_target_BSN2, back_visible_BSN: of the next frame's cells into this one; None where pictures are drawn.
        maps_BTCHW, forth_BSN5, back_BSN5: in place of pictures, what frozen parts make of them: the stem's maps, and
            matches both ways (position and confidence).
        actions_BSK: in place of pictures, what a frozen encoder makes of them.
    """

    frames_BTCHW: Tensor | None
    intervals_BS: Tensor
    translation_BS3: Tensor
    quaternion_BS4: Tensor
    fov_x_B: Tensor
    target_BSN2: Tensor | None
    visible_BSN: Tensor | None
    back_target_BSN2: Tensor | None = None
    back_visible_BSN: Tensor | None = None
    maps_BTCHW: Tensor | None = None
    forth_BSN5: Tensor | None = None
    back_BSN5: Tensor | None = None
    actions_BSK: Tensor | None = None

    @property
    def motions(self) -> MotionTarget:
        return MotionTarget(self.translation_BS3, self.quaternion_BS4, self.fov_x_B)

    def split(self) -> list[ClipBatch]:
        """One batch for each clip."""
        count = self.intervals_BS.shape[0]
        return [ClipBatch(*(None if v is None else v[i : i + 1] for v in self._values())) for i in range(count)]

    def window(self, begin: int, end: int) -> ClipBatch:
        """Steps begin to end - 1 alone, with their frames."""
        cut = {
            item.name: value[:, begin : end + item.name.endswith("_BTCHW")]
            for item, value in zip(fields(self), self._values(), strict=True)
            if value is not None and item.name != "fov_x_B"
        }
        return dataclasses.replace(self, **cut)


def batches(
    train: TrainConfig,
    model: ModelConfig,
    device: torch.device,
    prepare: Callable[[ClipBatch], ClipBatch] | None = None,
) -> Iterator[ClipBatch]:
    """Endless batches on the device, new clips each time (but for `reuse`).

    Args:
        prepare: done to each clip once, for all its uses.
    """
    if device.type == "cuda" and train.task != "motion":
        drawn = _drawn_on_gpu(train, model, device)
        return map(prepare, drawn) if prepare else drawn
    fresh = _ahead(_Drawn(train, model), train.draw_workers)
    return _reused(map(prepare, fresh) if prepare else fresh, train, device)


def _motion_tensors(clips: Clips) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    motions_BS44 = clips.motions_BS44
    shape = motions_BS44.shape[:2]
    rotation = Rotation.from_matrix(motions_BS44[..., :3, :3].reshape(-1, 3, 3))
    quaternion_BS4 = rotation.as_quat(canonical=True).reshape(*shape, 4)
    numbers = (clips.intervals_BS, motions_BS44[..., :3, 3], quaternion_BS4, clips.fov_x_B)
    return tuple(torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32)) for value in numbers)


def draw(rng: np.random.Generator, train: TrainConfig, model: ModelConfig, count: int) -> ClipBatch:
    """Sample and draw `count` clips on the CPU."""
    from lapose_core.world.render_cpu import render, trace_flow

    clips = sample_clips(rng, count, WorldConfig(**train.world), train.frames)
    height, width = model.image_height, model.image_width
    forth = trace_flow(clips, height, width, QUERY_STRIDE)
    flow = [torch.from_numpy(forth.target_BSN2), torch.from_numpy(forth.visible_BSN)]
    if train.task == "motion":
        back = trace_flow(_backwards(clips), height, width, QUERY_STRIDE)
        flow += [torch.from_numpy(back.target_BSN2[:, ::-1].copy()), torch.from_numpy(back.visible_BSN[:, ::-1].copy())]
        return ClipBatch(None, *_motion_tensors(clips), *flow)
    return ClipBatch(torch.from_numpy(render(clips, height, width)), *_motion_tensors(clips), *flow)


def _backwards(clips: Clips) -> Clips:
    """The same clips played backwards; moving boxes count as steady over two steps."""
    boxes = clips.boxes_BTKC[:, ::-1].copy()
    steady = (t.CENTRE_X, t.NEXT_X), (t.CENTRE_Y, t.NEXT_Y), (t.SHEAR_X, t.NEXT_SHEAR_X), (t.SHEAR_Y, t.NEXT_SHEAR_Y)
    for now, after in steady:
        boxes[..., after] = 2 * boxes[..., now] - boxes[..., after]
    boxes[..., t.NEXT_RISE] *= -1
    cos, sin = boxes[..., t.BOX_COS], boxes[..., t.BOX_SIN]
    turn_cos = cos * boxes[..., t.NEXT_COS] + sin * boxes[..., t.NEXT_SIN]
    turn_sin = cos * boxes[..., t.NEXT_SIN] - sin * boxes[..., t.NEXT_COS]
    boxes[..., t.NEXT_COS], boxes[..., t.NEXT_SIN] = cos * turn_cos + sin * turn_sin, sin * turn_cos - cos * turn_sin
    return dataclasses.replace(clips, boxes_BTKC=boxes, cameras_BTC=clips.cameras_BTC[:, ::-1].copy())


class _Drawn(IterableDataset):
    """Draws single-clip batches for ever."""

    def __init__(self, train: TrainConfig, model: ModelConfig) -> None:
        self.train, self.model = train, model

    def __iter__(self) -> Iterator[ClipBatch]:
        import numba

        numba.set_num_threads(1)
        rng = _worker_rng(self.train)
        while True:
            yield from draw(_labelled(rng, self.train, 4), self.train, self.model, 4).split()


class _Sampled(IterableDataset):
    """Samples batches of clips for ever, to be drawn elsewhere."""

    def __init__(self, train: TrainConfig) -> None:
        self.train, self.world = train, WorldConfig(**train.world)

    def __iter__(self) -> Iterator[Clips]:
        rng = _worker_rng(self.train)
        while True:
            count = self.train.clips
            yield sample_clips(_labelled(rng, self.train, count), count, self.world, self.train.frames)


def _worker_rng(train: TrainConfig) -> np.random.Generator:
    """Each worker process has a seed of its own."""
    info = get_worker_info()
    return np.random.default_rng([train.seed, info.id if info else 0])


def _labelled(rng: np.random.Generator, train: TrainConfig, count: int) -> np.random.Generator:
    """What draws the next `count` clips: where labels are few, the same few again."""
    if not train.labelled_clips:
        return rng
    return np.random.default_rng([train.label_seed, int(rng.integers(max(1, train.labelled_clips // count)))])


def _ahead(dataset: IterableDataset, workers: int) -> Iterator:
    return iter(DataLoader(dataset, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None))


def _reused(fresh: Iterator[ClipBatch], train: TrainConfig, device: torch.device) -> Iterator[ClipBatch]:
    """Batches of single clips, each used `reuse` times; a pool keeps its turns apart."""
    rng = np.random.default_rng(train.seed)
    pool: list[list] = []
    room = train.clips * (8 if train.reuse > 1 else 1)
    while True:
        while len(pool) < room:
            pool.append([next(fresh), train.reuse])
        picked = sorted(rng.choice(len(pool), train.clips, replace=False), reverse=True)
        yield ClipBatch.join([pool[i][0] for i in picked]).to(device)
        for i in picked:
            pool[i][1] -= 1
            if not pool[i][1]:
                pool.pop(i)


def _drawn_on_gpu(train: TrainConfig, model: ModelConfig, device: torch.device) -> Iterator[ClipBatch]:
    from lapose_core.world.render_triton import render_with_flow

    for clips in _ahead(_Sampled(train), train.draw_workers):
        frames_BTCHW, forth = render_with_flow(clips, model.image_height, model.image_width, QUERY_STRIDE, device)
        motion = (value.to(device, non_blocking=True) for value in _motion_tensors(clips))
        yield ClipBatch(frames_BTCHW, *motion, forth.target_BSN2, forth.visible_BSN)
