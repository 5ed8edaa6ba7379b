"""Streams of unlabelled clips: rendered drives, folders of drives and shards, mixed by weights.

What is rendered is a function of the seed, the step and the place in the batch: neither the number of processes or
workers nor a run that was cut off changes it. Clips are rendered in blocks of `draw_clips`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lapose_core.data.chunks import Chunk, ChunkReader, ClipRates
from lapose_core.errors import LaposeError
from lapose_core.training.batch import Batch
from lapose_core.training.config import ClipConfig
from lapose_core.training.stage import Share
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig

#: Bytes of chunks that each worker keeps, so that neighbours in a batch come from different drives.
POOL_BYTES = 256 * 2**20
#: Clips drawn from a chunk before it makes room for another.
CLIPS_A_CHUNK = 8
#: Draws without a clip, one after the other, after which a source is given up.
_PATIENCE = 200


@dataclass
class UnlabelledClips(Batch):
    """B clips of T frames, S = T - 1 steps.

    Attributes:
        frames_BTCHW: uint8.
        intervals_BS: seconds.
        yaw_rate_BS, speed_BS: rad/s, left positive; m/s along the optical axis. For probing; None in training.
        codes_BTN: the frames' codes, where a VQ-VAE has been asked.
    """

    frames_BTCHW: Tensor
    intervals_BS: Tensor
    yaw_rate_BS: Tensor | None = None
    speed_BS: Tensor | None = None
    codes_BTN: Tensor | None = None


class ClipMixture:
    """Endless batches of clips: rendered ones, and those of any readers, by their weights."""

    def __init__(
        self,
        config: ClipConfig,
        size: tuple[int, int],
        rendered: float = 1.0,
        readers: list[tuple[float, ChunkReader]] | None = None,
    ) -> None:
        """Set up a mixture.

        Args:
            size: height and width of the frames.
            rendered: weight of the rendered drives.
            readers: the other sources and their weights.
        """
        self.config, self.size = config, size
        self.readers = [reader for _, reader in readers or []]
        weights = np.array([rendered, *(weight for weight, _ in readers or [])], float)
        if weights.sum() <= 0 or weights.min() < 0:
            raise LaposeError(f"sources: weights {weights.tolist()} are no shares: give positive numbers")
        self.shares = weights / weights.sum()

    def batches(self, share: Share, step: int, device: torch.device) -> Iterator[UnlabelledClips]:
        """This process's part of the batches from that of `step` on, on the device."""
        drawn = iter(self._rendered(share, step, device))
        streams = [iter(self._real(reader, share, step, device)) for reader in self.readers]
        for number in itertools.count(step):
            blocks, others = self.counts(share, number)
            parts = [next(drawn) for _ in range(blocks)]
            for stream, count in zip(streams, others, strict=True):
                parts += [next(stream) for _ in range(count)]
            yield replace(UnlabelledClips.join(parts), yaw_rate_BS=None, speed_BS=None)

    def counts(self, share: Share, step: int) -> tuple[int, list[int]]:
        """Rendered blocks and clips of each reader in this process's part of a batch; on average by weight."""
        clips, block = self.config.clips, block_size(self.config)
        if not self.readers:
            return clips // block, []
        rng = np.random.default_rng([self.config.seed, 1, step, share.rank])
        blocks = int(self.shares[0] * clips / block + rng.random())
        others = self.shares[1:]
        rest = clips - blocks * block
        if not others.sum():
            return blocks, [0] * len(others)
        return blocks, rng.multinomial(rest, others / others.sum()).tolist()

    def sample(self, clips: int, seed: int, device: torch.device) -> list[UnlabelledClips]:
        """A batch of clips of each reader, to be looked at; none of a reader whose every item is left out."""
        rates = ClipRates(*self.config.rate_hz, self.config.frames)
        found = [list(itertools.islice(_RealClips(reader, rates, [seed]), clips)) for reader in self.readers]
        batches = [[UnlabelledClips(*(v[None] for v in c)) for c in some if isinstance(c, tuple)] for some in found]
        return [UnlabelledClips.join(some).to(device) for some in batches if some]

    @property
    def left_out(self) -> int:
        """Items of the readers that could not be used so far."""
        return sum(reader.omissions.count for reader in self.readers)

    def _rendered(self, share: Share, step: int, device: torch.device) -> Iterator[UnlabelledClips]:
        if not self.shares[0]:
            return
        dataset = _Blocks(self, share, step, draw=device.type != "cuda")
        for block in _ahead(dataset, self.config.draw_workers, pin=False):
            yield block.to(device) if isinstance(block, UnlabelledClips) else drawn(block, self.size, device)

    def _real(self, reader: ChunkReader, share: Share, step: int, device: torch.device) -> Iterator[UnlabelledClips]:
        seed = [self.config.seed, 2, step, share.rank]
        dataset = _RealClips(reader, ClipRates(*self.config.rate_hz, self.config.frames), seed)
        for clip in _ahead(dataset, self.config.read_workers, pin=device.type == "cuda"):
            if isinstance(clip, LaposeError):
                raise clip
            frames_TCHW, intervals_S = clip
            yield UnlabelledClips(frames_TCHW[None], intervals_S[None]).to(device)


