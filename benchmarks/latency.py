"""Time a frame takes, from the camera's bytes (1280x720, bgr8) to odometry, in each backend that works here.

    python -m benchmarks.latency [--presets compact paper] [--json FILE] [--seconds S] [--skip-compile]

Rows: each backend frame by frame and by recomputed windows; the model alone is that without the adjustment to the
matches and the look at the picture, which NumPy and OpenCV do. The peers are torch eager and torch.compile on the same
device. The floor is in `floor.py`. `compact` has the shipped weights, other presets random ones. ONNX Runtime and
TensorRT run presets of which a model folder is named (--model) or shipped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.floor import count_work, measure_peaks
from benchmarks.measure import (
    Latency,
    available_memory_gb,
    machine,
    print_machine,
    print_table,
    time_calls,
    write_json,
)
from lapose_core.data.raw_image import RawImage
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.model.config import preset
from lapose_core.model.lapose import LAPose
from lapose_core.models import find_model
from lapose_core.runtime.backends.backend import Backend, Features
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.backends.recompute import RecomputingBackend
from lapose_core.runtime.backends.torch import TorchBackend
from lapose_core.runtime.odometer import Odometer

WIDTH, HEIGHT = 1280, 720
STEP_NS = 250_000_000
#: Weights, activations and a copy of them for the backend.
PAPER_MEMORY_GB = 14.0


class Camera:
    """Noise that slides, as a camera's raw bytes, with stamps that go on for ever."""

    def __init__(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH + 64, 3), np.uint8)
        self._images = [
            RawImage(np.ascontiguousarray(noise[:, 4 * i : 4 * i + WIDTH]).reshape(-1), HEIGHT, WIDTH, "bgr8")
            for i in range(16)
        ]
        self._count = 0

    def frame(self) -> Frame:
        self._count += 1
        return Frame(self._images[self._count % 16], self._count * STEP_NS)


def time_odometer(backend: Backend, count: int, at_most_s: float) -> Latency:
    """`Odometer.register_frame` with a full window."""
    odometer, camera = Odometer(backend), Camera()
    for _ in range(backend.config.clip_length):
        odometer.register_frame(camera.frame())
    return time_calls(lambda: odometer.register_frame(camera.frame()), count=count, at_most_s=at_most_s, warm_up=1)


def time_model(backend: Backend, count: int, at_most_s: float) -> Latency:
    """What the odometer asks of the backend for a frame, in a full window."""
    camera, steps, context = Camera(), backend.config.clip_length - 1, backend.config.context_frames
    intervals_S = np.full(steps, STEP_NS * 1e-9, np.float32)

    def tokenize() -> Features:
        return backend.tokenize(backend.prepare(camera.frame().image_HWC))

    kept: list[Features] = [tokenize() for _ in range(context)]
    actions_SK = np.zeros((steps, backend.config.action_width), np.float32)

    def run() -> None:
        nonlocal actions_SK
        kept[:] = [*kept[1:], tokenize()]
        inferred = backend.infer_steps(kept, intervals_S[1 - context :])
        actions_SK = np.concatenate([actions_SK, inferred.actions_SK])[-steps:]
        backend.decode_motions(actions_SK, intervals_S)

    return time_calls(run, count=count, at_most_s=at_most_s)


def backends(model: LAPose, model_dir: Path | None, skip_compile: bool) -> Iterator[tuple[str, Callable[[], Backend]]]:
    """What to time: a name, and how to load it."""
    if model_dir is not None:
        for name in ("onnxruntime", "tensorrt", "tensorrt_rtx"):
            yield name, lambda name=name: open_backend(model_dir, name, report=lambda line: print(f"  {line}"))
    if torch.cuda.is_available():
        yield "torch (CUDA graphs)", lambda: TorchBackend(model)
    yield "torch eager (peer)", lambda: TorchBackend(model, replayed=False)
    if not skip_compile:
        yield "torch.compile (peer)", lambda: TorchBackend(model, replayed=False, compiled=True)
        if torch.cuda.is_available():
            yield "torch.compile in CUDA graphs", lambda: TorchBackend(model, compiled=True)


def time_preset(name: str, model_dir: Path | None, options: argparse.Namespace) -> dict[str, Any]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = LAPose.load(model_dir) if model_dir is not None else LAPose(preset(name)).eval()
    model.to(device)
    work, peaks = count_work(model), measure_peaks(device)
    floors = {kind: 1e3 * work.floor_s(peaks, kind == "half") for kind in ("float32", "half")}
    print(
        f"\n{name}: {work.flops / 1e9:.2f} GFLOP and {work.bytes / 1e6:.0f} MB of weights a frame; {device} does "
        f"{peaks.float32 / 1e9:.0f} GFLOP/s in float32, {peaks.half / 1e9:.0f} in half, "
        f"{peaks.bandwidth / 1e9:.1f} GB/s: at least {floors['float32']:.3f} ms, {floors['half']:.3f} in half"
    )
    rows = []
    for backend_name, load in backends(model, model_dir, options.skip_compile):
        try:
            backend = load()
            for kind, odometer_backend in (("frame by frame", backend), ("window", RecomputingBackend(backend))):
                latency = time_odometer(odometer_backend, options.frames, options.seconds)
                alone = time_model(odometer_backend, options.frames, options.seconds / 2)
                print(
                    f"  {backend_name}, {kind}: {latency.p50:.2f} ms, the model alone {alone.p50:.2f} ms",
                    flush=True,
                )
                floor = floors["half" if backend_name.startswith("tensorrt") else "float32"]
                rows.append(
                    {
                        "backend": backend_name,
                        "work": kind,
                        "p50 ms": latency.p50,
                        "p95 ms": latency.p95,
                        "p99 ms": latency.p99,
                        "CPU ms": latency.cpu,
                        "model alone p50 ms": alone.p50,
                        "of floor": alone.p50 / floor,
                        "frames": latency.count,
                    }
                )
        except (LaposeError, torch.cuda.OutOfMemoryError) as error:
            print(f"  {backend_name}: not timed ({str(error).splitlines()[0]})")
        except Exception as error:
            if "peer" not in backend_name and "compile" not in backend_name:
                raise
            print(f"  {backend_name}: not timed ({type(error).__name__}: {str(error).splitlines()[0]})")
    print_table(rows)
    return {"preset": name, "work": work, "peaks": peaks, "floor_ms": floors, "rows": rows}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=["compact", "paper"])
    parser.add_argument("--model", type=Path, nargs="*", default=[], help="model folders of presets that do not ship")
    parser.add_argument("--frames", type=int, default=300, help="frames a row, at most")
    parser.add_argument("--seconds", type=float, default=20.0, help="time a row, at most")
    parser.add_argument("--skip-compile", action="store_true", help="no torch.compile")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = machine()
    print_machine(names)
    folders = {folder.name: folder for folder in options.model} | {"compact": find_model("compact")}
    results = []
    for name in options.presets:
        free_gb = torch.cuda.mem_get_info()[0] / 1e9 if torch.cuda.is_available() else available_memory_gb()
        if name == "paper" and free_gb < PAPER_MEMORY_GB:
            print(f"\n{name}: skipped, it needs {PAPER_MEMORY_GB:.0f} GB of memory and {free_gb:.0f} GB are free")
            continue
        results.append(time_preset(name, folders.get(name), options))
    write_json(options.json, {"machine": names, "presets": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
