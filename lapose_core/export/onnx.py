"""The trained model as three ONNX graphs, so that running needs no torch."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path

import torch

from lapose_core.errors import LaposeError
from lapose_core.export.halves import store_halves
from lapose_core.export.rewrite import rewrite_graph
from lapose_core.model.config import ModelConfig
from lapose_core.model.graphs import Graph, model_graphs
from lapose_core.model.lapose import LAPose, load_weights
from lapose_core.runtime.calibration import CALIBRATION_FILE
from lapose_core.training.checkpoint import load_checkpoint

#: With GELU as one operator.
OPSET = 20


def export_checkpoint(checkpoint: Path, folder: Path) -> list[Path]:
    """Export a folder that training wrote; returns the paths written."""
    config = ModelConfig.load(checkpoint / "config.json")
    model = LAPose(config)
    weights, progress = load_checkpoint(checkpoint, config)
    if progress["runs"] and progress["runs"][-1].get("stage") == "pretrain":
        raise LaposeError(f"{checkpoint} has no pose head yet: train one with `lapose train pose --from {checkpoint}`")
    load_weights(model, checkpoint, weights)
    return export_model(model, folder)


def export_model(model: LAPose, folder: Path) -> list[Path]:
    """Write `config.json`, `weights.safetensors` and the graphs of `model/graphs.py` into `folder`; returns the paths.

    Weights are rounded to half precision once, then stored so and computed with in float32: files of half the size, and
    every backend has the same numbers. A calibration in the folder is removed: it belonged to other weights.
    """
    from safetensors.torch import save_file

    model = copy.deepcopy(model).eval().float().cpu()
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CALIBRATION_FILE).unlink(missing_ok=True)  # that of other weights
    for graph in model_graphs(model):
        _export(graph, folder / f"{graph.name}.onnx", model.config.clip_length)
    model.config.save(folder / "config.json")
    save_file(
        {name: value.half().contiguous() for name, value in model.state_dict().items()}, folder / "weights.safetensors"
    )
    return [*sorted(folder.glob("*.onnx")), folder / "weights.safetensors", folder / "config.json"]


def _export(graph: Graph, path: Path, clip_length: int) -> None:
    # The exporter logs its whole decomposition table at INFO and warns about its own internals.
    logging.getLogger("onnxscript").setLevel(logging.WARNING)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.eval(), tuple(graph.example[name] for name in graph.inputs), input_names=graph.inputs,
            output_names=graph.outputs, opset_version=OPSET, dynamo=True,
            dynamic_shapes=_dynamic_shapes(graph, clip_length), verbose=False,
        )  # fmt: skip
        program.model = rewrite_graph(program.model)
    program.save(path)
    store_halves(path)


def _dynamic_shapes(graph: Graph, clip_length: int) -> tuple | None:
    """Steps from 1 to clip_length - 1; frames are one more than the steps."""
    if not graph.dynamic:
        return None
    steps = torch.export.Dim("steps", min=1, max=clip_length - 1)
    length = {"tokens_1TND": steps + 1}
    return tuple({graph.dynamic[name]: length.get(name, steps)} for name in graph.inputs)