def held_out_clips(
    config: ClipConfig, size: tuple[int, int], device: torch.device, clips: int, seed: int, one_rate: bool = False
) -> list[UnlabelledClips]:
    """Rendered clips in batches of at most the config's; `one_rate` has all of them at the middle of its rates."""
    block = min(config.draw_clips, config.clips)
    dataset = _HeldOut(config, size, -(-clips // block), block, world_of(config, one_rate), seed, device.type != "cuda")
    # In a process of its own on a CPU: once numba has drawn in this one, it could not be forked any more.
    ahead = _ahead(dataset, min(1, config.draw_workers), pin=False)
    blocks = [b.to(device) if isinstance(b, UnlabelledClips) else drawn(b, size, device) for b in ahead]
    each = max(1, config.clips // block)
    return [UnlabelledClips.join(blocks[i : i + each]) for i in range(0, len(blocks), each)]


def block_size(config: ClipConfig) -> int:
    """Clips that are rendered at once; raises LaposeError where a batch is no number of blocks."""
    block = min(config.draw_clips, config.clips)
    if config.clips % block:
        raise LaposeError(f"clips: {config.clips} are no multiple of draw_clips: {block}: change either")
    return block


def world_of(config: ClipConfig, one_rate: bool = False) -> WorldConfig:
    """The rendered world at the config's frame rates."""
    slowest, fastest = config.rate_hz
    middle = float(np.sqrt(slowest * fastest))
    return WorldConfig(**{**config.world, "rate_hz": (middle, middle) if one_rate else (slowest, fastest)})


def drawn(clips: Clips, size: tuple[int, int], device: torch.device) -> UnlabelledClips:
    """Draw clips: by the Triton kernel on a GPU, by numba elsewhere."""
    if device.type == "cuda":
        from lapose_core.world.render_triton import render

        frames_BTCHW = render(clips, *size, device)
    else:
        from lapose_core.world.render_cpu import render

        frames_BTCHW = torch.from_numpy(render(clips, *size))
    motions_BS44 = clips.motions_BS44
    turn_BS3 = Rotation.from_matrix(motions_BS44[..., :3, :3].reshape(-1, 3, 3)).as_rotvec()
    # Optical axes: y points down, so a turn to the left is negative about it.
    yaw_BS = -turn_BS3[:, 1].reshape(motions_BS44.shape[:2])
    numbers = (clips.intervals_BS, yaw_BS / clips.intervals_BS, motions_BS44[..., 2, 3] / clips.intervals_BS)
    return UnlabelledClips(
        frames_BTCHW, *(torch.from_numpy(n.astype(np.float32)).to(device, non_blocking=True) for n in numbers)
    )


class _Blocks(IterableDataset):
    """Blocks of rendered clips in order of steps, drawn here or only sampled."""

    def __init__(self, mixture: ClipMixture, share: Share, step: int, draw: bool) -> None:
        self.config, self.size, self.counts = mixture.config, mixture.size, mixture.counts
        self.share, self.step, self.draw = share, step, draw
        self.world = world_of(self.config)

    def __iter__(self) -> Iterator[UnlabelledClips | Clips]:
        _one_thread()
        info = get_worker_info()
        workers, own = (info.num_workers, info.id) if info else (1, 0)
        block = block_size(self.config)
        most = self.config.clips // block
        number = 0
        for step in itertools.count(self.step):
            for place in range(self.counts(self.share, step)[0]):
                if number % workers == own:
                    rng = np.random.default_rng([self.config.seed, 0, step, self.share.rank * most + place])
                    clips = sample_clips(rng, block, self.world, self.config.frames)
                    yield drawn(clips, self.size, torch.device("cpu")) if self.draw else clips
                number += 1


@dataclass
class _HeldOut(IterableDataset):
    """A number of blocks of rendered clips, drawn here or only sampled."""

    config: ClipConfig
    size: tuple[int, int]
    blocks: int
    block: int
    world: WorldConfig
    seed: int
    draw: bool

    def __iter__(self) -> Iterator[UnlabelledClips | Clips]:
        _one_thread()
        for number in range(self.blocks):
            rng = np.random.default_rng([self.seed, number])
            clips = sample_clips(rng, self.block, self.world, self.config.frames)
            yield drawn(clips, self.size, torch.device("cpu")) if self.draw else clips


class _RealClips(IterableDataset):
    """Single clips of a reader, for ever; a LaposeError in their place where there are none."""

    def __init__(self, reader: ChunkReader, rates: ClipRates, seed: list[int]) -> None:
        self.reader, self.rates, self.seed = reader, rates, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor] | LaposeError]:
        _one_thread()
        info = get_worker_info()
        rng = np.random.default_rng([*self.seed, info.id if info else 0])
        try:
            for frames_TCHW, intervals_S in self._clips(rng):
                yield torch.from_numpy(frames_TCHW), torch.from_numpy(intervals_S.astype(np.float32))
        except LaposeError as error:
            yield error

    def _clips(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        fresh = self.reader.endless(rng)
        pool: list[tuple[Chunk, int]] = []
        in_vain = 0
        while in_vain < _PATIENCE:
            if sum(chunk.nbytes for chunk, _ in pool) < POOL_BYTES:
                pool.append((next(fresh), CLIPS_A_CHUNK))
            chunk, left = pool.pop(int(rng.integers(len(pool))))
            clip = chunk.draw_clip(rng, self.rates)
            in_vain = 0 if clip else in_vain + 1
            if clip:
                yield clip
                if left > 1:
                    pool.append((chunk, left - 1))
        raise LaposeError(
            f"{self.reader}: no {self.rates.frames} frames in a row at {self.rates.slowest_hz:g} to "
            f"{self.rates.fastest_hz:g} Hz: widen rate_hz, or give drives without gaps"
        )


def _one_thread() -> None:
    """In a worker: there are enough of them, and threads of a process that was forked may wait for ever."""
    if get_worker_info() is None:
        return
    import cv2
    import numba

    numba.set_num_threads(1)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _ahead(dataset: IterableDataset, workers: int, pin: bool) -> DataLoader:
    return DataLoader(
        dataset, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None, pin_memory=pin,
        generator=torch.Generator(),  # else it would take a number from the run's own
    )  # fmt: skip
