"""TensorRT on this machine: builds the engines, checks that they give torch's float32 numbers, and times them.

    python -m benchmarks.tensorrt [--rtx] [--model compact] [--source PATH] [--precision half float32] [--json FILE]

Needs an NVIDIA GPU, `tensorrt` (10 or 11; with --rtx `tensorrt_rtx`), and torch with CUDA. Parity is checked on the
demo's rendered drive and on real ones whose paths are given. Exit code 2 where TensorRT cannot run here, 1 where its
numbers are too far off.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.measure import machine, print_machine, print_table, write_json
from lapose_core.data.open import open_source
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.models import find_model
from lapose_core.motion import Motion
from lapose_core.runtime.backends.backend import Backend
from lapose_core.runtime.odometer import Odometer

DRIVE = Path(__file__).resolve().parents[1] / "demo" / "drive"
FRAMES = 60

#: Mean differences of a step's motion from torch float32 that are allowed: part of the step's length, degrees, and part
#: of the scale.
TOLERANCES = {
    "float32": {"translation": 1e-3, "rotation deg": 1e-3, "scale": 1e-3},
    "half": {"translation": 1e-2, "rotation deg": 2e-2, "scale": 1e-2},
}


def motions_of(backend: Backend, frames: list[Frame]) -> list[Motion]:
    odometer = Odometer(backend)
    odometries = [odometer.register_frame(frame) for frame in frames]
    return [odometry.motion for odometry in odometries if odometry.motion is not None]


def differences(motions: list[Motion], references: list[Motion]) -> dict[str, float]:
    """Means over the steps."""
    found = np.stack([motion.pose_from_to for motion in motions])
    wanted = np.stack([motion.pose_from_to for motion in references])
    scales = np.array([motion.scale_m for motion in references])
    apart_m = np.linalg.norm(found[:, :3, 3] - wanted[:, :3, 3], axis=1)
    turned = Rotation.from_matrix(wanted[:, :3, :3]).inv() * Rotation.from_matrix(found[:, :3, :3])
    return {
        "translation": float(np.mean(apart_m / np.maximum(scales, 0.1))),
        "rotation deg": float(np.degrees(turned.magnitude()).mean()),
        "scale": float(np.mean(np.abs(np.array([motion.scale_m for motion in motions]) / scales - 1))),
    }


def first_frames(path: Path, rate_hz: float) -> list[Frame]:
    return list(itertools.islice(iter(open_source(path, rate_hz=rate_hz)), FRAMES))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tensorrt", description=__doc__.splitlines()[0])
    parser.add_argument("--rtx", action="store_true", help="TensorRT-RTX instead")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--source", type=Path, nargs="*", default=[], help="real drives: videos, folders, bags")
    parser.add_argument("--precision", nargs="+", default=["half", "float32"])
    parser.add_argument("--rate", type=float, default=5.0, help="steps a second of the drives")
    parser.add_argument("--seconds", type=float, default=10.0, help="time a row, at most")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    library = "tensorrt_rtx" if options.rtx else "tensorrt"
    try:
        return run(library, options)
    except LaposeError as error:
        print(f"lapose: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"lapose: {error}: pip install 'lapose[{library}]'", file=sys.stderr)
        return 2


def run(library: str, options: argparse.Namespace) -> int:
    from lapose_core.export.tensorrt import load_library

    load_library(library)
    from benchmarks.latency import time_odometer
    from lapose_core.runtime.backends.recompute import RecomputingBackend
    from lapose_core.runtime.backends.tensorrt import TensorRTBackend
    from lapose_core.runtime.backends.torch import TorchBackend

    model_dir = find_model(options.model)
    backends: dict[str, Backend] = {}
    for precision in options.precision:
        backends[precision] = TensorRTBackend(model_dir, library, precision=precision, report=print)
    names = machine()
    print_machine(names)
    reference = TorchBackend(model_dir)
    parity: list[dict[str, Any]] = []
    for path in (DRIVE, *options.source):
        frames = first_frames(path, options.rate)
        expected = motions_of(reference, frames)
        for precision, backend in backends.items():
            found = differences(motions_of(backend, frames), expected)
            good = all(found[name] <= limit for name, limit in TOLERANCES[precision].items())
            parity.append({"drive": path.name, "precision": precision, **found, "within tolerance": good})
    print("\nParity with torch float32, means over the steps (translation and scale as parts of the step's length)")
    print_table(parity)
    rows: list[dict[str, Any]] = []
    for name, backend in {
        **{f"{library} {precision}": b for precision, b in backends.items()},
        "torch": reference,
    }.items():
        for kind, timed in (("frame by frame", backend), ("window", RecomputingBackend(backend))):
            latency = time_odometer(timed, 1000, options.seconds)
            row = {"backend": name, "work": kind, "p50 ms": latency.p50, "p95 ms": latency.p95, "p99 ms": latency.p99}
            rows.append(row | {"CPU ms": latency.cpu, "frames": latency.count})
    print("\nFrom the camera's bytes (1280x720, bgr8) to odometry")
    print_table(rows)
    write_json(options.json, {"machine": names, "parity": parity, "latency": rows})
    return 0 if all(row["within tolerance"] for row in parity) else 1


if __name__ == "__main__":
    sys.exit(main())
