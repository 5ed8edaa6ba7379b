"""Tries int8 on a model: static quantisation (QDQ) by ONNX Runtime, calibrated on a drive.

    python -m benchmarks.quantise OUTPUT --source DRIVE [--model compact] [--graphs tokenizer inverse_dynamics]

Writes a model folder whose named graphs have int8 layers (convolutions and products with constant weights; activations
by tensor, weights by channel), to be run by `--backend onnxruntime` and compared by `lapose evaluate`.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from lapose_core.data.open import open_source
from lapose_core.models import GRAPHS, find_model
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.odometer import Odometer

FRAMES = 60


class Recorded(CalibrationDataReader):
    """What a graph was given while the float model drove."""

    def __init__(self, inputs: list[dict[str, Any]]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._inputs, None)


def record_inputs(model_dir: Path, source: Path, rate_hz: float) -> dict[str, list[dict[str, Any]]]:
    """Graph -> its inputs at each of the first frames of a drive."""
    backend = OnnxRuntimeBackend(model_dir)
    inputs: dict[str, list[dict[str, Any]]] = {graph: [] for graph in GRAPHS}
    for name, seen in inputs.items():
        graph = getattr(backend, f"_{name}")

        def record(given: dict[str, Any], graph=graph, seen=seen) -> dict[str, Any]:
            seen.append({key: np.array(value) for key, value in given.items()})
            return graph(given)

        setattr(backend, f"_{name}", record)
    odometer = Odometer(backend)
    for frame in itertools.islice(iter(open_source(source, rate_hz=rate_hz)), FRAMES):
        odometer.register_frame(frame)
    # Calibration stacks the values of a tensor: full windows alone.
    inputs["pose_head"] = inputs["pose_head"][backend.config.clip_length - 2 :]
    return inputs


def quantise(path: Path, inputs: list[dict[str, Any]], output: Path) -> None:
    prepared = output.with_suffix(".prepared.onnx")
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(prepared)
    constants = {constant.name for constant in model.graph.initializer}
    layers = [
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and len(node.input) > 1 and node.input[1] in constants
    ]
    quantize_static(
        str(prepared),
        str(output),
        Recorded(inputs),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "Gemm", "MatMul"],
        nodes_to_quantize=layers,
        per_channel=True,
        reduce_range=True,  # without VNNI, products of 8 by 8 bits overflow 16
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantise", description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--rate", type=float, default=4.8)
    parser.add_argument("--graphs", nargs="+", default=list(GRAPHS))
    options = parser.parse_args()
    model_dir = find_model(options.model)
    shutil.copytree(model_dir, options.output, dirs_exist_ok=True)
    recorded = record_inputs(model_dir, options.source, options.rate)
    for graph in options.graphs:
        quantise(model_dir / f"{graph}.onnx", recorded[graph], options.output / f"{graph}.onnx")
        print(f"{graph}: {(options.output / f'{graph}.onnx').stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
