"""Functions of tensors as CUDA graphs: recorded once, replayed with new numbers at the same addresses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class Replay:
    """A function of named tensors, recorded by its first call for each set of shapes.

    Its outputs are overwritten by the next call; whoever keeps one makes a copy.
    """

    def __init__(self, function: Callable[[Tensors], Tensors], stream: torch.cuda.Stream) -> None:
        self._function, self._stream = function, stream
        self._recordings: dict[tuple, tuple[torch.cuda.CUDAGraph, Tensors, Tensors]] = {}

    def __call__(self, inputs: Tensors) -> Tensors:
        with torch.cuda.stream(self._stream):
            shapes = tuple((name, value.shape) for name, value in inputs.items())
            if shapes not in self._recordings:
                self._recordings[shapes] = self._record(inputs)
            graph, own_inputs, outputs = self._recordings[shapes]
            for name, value in inputs.items():
                own_inputs[name].copy_(value, non_blocking=True)
            graph.replay()
            return outputs

    def _record(self, inputs: Tensors) -> tuple[torch.cuda.CUDAGraph, Tensors, Tensors]:
        own_inputs = {name: value.clone() for name, value in inputs.items()}
        for _ in range(3):  # libraries choose their kernels and workspaces now: recording allows neither
            self._function(own_inputs)
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            outputs = self._function(own_inputs)
        return graph, own_inputs, outputs
