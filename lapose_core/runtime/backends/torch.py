"""The model by PyTorch, from its safetensors weights: the reference for the other backends; on a GPU by CUDA graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lapose_core.data.preprocess import Image, PrincipalPoint
from lapose_core.model.config import ModelConfig
from lapose_core.model.graphs import Graph as GraphModule
from lapose_core.model.graphs import model_graphs
from lapose_core.model.lapose import LAPose
from lapose_core.runtime.backends.backend import Features, Graph, GraphBackend, InferredSteps, PreparedFrame
from lapose_core.runtime.backends.replay import Replay
from lapose_core.runtime.calibration import Calibration
from lapose_core.runtime.preprocess_torch import TensorPreparer


class TensorBackend(GraphBackend):
    """What engines of torch's tensors share: on a GPU an own stream, and the preparation of the camera's bytes."""

    def __init__(
        self,
        config: ModelConfig,
        calibration: Calibration,
        graphs: tuple[Graph, Graph, Graph],
        device: torch.device,
        stream: torch.cuda.Stream | None,
    ) -> None:
        super().__init__(config, calibration, *graphs)
        self.on_gpu = device.type == "cuda"
        self._device, self._stream = device, stream
        self._preparer = TensorPreparer(config, device, stream) if stream is not None else None

    @torch.inference_mode()
    def prepare(self, image: Image, principal_point: PrincipalPoint = None) -> PreparedFrame:
        with torch.cuda.stream(self._stream):
            if self._preparer is None or not self._preparer.can_prepare(image):
                return super().prepare(image, principal_point)
            return self._preparer(image, principal_point)

    @torch.inference_mode()
    def picture(self, frame_CHW: PreparedFrame) -> np.ndarray:
        if not isinstance(frame_CHW, Tensor):
            return super().picture(frame_CHW)
        with torch.cuda.stream(self._stream):
            red, green, blue = frame_CHW.float()
            return (0.299 * red + 0.587 * green + 0.114 * blue).round().to(torch.uint8).cpu().numpy()

    @torch.inference_mode()
    def tokenize(self, frame_CHW: PreparedFrame) -> Features:
        with torch.cuda.stream(self._stream):
            features = super().tokenize(frame_CHW)
            return {
                name: value.clone() for name, value in features.items()
            }  # the next frame overwrites the graph's own

    @torch.inference_mode()
    def infer_steps(self, frames: Any, intervals_S: np.ndarray) -> InferredSteps:
        with torch.cuda.stream(self._stream):
            return super().infer_steps(frames, intervals_S)

    @torch.inference_mode()
    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> Any:
        with torch.cuda.stream(self._stream):
            return super().decode_motions(actions_SK, intervals_S)

    def warm_up(self) -> None:
        """Record all shapes now: the first frames of a drive are no time for it."""
        if self._stream is None:
            return
        config = self.config
        features = self.tokenize(np.zeros((3, config.image_height, config.image_width), np.uint8))
        for steps in range(1, config.clip_length):
            intervals_S = np.full(steps, 0.25, np.float32)
            if steps < config.context_frames:
                self.infer_steps([features] * (steps + 1), intervals_S)
            self.decode_motions(np.zeros((steps, config.action_width), np.float32), intervals_S)

    def _enter(self, array: np.ndarray | Tensor) -> Tensor:
        if isinstance(array, Tensor):
            return array
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.to(self._device)

    def _leave(self, outputs: dict[str, Tensor]) -> dict[str, np.ndarray]:
        parts = [value[0].float() for value in outputs.values()]
        numbers = torch.cat([part.flatten() for part in parts]).cpu().numpy()  # a GPU is waited for once, not for each
        ends = np.cumsum([part.numel() for part in parts])
        split = np.split(numbers, ends[:-1])
        return {name: own.reshape(part.shape) for name, own, part in zip(outputs, split, parts, strict=True)}

    def _stack(self, tokens: list[Tensor]) -> Tensor:
        return torch.stack(tokens, dim=1)


class TorchBackend(TensorBackend):
    """A `Backend` of a model folder's weights, on the GPU if there is one."""

    name = "torch"

    def __init__(
        self, model_dir: Path | LAPose, threads: int | None = None, *, compiled: bool = False, replayed: bool = True
    ) -> None:
        """Load the weights.

        Args:
            model_dir: folder with `config.json` and `weights.safetensors`; or a model, which becomes this backend's.
            threads: threads for one operator, of the whole process; None leaves it to PyTorch.
            compiled: pass the model through `torch.compile`, which takes minutes when it is loaded. A window that still
                fills is run as it is: it would be compiled again for each of its lengths.
            replayed: on a GPU, replay CUDA graphs.

        Raises LaposeError naming the file that is missing, damaged or of another model.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = (model_dir if isinstance(model_dir, LAPose) else LAPose.load(model_dir)).eval().to(device)
        calibration = Calibration() if isinstance(model_dir, LAPose) else Calibration.of_model(model_dir)
        stream = torch.cuda.Stream() if device.type == "cuda" else None
        graphs = []
        for graph in model_graphs(model):
            function = _compiled(graph) if compiled else graph.named
            graphs.append(Replay(function, stream) if stream is not None and replayed else function)
        super().__init__(model.config, calibration, tuple(graphs), device, stream)
        self.warm_up()


def _compiled(graph: GraphModule) -> Graph:
    """A graph compiled for its example's shapes, a full window; it runs as it is for others."""
    compiled, names = torch.compile(graph, dynamic=False), list(graph.example)
    shapes = [graph.example[name].shape for name in names]

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        is_full = [inputs[name].shape for name in names] == shapes
        outputs = (compiled if is_full else graph)(*(inputs[name] for name in graph.inputs))
        return dict(zip(graph.outputs, outputs, strict=True))

    return run
