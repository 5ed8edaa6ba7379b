"""The least time that a frame can take: its operations and bytes against this machine's best, measured now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import wait_for
from lapose_core.model.graphs import model_graphs
from lapose_core.model.lapose import LAPose


@dataclass(frozen=True)
class Peaks:
    """The device's best in this run: float32 and half products (operations a second), and bytes copied a second."""

    float32: float
    half: float
    bandwidth: float


@dataclass(frozen=True)
class Work:
    """Of one frame when running frame by frame: operations, and bytes of weights that each must be read once."""

    flops: float
    bytes: float

    def floor_s(self, peaks: Peaks, half: bool) -> float:
        flops_s = self.flops / (peaks.half if half else peaks.float32)
        return max(flops_s, self.bytes * (0.5 if half else 1.0) / peaks.bandwidth)


def measure_peaks(device: torch.device) -> Peaks:
    """Large square products, and a copy of a large block (read and written)."""
    size = 8192 if device.type == "cuda" else 2048
    float32 = best_rate(device, torch.float32, size)
    # Without half kernels a CPU takes minutes.
    half = best_rate(device, torch.float16, size) if device.type == "cuda" else float32
    block = torch.empty(2**30 if device.type == "cuda" else 2**27, dtype=torch.uint8, device=device)
    other = torch.empty_like(block)
    return Peaks(float32, half, 2 * block.numel() / _best_s(device, lambda: other.copy_(block)))


def count_work(model: LAPose) -> Work:
    """Counted by running the three graphs once, with a full window."""
    device = next(model.parameters()).device
    flops = 0
    for graph in model_graphs(model):
        inputs = {name: value.to(device) for name, value in graph.example.items()}
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            graph.named(inputs)
        flops += counter.get_total_flops()
    return Work(flops, 4.0 * sum(parameter.numel() for parameter in model.parameters()))


def best_rate(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Operations a second of a product of two (size, size) matrices."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / _best_s(device, lambda: a @ b)


def _best_s(device: torch.device, call: Callable[[], object], repeats: int = 7) -> float:
    seconds = []
    for _ in range(repeats):
        wait_for(device)
        started = time.perf_counter()
        call()
        wait_for(device)
        seconds.append(time.perf_counter() - started)
    return float(np.min(seconds))
