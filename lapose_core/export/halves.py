"""Graphs' constants kept in half precision: files of half the size that compute in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper

#: Constants of fewer numbers are left as they are.
_SMALLEST = 1024


def store_halves(path: Path) -> None:
    """Keep large float32 constants as float16 behind a Cast, which runtimes fold away when they load the graph.

    Only those whose numbers stay the same: weights that have been rounded to half precision.
    """
    graph_file = onnx.load(path)
    casts = []
    for constant in graph_file.graph.initializer:
        values = onnx.numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < _SMALLEST:
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
