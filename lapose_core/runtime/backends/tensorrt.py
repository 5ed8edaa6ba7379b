"""The model by TensorRT, or by TensorRT-RTX, which has the same API in another module; torch holds the buffers."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lapose_core.errors import LaposeError
from lapose_core.export.tensorrt import CannotBuildError, engine_for, load_library
from lapose_core.model.config import ModelConfig
from lapose_core.models import GRAPHS
from lapose_core.runtime.backends.gpu import find_gpu
from lapose_core.runtime.backends.replay import Replay, Tensors
from lapose_core.runtime.backends.torch import TensorBackend
from lapose_core.runtime.calibration import Calibration

_log = logging.getLogger(__name__)


class TensorRTBackend(TensorBackend):
    """A `Backend` of three engines, replayed as CUDA graphs on an own stream."""

    def __init__(
        self,
        model_dir: Path,
        library_name: str = "tensorrt",
        *,
        precision: str = "half",
        report: Callable[[str], None] = _log.info,
    ) -> None:
        """Load the engines; those that are missing or do not fit are built first, which `report` hears of.

        Args:
            model_dir: folder with `config.json` and the graphs of `lapose_core/export/onnx.py`.
            library_name: tensorrt or tensorrt_rtx.
            precision: half or float32, see `lapose_core/export/precision.py`.

        Raises:
            CannotBuildError: no GPU, no library, or one that refuses the graphs or the GPU.
            LaposeError: a file of the model is missing.
        """
        self.name = library_name
        gpu = find_gpu()
        if gpu is None or not torch.cuda.is_available():
            raise CannotBuildError("no NVIDIA GPU, or a torch without CUDA")
        library = load_library(library_name)
        config = ModelConfig.load(model_dir / "config.json")
        stream = torch.cuda.Stream()
        self._runtime = library.Runtime(library.Logger(library.Logger.ERROR))  # must outlive the engines
        graphs = []
        for graph in GRAPHS:
            plan = engine_for(model_dir, graph, library, gpu, precision, report)
            engine = self._runtime.deserialize_cuda_engine(plan)
            if engine is None:
                raise CannotBuildError(f"{library_name} refuses the engine of {graph} on {gpu.name}")
            graphs.append(Replay(_EngineGraph(library, engine, graph), stream))
        super().__init__(config, Calibration.of_model(model_dir), tuple(graphs), torch.device("cuda"), stream)
        self.warm_up()


class _EngineGraph:
    """An engine as a function of named tensors; each set of input shapes has an execution context of its own."""

    def __init__(self, library: Any, engine: Any, name: str) -> None:
        self._engine, self._name = engine, name
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        self._outputs = [name for name in names if engine.get_tensor_mode(name) == library.TensorIOMode.OUTPUT]
        self._create_context = functools.partial(_create_context, library, engine)
        self._contexts: dict[tuple, Any] = {}

    def __call__(self, inputs: Tensors) -> Tensors:
        """Enqueue on the current stream. Addresses are taken as they are, so that a CUDA graph may record them."""
        context = self._context(inputs)
        outputs = {name: torch.empty(tuple(context.get_tensor_shape(name)), device="cuda") for name in self._outputs}
        for name, tensor in (inputs | outputs).items():
            context.set_tensor_address(name, tensor.data_ptr())
        if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise LaposeError(f"TensorRT could not run {self._name}: its log says why")
        return outputs

    def _context(self, inputs: dict[str, Tensor]) -> Any:
        shapes = tuple((name, tuple(value.shape)) for name, value in inputs.items())
        if shapes not in self._contexts:
            context = self._contexts[shapes] = self._create_context()
            for name, shape in shapes:
                if not context.set_input_shape(name, shape):
                    raise LaposeError(f"{self._name} takes no {name} of shape {shape}: export the model again")
        return self._contexts[shapes]


def _create_context(library: Any, engine: Any) -> Any:
    """TensorRT-RTX compiles kernels when they first run: all now, none in the background during a recording."""
    if not hasattr(library, "DynamicShapesKernelSpecializationStrategy"):
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = library.DynamicShapesKernelSpecializationStrategy.EAGER
    return engine.create_execution_context(config)
