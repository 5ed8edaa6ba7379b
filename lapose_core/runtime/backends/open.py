"""Choose what runs the model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from lapose_core.errors import LaposeError
from lapose_core.runtime.backends.backend import Backend

_log = logging.getLogger(__name__)


def open_backend(model_dir: Path, name: str = "auto", threads: int | None = None) -> Backend:
    """Load a model folder.

    Args:
        model_dir: see `lapose_core.models.find_model`.
        name: `onnxruntime`, `torch`, or `auto` for the first of these whose files and libraries are there; why the
            others were passed over is logged.
        threads: CPU threads; None leaves it to the backend.

    Raises LaposeError where the backend cannot run here, or a file of the model is missing or wrong.
    """
    if name != "auto" and name not in _BACKENDS:
        raise LaposeError(f"no backend {name!r}: choose one of auto, {', '.join(_BACKENDS)}")
    if name != "auto":
        _, load = _BACKENDS[name]
        return load(model_dir, threads)
    passed_over = []
    for candidate, (files, load) in _BACKENDS.items():
        missing = [file for file in files if not (model_dir / file).is_file()]
        if missing:
            passed_over.append(f"{candidate}: no {', '.join(missing)}")
            continue
        try:
            backend = load(model_dir, threads)
        except _NotInstalledError as error:
            passed_over.append(f"{candidate}: {error}")
            continue
        for reason in passed_over:
            _log.info("backend passed over: %s", reason)
        return backend
    raise LaposeError(f"no backend can run {model_dir} ({'; '.join(passed_over)}): give --model a folder with a model")


class _NotInstalledError(LaposeError):
    """A backend's library is missing."""


def _load_onnxruntime(model_dir: Path, threads: int | None) -> Backend:
    try:
        from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
    except ImportError as error:
        raise _NotInstalledError(f"ONNX Runtime cannot be loaded ({error}): pip install onnxruntime") from None
    return OnnxRuntimeBackend(model_dir, threads)


def _load_torch(model_dir: Path, threads: int | None) -> Backend:
    try:
        from lapose_core.runtime.backends.torch import TorchBackend

        return TorchBackend(model_dir, threads)  # imports safetensors only now
    except ImportError as error:
        line = f"PyTorch or safetensors cannot be loaded ({error}): pip install 'lapose[train]'"
        raise _NotInstalledError(line) from None


#: Name -> the files it needs in the model folder, and how to load it; in the order in which `auto` tries them.
_BACKENDS: dict[str, tuple[tuple[str, ...], Callable[[Path, int | None], Backend]]] = {
    "onnxruntime": (
        ("config.json", "tokenizer.onnx", "inverse_dynamics.onnx", "pose_head.onnx"),
        _load_onnxruntime,
    ),
    "torch": (("config.json", "weights.safetensors"), _load_torch),
}
