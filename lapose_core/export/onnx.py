"""The trained model as three ONNX graphs, so that running needs no torch."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig
from lapose_core.model.lapose import LAPose
from lapose_core.training.checkpoint import load_checkpoint

OPSET = 18


def export_checkpoint(checkpoint: Path, folder: Path) -> list[Path]:
    """Export a folder that training wrote; returns the paths written."""
    config = ModelConfig.load(checkpoint / "config.json")
    model = LAPose(config)
    weights, _ = load_checkpoint(checkpoint, config)
    model.load_state_dict(weights)
    return export_model(model, folder)


def export_model(model: LAPose, folder: Path) -> list[Path]:
    """Write `config.json`, `weights.safetensors` and the three graphs into `folder`; returns their paths.

    Weights are rounded to half precision once, then stored so and computed with in float32: files of half the size, and
    every backend has the same numbers.

    The graphs: `tokenizer.onnx` (frame_1CHW uint8 -> features), `inverse_dynamics.onnx` (features of two frames and
    interval_s -> action_1K), `pose_head.onnx` (actions_1SK, intervals_1S -> motions, S from 1 to clip_length - 1).
    """
    if model.config.context_frames != 2:
        raise LaposeError(f"preset {model.config.preset!r} can't be streamed: export a preset with context_frames = 2")
    from safetensors.torch import save_file

    model = copy.deepcopy(model).eval().float().cpu()
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save(folder / "config.json")
    save_file(
        {name: value.half().contiguous() for name, value in model.state_dict().items()}, folder / "weights.safetensors"
    )

    config = model.config
    frame = torch.zeros(1, 3, config.image_height, config.image_width, dtype=torch.uint8)
    tokenizer = _Tokenizer(model)
    features = tokenizer(frame)
    names = tokenizer.names
    _export(tokenizer, (frame,), folder / "tokenizer.onnx", ["frame_1CHW"], names)

    pair_names = [f"previous_{name}" for name in names] + [f"current_{name}" for name in names]
    # Clones: the exporter would take one tensor given twice for one input.
    pair = (*features, *(value.clone() for value in features), torch.full((1,), 0.25))
    graph = _InverseDynamics(model, names)
    _export(graph, pair, folder / "inverse_dynamics.onnx", [*pair_names, "interval_s"], ["action_1K"])

    steps = config.clip_length - 1
    window = (torch.zeros(1, steps, config.action_width), torch.full((1, steps), 0.25))
    dimension = torch.export.Dim("steps", min=1, max=steps)
    outputs = ["translation_1S3", "quaternion_1S4", "variance_1S6", "fov_x_1S", "scale_1"]
    _export(
        _Decoder(model), window, folder / "pose_head.onnx", ["actions_1SK", "intervals_1S"], outputs,
        dynamic_shapes=({1: dimension}, {1: dimension}),
    )  # fmt: skip
    return [*sorted(folder.glob("*.onnx")), folder / "weights.safetensors", folder / "config.json"]


class _Tokenizer(nn.Module):
    def __init__(self, model: LAPose) -> None:
        super().__init__()
        self.model = model
        self.names: list[str] = []

    def forward(self, frame_1CHW: Tensor) -> tuple[Tensor, ...]:
        features = self.model.tokenize(frame_1CHW)
        self.names = list(features)
        return tuple(features.values())


class _InverseDynamics(nn.Module):
    def __init__(self, model: LAPose, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        count = len(self.names)
        previous = dict(zip(self.names, inputs[:count], strict=True))
        current = dict(zip(self.names, inputs[count : 2 * count], strict=True))
        return self.model.infer_action(previous, current, inputs[-1])


class _Decoder(nn.Module):
    def __init__(self, model: LAPose) -> None:
        super().__init__()
        self.model = model

    def forward(self, actions_1SK: Tensor, intervals_1S: Tensor) -> tuple[Tensor, ...]:
        motions = self.model.decode_motions(actions_1SK, intervals_1S)
        names = ("translation_BS3", "quaternion_BS4", "variance_BS6", "fov_x_BS", "scale_B")
        return tuple(motions[name] for name in names)


def _export(
    graph: nn.Module, inputs: tuple[Tensor, ...], path: Path, names: list[str], outputs: list[str], dynamic_shapes=None
) -> None:
    # The exporter logs its whole decomposition table at INFO and warns about its own internals.
    logging.getLogger("onnxscript").setLevel(logging.WARNING)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(), inputs, path, input_names=names, output_names=outputs, opset_version=OPSET, dynamo=True,
            external_data=False, dynamic_shapes=dynamic_shapes, verbose=False,
        )  # fmt: skip
    _store_halves(path)


def _store_halves(path: Path, smallest: int = 1024) -> None:
    """Keep large float32 constants as float16 behind a Cast, which runtimes fold away when they load the graph."""
    graph_file = onnx.load(path)
    casts = []
    for constant in graph_file.graph.initializer:
        values = onnx.numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < smallest:
            continue
        halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            continue
        name = constant.name
        constant.CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph_file.graph.node]
    del graph_file.graph.node[:]
    graph_file.graph.node.extend(nodes)
    onnx.checker.check_model(graph_file)
    onnx.save(graph_file, path)
