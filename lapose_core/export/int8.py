"""A model folder in int8 for small CPUs: static quantisation (QDQ) by ONNX Runtime, calibrated on rendered clips.

Convolutions and linear layers with constant weights compute in int8, activations by tensor and weights by channel;
linear layers give float32, which the residuals that they add to need. In float32 stay, as docs/performance.md measures,

- the pose head, whose errors are errors of the motion: it keeps its variances, and with them the calibration;
- the tokenizer's first convolutions: what they round comes to light in every match, and int8 saves little there;
- linear layers of few rows, which take no time: queries, and what decodes the latent action;
- the matching, which has no layers.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from lapose_core.calibration.pictures import spoil
from lapose_core.errors import LaposeError
from lapose_core.export.halves import store_halves
from lapose_core.export.precision import is_quantised
from lapose_core.files import write_folder_atomically
from lapose_core.runtime.backends.backend import Graph
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.calibration import CALIBRATION_FILE
from lapose_core.world.clips import sample_clips
from lapose_core.world.config import WorldConfig

#: Graph -> whether ranges are means over the pictures of the extremes, rather than the extremes of all: the tokenizer's
#: steps are finer then, and a peak that is cut short harms little. Those of the latent action are fast motions.
_QUANTISED = {"tokenizer": True, "inverse_dynamics": False}
_LAYERS = ("Conv", "Gemm", "MatMul")
#: First convolutions that stay in float32.
_FIRST_KEPT = 3
#: Linear layers of fewer rows stay in float32.
_FEW_ROWS = 8
#: Fewer clips than this do not tell what is usual.
LEAST_CLIPS = 4
#: Any camera in any weather.
_WORLD = WorldConfig(
    tail_share=0.3, fov_x_usual_share=0.3, barrel_share=0.15, slope_share=0.2, weather_shares=(0.55, 0.15, 0.15, 0.15)
)

#: What a graph is given, by name.
_Inputs = dict[str, Any]


def export_int8(model_dir: Path, output: Path, *, clips: int = 80, seed: int = 0, progress: bool = True) -> list[Path]:
    """Write a model folder whose tokenizer and inverse dynamics are in int8, for `OnnxRuntimeBackend`.

    It has no `weights.safetensors`, and its graphs are none that engines are built from: the model that it was made
    from is for the other backends. The calibration comes along.

    Args:
        model_dir: folder of a model in float32.
        output: folder to write; must not exist.
        clips: rendered clips to find the activations' ranges on, some of their pictures bad.
        seed: the same one draws the same clips.
        progress: show a progress bar.

    Returns the paths written. Raises LaposeError for a model without graphs or in int8 already, too few clips, or a
    folder that exists or cannot be written.
    """
    if clips < LEAST_CLIPS:
        raise LaposeError(f"{clips} clips are too few to find ranges on: give {LEAST_CLIPS} or more")
    backend = _RecordingBackend(model_dir)
    for graph in _QUANTISED:
        if is_quantised(onnx.load(model_dir / f"{graph}.onnx")):
            raise LaposeError(f"{model_dir} is in int8 already: give the model that it was made from")

    def write(folder: Path) -> None:
        _record_clips(backend, clips, seed, progress)
        for name in ("config.json", "pose_head.onnx", CALIBRATION_FILE):
            if (model_dir / name).is_file():  # a calibration there need not be
                shutil.copyfile(model_dir / name, folder / name)
        for graph, mean_ranges in _QUANTISED.items():
            name = f"{graph}.onnx"
            _quantise(model_dir / name, backend.inputs[graph], folder / name, mean_ranges=mean_ranges)

    write_folder_atomically(output, write)
    return [*sorted(output.glob("*.onnx")), output / "config.json"]


class _RecordingBackend(OnnxRuntimeBackend):
    """Keeps what its graphs are given.

    Attributes:
        inputs: by graph, in the order in which they came.
    """

    def __init__(self, model_dir: Path) -> None:
        super().__init__(model_dir)
        self.inputs: dict[str, list[_Inputs]] = {graph: [] for graph in _QUANTISED}
        self._tokenizer = self._recorded("tokenizer", self._tokenizer)
        self._inverse_dynamics = self._recorded("inverse_dynamics", self._inverse_dynamics)

    def _recorded(self, name: str, graph: Graph) -> Graph:
        def run(inputs: _Inputs) -> _Inputs:
            self.inputs[name].append(inputs)
            return graph(inputs)

        return run


def _record_clips(backend: _RecordingBackend, clips: int, seed: int, progress: bool) -> None:
    """Run the graphs over clips, each as many frames as an action is inferred from."""
    from lapose_core.world.render_cpu import render  # numba is slow to load

    config, rng = backend.config, np.random.default_rng(seed)
    for _ in tqdm(range(clips), "clips", disable=not progress):
        drawn = sample_clips(rng, 1, _WORLD, config.context_frames)
        frames_TCHW = render(drawn, config.image_height, config.image_width)[0]
        frames_THWC = spoil(rng, np.ascontiguousarray(frames_TCHW.transpose(0, 2, 3, 1)))
        features = [backend.tokenize(backend.prepare(frame)) for frame in frames_THWC]
        backend.infer_steps(features, drawn.intervals_BS[0])


class _Recorded(CalibrationDataReader):
    """Recorded inputs, one after the other."""

    def __init__(self, inputs: list[_Inputs]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> _Inputs | None:
        return next(self._inputs, None)


def _quantise(path: Path, inputs: list[_Inputs], output: Path, *, mean_ranges: bool) -> None:
    prepared = output.with_suffix(".prepared.onnx")
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(output),
        _Recorded(inputs),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(_LAYERS),
        nodes_to_quantize=_layers_to_quantise(onnx.load(prepared).graph),
        per_channel=True,
        reduce_range=True,  # without VNNI, sums of two products of 8 by 8 bits overflow 16
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={
            "CalibMovingAverage": mean_ranges,
            "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
        },
    )
    prepared.unlink()
    store_halves(output)


def _layers_to_quantise(graph: onnx.GraphProto) -> list[str]:
    constants = {constant.name for constant in graph.initializer}
    rows = {value.name: _rows(value) for value in [*graph.value_info, *graph.input]}
    layers = [node for node in graph.node if node.op_type in _LAYERS and node.input[1] in constants]
    convolutions = [node for node in layers if node.op_type == "Conv"][_FIRST_KEPT:]
    linear = [node for node in layers if node.op_type != "Conv" and rows.get(node.input[0], math.inf) >= _FEW_ROWS]
    return [node.name for node in (*convolutions, *linear)]


def _rows(value: onnx.ValueInfoProto) -> float:
    """Rows of a linear layer's input; infinite where they vary."""
    *sizes, _ = [size.dim_value or math.inf for size in value.type.tensor_type.shape.dim] or [0]
    return math.prod(sizes)
