"""ONNX graphs to TensorRT engines, by TensorRT 10 or 11 or TensorRT-RTX: one way for all, their APIs are the same.

Networks are strongly typed: precision is that of the graph (`precision.py`). TensorRT builds on the GPU that is to run
the engine. TensorRT-RTX needs no GPU to build, and its engines run on every GPU of their compute capability.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx

from lapose_core.errors import LaposeError
from lapose_core.export.engine_cache import (
    EngineIdentity,
    EngineMismatchError,
    cache_folder,
    load_engine,
    sha256_of,
    store_engine,
)
from lapose_core.export.precision import PRECISIONS, is_quantised, to_precision
from lapose_core.model.config import ModelConfig
from lapose_core.models import GRAPHS
from lapose_core.runtime.backends.gpu import Gpu, find_gpu

_log = logging.getLogger(__name__)

LIBRARIES = ("tensorrt", "tensorrt_rtx")

#: Told what goes on, line by line.
Report = Callable[[str], None]

#: Between two lines about one phase of a build.
_REPORT_EVERY_S = 5.0


class CannotBuildError(LaposeError):
    """The library is missing, too old, or refuses the graph or GPU."""


def load_library(name: str) -> ModuleType:
    """The Python module of TensorRT or TensorRT-RTX; raises CannotBuildError where it is missing or too old."""
    try:
        library = importlib.import_module(name)
    except Exception as error:  # its wheels raise many kinds where a shared library is missing
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        wheel = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx-cu13"}[name]
        raise CannotBuildError(f"{name} cannot be loaded ({reason}): pip install {wheel}") from None
    version = str(library.__version__)
    if name == "tensorrt" and int(version.split(".")[0]) < 10:
        raise CannotBuildError(f"tensorrt {version} is too old: install 10 or newer")
    return library


def engine_for(model_dir: Path, graph: str, library: ModuleType, gpu: Gpu, precision: str, report: Report) -> bytes:
    """A graph's engine for this machine: from the model folder's `engines`, from the cache, or built now and cached.

    Why a stored one is not used is reported. Raises CannotBuildError.
    """
    identity = engine_identity(model_dir, graph, library, gpu.compute_capability, precision, gpu_name=gpu.name)
    file_name = identity.file_name(graph)
    for folder in (model_dir / "engines", cache_folder(model_dir)):
        try:
            return load_engine(folder / file_name, identity)
        except EngineMismatchError as reason:
            if (folder / file_name).exists():
                report(f"{folder / file_name} is refused: {reason}")
    plan = build_engine(model_dir, graph, library, gpu.compute_capability, precision, report)
    try:
        store_engine(cache_folder(model_dir) / file_name, identity, plan)
    except LaposeError as error:
        report(f"the engine is not kept for the next time: {error}")
    return plan


def target_gpus(library: ModuleType, compute_capabilities: Sequence[str]) -> list[Gpu]:
    """GPUs to build for: those that are named, else this machine's. Raises LaposeError where that is not possible."""
    if compute_capabilities and not is_rtx(library):
        raise LaposeError(
            "TensorRT builds for the GPU of this machine only: leave out --compute-capability or add --rtx"
        )
    if compute_capabilities:
        return [Gpu("any", capability) for capability in compute_capabilities]
    gpu = find_gpu()
    if gpu is None:
        advice = "name a --compute-capability" if is_rtx(library) else "build on the machine that is to run it"
        raise LaposeError(f"there is no NVIDIA GPU here to build for: {advice}")
    return [gpu]


def export_engines(
    model_dir: Path, folder: Path | None, library: ModuleType, gpu: Gpu, precision: str, report: Report
) -> list[Path]:
    """Build all of a model's engines into a folder (None: the cache); those that are there and fit are left."""
    paths = []
    for graph in GRAPHS:
        identity = engine_identity(model_dir, graph, library, gpu.compute_capability, precision, gpu_name=gpu.name)
        path = (folder or cache_folder(model_dir)) / identity.file_name(graph)
        try:
            load_engine(path, identity)
            report(f"{path} is up to date")
        except EngineMismatchError as reason:
            if path.exists():
                report(f"{path} is built again: {reason}")
            plan = build_engine(model_dir, graph, library, gpu.compute_capability, precision, report)
            store_engine(path, identity, plan)
        paths.append(path)
    return paths


