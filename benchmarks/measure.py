"""What the benchmarks share: the machine's name, percentiles, a table and JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapose_core.runtime.backends.gpu import find_gpu

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Latency:
    """Milliseconds a call: percentiles over `count` calls, and mean CPU time of all threads of this process."""

    count: int
    p50: float
    p95: float
    p99: float
    cpu: float

    @classmethod
    def of(cls, seconds: list[float], cpu_seconds: float) -> Latency:
        p50, p95, p99 = (1e3 * np.percentile(seconds, [50, 95, 99])).round(3).tolist()
        return cls(len(seconds), p50, p95, p99, round(1e3 * cpu_seconds / len(seconds), 3))


def time_calls(
    call: Callable[[], object],
    *,
    count: int,
    at_most_s: float = math.inf,
    warm_up: int = 3,
    device: torch.device | None = None,
) -> Latency:
    """Call again and again, `count` times or until the time is up (3 calls at least).

    Args:
        device: what the calls leave to do in its queue counts as theirs.
    """
    for _ in range(warm_up):
        call()
    seconds: list[float] = []
    cpu_started, started = time.process_time(), time.perf_counter()
    while len(seconds) < count and (len(seconds) < 3 or time.perf_counter() - started < at_most_s):
        wait_for(device)
        before = time.perf_counter()
        call()
        wait_for(device)
        seconds.append(time.perf_counter() - before)
    return Latency.of(seconds, time.process_time() - cpu_started)


def wait_for(device: torch.device | None) -> None:
    """Until a GPU has done what is in its queue."""
    if device is not None and device.type == "cuda":
        import torch

        torch.cuda.synchronize()


def device_name(device: torch.device) -> str:
    import torch

    return torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def machine() -> dict[str, Any]:
    """Names and versions; also how busy the machine is, without which times on shared cores mean little."""
    import cv2
    import onnxruntime

    gpu = find_gpu()
    names: dict[str, Any] = {
        "cpu": f"{_cpu_name()}, {os.cpu_count()} cores",
        "gpu": f"{gpu.name} ({gpu.compute_capability})" if gpu else "none",
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "nice": os.nice(0),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "opencv": cv2.__version__,
    }
    try:
        import torch
    except ImportError:
        return names
    return names | {"torch": torch.__version__, "torch_threads": torch.get_num_threads()}


def print_machine(names: dict[str, Any]) -> None:
    print(", ".join(f"{name} {value}" for name, value in names.items()))


def print_table(rows: list[dict[str, Any]]) -> None:
    """Markdown, so that it can go into docs/performance.md as it is."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *[[_text(row.get(name, "")) for name in columns] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for number, line in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |", flush=True)
        if number == 0:
            print("| " + " | ".join("-" * width for width in widths) + " |")


def write_json(path: Path | None, figures: dict[str, Any]) -> None:
    """To a file where one is named, else a last line on stdout."""
    text = json.dumps(figures, default=lambda value: vars(value))
    if path is None:
        print(text)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def available_memory_gb() -> float:
    """Of the machine; 0 where it cannot be told."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable")), 0.0)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
