"""The model on the CPU by ONNX Runtime: the embedded default, no torch needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig
from lapose_core.runtime.backends.backend import DecodedMotions, Features

#: Files of a model folder, in the order in which they run.
GRAPHS = ("tokenizer.onnx", "inverse_dynamics.onnx", "pose_head.onnx")


class OnnxRuntimeBackend:
    """A `Backend` of a model folder's three graphs."""

    name = "onnxruntime"

    def __init__(self, model_dir: Path, threads: int | None = None) -> None:
        """Load the graphs.

        Args:
            model_dir: folder with `config.json` and the graphs of `lapose_core/export/onnx.py`.
            threads: threads for one operator; None leaves it to ONNX Runtime (one a core).

        Raises LaposeError naming the file that is missing, damaged or of another model.
        """
        self.config = ModelConfig.load(model_dir / "config.json")
        self._tokenizer, self._inverse_dynamics, self._pose_head = (
            _load_graph(model_dir / graph, threads) for graph in GRAPHS
        )
        self._feature_names = [output.name for output in self._tokenizer.get_outputs()]
        self._check(model_dir)

    def tokenize(self, frame_CHW: np.ndarray) -> Features:
        values = self._tokenizer.run(None, {"frame_1CHW": frame_CHW[None]})
        return dict(zip(self._feature_names, values, strict=True))

    def infer_action(self, previous: Features, current: Features, interval_s: float) -> np.ndarray:
        inputs = {f"previous_{name}": value for name, value in previous.items()}
        inputs |= {f"current_{name}": value for name, value in current.items()}
        inputs["interval_s"] = np.array([interval_s], np.float32)
        return self._inverse_dynamics.run(["action_1K"], inputs)[0][0]

    def decode_motions(self, actions_SK: np.ndarray, intervals_S: np.ndarray) -> DecodedMotions:
        outputs = ["translation_1S3", "quaternion_1S4", "variance_1S6", "fov_x_1S", "scale_1"]
        inputs = {
            "actions_1SK": np.asarray(actions_SK[None], np.float32),
            "intervals_1S": np.asarray(intervals_S[None], np.float32),
        }
        translation, quaternion, variance, fov_x, scale = (value[0] for value in self._pose_head.run(outputs, inputs))
        return DecodedMotions(translation, quaternion, variance, fov_x, float(scale))

    def _check(self, model_dir: Path) -> None:
        """The graphs are used as the config says and fit each other."""
        size = [1, 3, self.config.image_height, self.config.image_width]
        pair = {f"{time}_{name}" for time in ("previous", "current") for name in self._feature_names}
        expectations = (
            (self._tokenizer, [i.shape for i in self._tokenizer.get_inputs()] == [size]),
            (self._inverse_dynamics, {i.name for i in self._inverse_dynamics.get_inputs()} == {*pair, "interval_s"}),
            (self._pose_head, self._pose_head.get_inputs()[0].shape[-1] == self.config.action_width),
        )
        for graph, (_, fits) in zip(GRAPHS, expectations, strict=True):
            if not fits:
                raise LaposeError(f"{model_dir / graph} is not of the model in config.json: export the model again")


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
