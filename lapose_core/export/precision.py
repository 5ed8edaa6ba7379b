"""Half precision in the graph itself, as strongly typed engines want it.

Linear layers and convolutions, which are nearly all of the work, take and give half precision. Everything else stays in
float32: what parity needs (the matching's products, softmax and argmax, where half's steps make cells tie; layer and
group norms; the chain from interval to motion), and what costs next to nothing. Derived when an engine is built, so
that a model folder has one set of graphs, and one truth.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: float32 leaves a graph as it is.
PRECISIONS = ("half", "float32")

#: Operator -> the inputs that may be constants of a layer: weight, bias.
_LAYERS = {"Conv": (1, 2), "Gemm": (1, 2), "MatMul": (1,)}


def is_quantised(model: onnx.ModelProto) -> bool:
    """Whether a graph is in int8 (`export/int8.py`)."""
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def to_precision(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """A copy of a float32 graph in a precision of `PRECISIONS`; its inputs and outputs keep their types."""
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    if precision == "half":
        _Halves(converted.graph).convert()
        onnx.checker.check_model(converted)
    return converted


class _Halves:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._constants = {constant.name: constant for constant in graph.initializer}
        # Constants are stored as halves behind a Cast (`export/onnx.py`).
        self._stored_half = {
            node.output[0]: node.input[0]
            for node in graph.node
            if node.op_type == "Cast" and node.input[0] in self._constants
        }
        self._half_of: dict[str, str] = {}
        self._nodes: list[onnx.NodeProto] = []

    def convert(self) -> None:
        for node in self._graph.node:
            if node.op_type in _LAYERS and self._is_constant(node.input[1]):
                self._convert_layer(node)
            else:
                self._nodes.append(node)
        del self._graph.node[:]
        self._graph.node.extend(self._without_unused(self._nodes))
        read = {name for node in self._graph.node for name in node.input}
        kept = [constant for constant in self._graph.initializer if constant.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)
        # Recorded types of values in between are those of before.
        del self._graph.value_info[:]

    def _convert_layer(self, node: onnx.NodeProto) -> None:
        half = onnx.NodeProto()
        half.CopyFrom(node)
        half.input[0] = self._half_value(node.input[0])
        for place in _LAYERS[node.op_type]:
            if place < len(node.input) and node.input[place]:
                constant = self._is_constant(node.input[place])
                half.input[place] = (
                    self._half_constant(node.input[place]) if constant else self._half_value(node.input[place])
                )
        half.output[0] = f"{node.output[0]}_in_half"
        self._nodes += [half, helper.make_node("Cast", [half.output[0]], [node.output[0]], to=TensorProto.FLOAT)]

    def _is_constant(self, name: str) -> bool:
        return name in self._constants or name in self._stored_half

    def _half_value(self, name: str) -> str:
        if name not in self._half_of:
            self._half_of[name] = f"{name}_to_half"
            self._nodes.append(helper.make_node("Cast", [name], [self._half_of[name]], to=TensorProto.FLOAT16))
        return self._half_of[name]

    def _half_constant(self, name: str) -> str:
        if name in self._stored_half:
            return self._stored_half[name]
        if name not in self._half_of:
            self._half_of[name] = f"{name}_in_half"
            values = numpy_helper.to_array(self._constants[name]).astype(np.float16)
            self._graph.initializer.append(numpy_helper.from_array(values, self._half_of[name]))
        return self._half_of[name]

    def _without_unused(self, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """Without the Casts back to float32 that no node reads any more."""
        read = {name for node in nodes for name in node.input} | {output.name for output in self._graph.output}
        return [node for node in nodes if any(output in read for output in node.output)]
