"""The model on the CPU by ONNX Runtime: the embedded default, no torch needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig
from lapose_core.models import GRAPHS
from lapose_core.runtime.backends.backend import GraphBackend
from lapose_core.runtime.calibration import Calibration


class OnnxRuntimeBackend(GraphBackend):
    """A `Backend` of a model folder's three graphs."""

    name = "onnxruntime"

    def __init__(self, model_dir: Path, threads: int | None = None) -> None:
        """Load the graphs.

        Args:
            model_dir: folder with `config.json` and the graphs of `lapose_core/export/onnx.py`.
            threads: threads for one operator; None leaves it to ONNX Runtime (one a core).

        Raises LaposeError naming the file that is missing, damaged or of another model.
        """
        config = ModelConfig.load(model_dir / "config.json")
        sessions = [_load_graph(model_dir / f"{graph}.onnx", threads) for graph in GRAPHS]
        _check(sessions, config, model_dir)
        super().__init__(config, Calibration.of_model(model_dir), *map(_SessionGraph, sessions))


class _SessionGraph:
    """A session as a function of named arrays."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._outputs = [output.name for output in session.get_outputs()]

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))


def _check(sessions: list[onnxruntime.InferenceSession], config: ModelConfig, model_dir: Path) -> None:
    """Raise LaposeError where a graph is not used as the config says, or they do not fit each other."""
    features = [output.name for output in sessions[0].get_outputs()]
    names = {f"{time}_{name}" for time in ("previous", "current") for name in features}
    names = names if config.context_frames == 2 else {"tokens_1TND"}
    inputs = [{each.name: each.shape for each in session.get_inputs()} for session in sessions]
    inferred = {"actions_1SK", "matches_1S2NC"} if config.matching_width else {"actions_1SK"}
    fits = (
        inputs[0] == {"frame_1CHW": [1, 3, config.image_height, config.image_width]},
        inputs[1].keys() == {*names, "intervals_1S"}
        and {output.name for output in sessions[1].get_outputs()} == inferred,
        inputs[2].get("actions_1SK", [0])[-1] == config.action_width,
    )
    for graph, right in zip(GRAPHS, fits, strict=True):
        if not right:
            raise LaposeError(f"{model_dir / graph}.onnx is not of the model in config.json: export the model again")


def _load_graph(path: Path, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    # Waiting threads sleep: a spinning pool would take the cores that camera drivers and DDS need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not path.is_file():
        raise LaposeError(f"no such file: {path}: export the model, or use another --backend")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of its own for each way in which a file can be bad
        raise LaposeError(f"{path} is not a whole ONNX graph ({_first_line(error)}): export the model again") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()
