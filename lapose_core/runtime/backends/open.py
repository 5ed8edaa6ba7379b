"""Choose what runs the model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.errors import LaposeError
from lapose_core.models import GRAPHS
from lapose_core.runtime.backends.gpu import find_gpu

if TYPE_CHECKING:  # the node's parameters take their choices from here: importing this must stay cheap
    from lapose_core.runtime.backends.backend import Backend

_log = logging.getLogger(__name__)

#: Told which backend runs, why others do not, and of engines that are built; a line each.
Report = Callable[[str], None]


class CannotRunError(LaposeError):
    """A backend cannot run on this machine."""


def open_backend(
    model_dir: Path, name: str = "auto", threads: int | None = None, report: Report = _log.info
) -> Backend:
    """Load a model folder.

    The loops that adjust its motions are compiled with that, where it matches.

    Args:
        model_dir: see `lapose_core.models.find_model`.
        name: a backend of `BACKENDS`, or `auto` for the fastest that works here: `tensorrt`, `tensorrt_rtx`, `torch` on
            a GPU, `onnxruntime`, `torch` on the CPU.
        threads: CPU threads; None leaves it to the backend.
        report: told which one `auto` takes, why it passed over those before, of engines while they are built, and of
            loops that took long to compile.

    Raises LaposeError where the backend cannot run here, or a file of the model is missing or wrong.
    """
    backend = _load(model_dir, name, threads, report)
    if backend.config.matching_width:
        from lapose_core.adjustment.window import compile_loops

        compile_loops(backend.config, report)
    return backend


def _load(model_dir: Path, name: str, threads: int | None, report: Report) -> Backend:
    if name != "auto":
        if name not in BACKENDS:
            raise LaposeError(f"no backend {name!r}: choose one of auto, {', '.join(BACKENDS)}")
        return _LOADERS[name](model_dir, threads, report)
    passed_over: list[str] = []
    for candidate, needs_gpu in _BEST_FIRST:
        reason = _why_not(candidate, needs_gpu, model_dir)
        if reason is None:
            try:
                backend = _LOADERS[candidate](model_dir, threads, report)
            except CannotRunError as error:
                reason = str(error)
            else:
                report(f"backend {candidate}{_reasons(passed_over)}")
                return backend
        passed_over.append(f"{candidate}{' on a GPU' if candidate == 'torch' and needs_gpu else ''}: {reason}")
    raise LaposeError(f"no backend can run {model_dir} ({'; '.join(passed_over)}): give --model a folder with a model")


def _why_not(candidate: str, needs_gpu: bool, model_dir: Path) -> str | None:
    """Why a backend need not be tried; cheap to find out."""
    missing = [file for file in _FILES[candidate] if not (model_dir / file).is_file()]
    if missing:
        return f"no {', '.join(missing)}"
    if needs_gpu and find_gpu() is None:
        return "no NVIDIA GPU"
    if candidate in _EXTRAS and find_spec(candidate) is None:
        return f"{candidate} is not installed"
    return None


def _reasons(passed_over: list[str]) -> str:
    return f" (passed over: {'; '.join(passed_over)})" if passed_over else ""


def _load_onnxruntime(model_dir: Path, threads: int | None, report: Report) -> Backend:
    try:
        from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
    except ImportError as error:
        raise CannotRunError(f"ONNX Runtime cannot be loaded ({error}): pip install onnxruntime") from None
    return OnnxRuntimeBackend(model_dir, threads)


def _load_torch(model_dir: Path, threads: int | None, report: Report) -> Backend:
    try:
        from lapose_core.runtime.backends.torch import TorchBackend

        return TorchBackend(model_dir, threads)  # imports safetensors only now
    except ImportError as error:
        line = f"PyTorch or safetensors cannot be loaded ({error}): pip install 'lapose[train]'"
        raise CannotRunError(line) from None


def _load_tensorrt(library: str) -> Callable[[Path, int | None, Report], Backend]:
    def load(model_dir: Path, threads: int | None, report: Report) -> Backend:
        try:
            from lapose_core.export.tensorrt import CannotBuildError
            from lapose_core.runtime.backends.tensorrt import TensorRTBackend
        except ImportError as error:
            line = f"what {library} needs cannot be loaded ({error}): pip install 'lapose[{library}]'"
            raise CannotRunError(line) from None
        try:
            return TensorRTBackend(model_dir, library, report=report)
        except CannotBuildError as error:
            raise CannotRunError(str(error)) from None

    return load


_EXTRAS = ("tensorrt", "tensorrt_rtx")

_OF_GRAPHS = ("config.json", *(f"{graph}.onnx" for graph in GRAPHS))
_FILES = {
    "onnxruntime": _OF_GRAPHS,
    "torch": ("config.json", "weights.safetensors"),
    "tensorrt": _OF_GRAPHS,
    "tensorrt_rtx": _OF_GRAPHS,
}

_LOADERS: dict[str, Callable[[Path, int | None, Report], Backend]] = {
    "onnxruntime": _load_onnxruntime,
    "torch": _load_torch,
    "tensorrt": _load_tensorrt("tensorrt"),
    "tensorrt_rtx": _load_tensorrt("tensorrt_rtx"),
}
BACKENDS = tuple(_LOADERS)

#: What `auto` tries, and whether only with a GPU.
_BEST_FIRST = (
    ("tensorrt", True),
    ("tensorrt_rtx", True),
    ("torch", True),
    ("onnxruntime", False),
    ("torch", False),
)