def engine_identity(
    model_dir: Path, graph: str, library: ModuleType, compute_capability: str, precision: str, *, gpu_name: str | None
) -> EngineIdentity:
    """What makes an engine the right one; TensorRT-RTX's do not depend on the GPU's name."""
    if precision not in PRECISIONS:
        raise LaposeError(f"no precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    path = _graph_path(model_dir, graph)
    model = _load_graph(path)
    shapes = {name: [list(small), list(large)] for name, (small, large) in _shapes(model, model_dir).items()}
    gpu_name = None if is_rtx(library) else gpu_name
    return EngineIdentity(
        sha256_of(path), library.__name__, str(library.__version__), gpu_name, compute_capability, precision, shapes
    )


def build_engine(
    model_dir: Path, graph: str, library: ModuleType, compute_capability: str, precision: str, report: Report
) -> bytes:
    """Build one engine; raises CannotBuildError with TensorRT's own reason."""
    started = time.monotonic()
    target = f"{library.__name__} {library.__version__} for compute capability {compute_capability}, {precision}"
    report(f"building {graph} with {target}")
    model = to_precision(_load_graph(_graph_path(model_dir, graph)), precision)
    logger = _logger(library)
    builder = library.Builder(logger)
    network = builder.create_network(_network_flags(library))
    parser = library.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        raise CannotBuildError(f"{library.__name__} cannot read {graph}.onnx ({parser.get_error(0)}): report it")
    config = builder.create_builder_config()
    config.clear_flag(library.BuilderFlag.TF32)  # float32 means it: half's steps would make the matching's cells tie
    config.progress_monitor = _progress_monitor(library, graph, report)
    _add_profile(builder, config, _shapes(model, model_dir))
    if is_rtx(library):
        _set_compute_capability(library, config, compute_capability)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise CannotBuildError(
            f"{library.__name__} cannot build {graph} ({logger.newest_error or 'it does not say why'})"
        )
    plan = bytes(plan)
    report(f"built {graph}: {len(plan) / 1e6:.1f} MB in {time.monotonic() - started:.1f} s")
    return plan


def is_rtx(library: ModuleType) -> bool:
    return library.__name__ == "tensorrt_rtx"


def _graph_path(model_dir: Path, graph: str) -> Path:
    path = model_dir / f"{graph}.onnx"
    if not path.is_file():
        raise LaposeError(f"no such file: {path}: export the model with `lapose export onnx`")
    return path


def _load_graph(path: Path) -> onnx.ModelProto:
    model = onnx.load(path)
    if is_quantised(model):
        raise CannotBuildError(f"{path} is in int8, for ONNX Runtime: give the model that it was made from")
    return model


def _network_flags(library: ModuleType) -> int:
    """Strongly typed; TensorRT 11 knows nothing else, and may not have the flag."""
    flag = getattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _shapes(model: onnx.ModelProto, model_dir: Path) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Input -> smallest and largest shape: what is variable is the number of steps, or of frames."""
    steps = ModelConfig.load(model_dir / "config.json").clip_length - 1
    shapes = {}
    for tensor in model.graph.input:
        sizes = [(size.dim_value, size.dim_param) for size in tensor.type.tensor_type.shape.dim]
        # A frame more than steps, where the axis counts frames.
        extra = 1 if tensor.name == "tokens_1TND" else 0
        small = tuple(1 + extra if name else value for value, name in sizes)
        large = tuple(steps + extra if name else value for value, name in sizes)
        shapes[tensor.name] = (small, large)
    return shapes


def _add_profile(builder: Any, config: Any, shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    """Tuned for full windows."""
    variable = {name: pair for name, pair in shapes.items() if pair[0] != pair[1]}
    if variable:
        profile = builder.create_optimization_profile()
        for name, (small, large) in variable.items():
            profile.set_shape(name, small, large, large)
        config.add_optimization_profile(profile)


def _set_compute_capability(library: ModuleType, config: Any, compute_capability: str) -> None:
    known = {name: value for name, value in library.ComputeCapability.__members__.items() if name.startswith("SM")}
    name = f"SM{compute_capability.replace('.', '')}"
    if name not in known:
        listed = ", ".join(f"{known_name[2:-1]}.{known_name[-1]}" for known_name in known)
        raise CannotBuildError(f"tensorrt_rtx does not know compute capability {compute_capability}: it knows {listed}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(known[name], 0)


def _logger(library: ModuleType) -> Any:
    class Logger(library.ILogger):
        """To Python's logging; keeps the newest error for the message of an exception."""

        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.newest_error = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (library.ILogger.ERROR, library.ILogger.INTERNAL_ERROR):
                self.newest_error = message.splitlines()[0] if message else ""
                _log.error("%s", message)
            elif severity == library.ILogger.WARNING:
                _log.debug("%s", message)

    return Logger()


def _progress_monitor(library: ModuleType, graph: str, report: Report) -> Any:
    class Monitor(library.IProgressMonitor):
        """Reports the phases that take long."""

        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.reported_s = time.monotonic()

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            self.steps[phase_name] = num_steps

        def phase_finish(self, phase_name: str) -> None:
            pass

        def step_complete(self, phase_name: str, step: int) -> bool:
            if time.monotonic() - self.reported_s > _REPORT_EVERY_S:
                self.reported_s = time.monotonic()
                report(f"building {graph}: {phase_name}, step {step} of {self.steps.get(phase_name, step)}")
            return True

    return Monitor()
