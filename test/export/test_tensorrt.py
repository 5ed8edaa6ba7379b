"""Engines from the exported graphs: TensorRT-RTX builds them without a GPU."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import onnx
import pytest

from lapose_core.errors import LaposeError
from lapose_core.export.engine_cache import cache_folder
from lapose_core.export.precision import to_precision
from lapose_core.export.tensorrt import build_engine, engine_for, export_engines, load_library, target_gpus
from lapose_core.models import GRAPHS
from lapose_core.runtime.backends.gpu import Gpu

SOME_GPU = Gpu("any", "8.6")


@pytest.fixture(scope="session")
def rtx() -> ModuleType:
    return pytest.importorskip("tensorrt_rtx", reason="needs TensorRT-RTX: pip install 'lapose[tensorrt_rtx]'")


@pytest.fixture
def model_dir(tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may spoil, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


@pytest.mark.parametrize("precision", ["half", "float32"])
@pytest.mark.parametrize("compute_capability", ["8.6", "12.0"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_graph_builds_without_a_gpu(
    rtx: ModuleType, tiny_model_dir: Path, graph: str, compute_capability: str, precision: str
) -> None:
    said: list[str] = []
    plan = build_engine(tiny_model_dir, graph, rtx, compute_capability, precision, said.append)
    assert len(plan) > 10_000
    assert said[0].startswith(f"building {graph} with tensorrt_rtx")
    assert said[-1].startswith(f"built {graph}: ")


def test_engines_are_built_once_and_again_when_the_model_changes(rtx: ModuleType, model_dir: Path) -> None:
    said: list[str] = []
    paths = export_engines(model_dir, None, rtx, SOME_GPU, "half", said.append)
    assert all(path.parent == cache_folder(model_dir) for path in paths)
    said.clear()

    for graph, path in zip(GRAPHS, paths, strict=True):
        assert (
            engine_for(model_dir, graph, rtx, Gpu("NVIDIA RTX A2000", "8.6"), "half", said.append) == path.read_bytes()
        )
    assert said == []

    model = onnx.load(model_dir / "pose_head.onnx")
    model.doc_string = "another one"
    onnx.save(model, model_dir / "pose_head.onnx")
    engine_for(model_dir, "pose_head", rtx, SOME_GPU, "half", said.append)
    assert "is refused: it was built for onnx_sha256" in said[0]
    assert said[1].startswith("building pose_head")


def test_engines_that_came_with_the_model_are_taken_where_they_fit(rtx: ModuleType, model_dir: Path) -> None:
    said: list[str] = []
    paths = export_engines(model_dir, model_dir / "engines", rtx, SOME_GPU, "half", said.append)
    said.clear()

    assert engine_for(model_dir, GRAPHS[0], rtx, SOME_GPU, "half", said.append) == paths[0].read_bytes()
    assert said == []
    assert not cache_folder(model_dir).exists()


def test_half_graphs_are_whole_and_round_around_layers_only(tiny_model_dir: Path) -> None:
    """ONNX Runtime has no half kernels on the CPU and leaves the roundings out, so the numbers are the same."""
    onnxruntime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {}
    for graph in GRAPHS:
        model = onnx.load(tiny_model_dir / f"{graph}.onnx")
        halves = to_precision(model, "half")
        casts = {node.output[0]: node for node in halves.graph.node if node.op_type == "Cast"}
        to_half = {name for name, cast in casts.items() if cast.attribute[0].i == onnx.TensorProto.FLOAT16}
        assert to_half
        assert {node.op_type for node in halves.graph.node if to_half & set(node.input)} <= {"Conv", "Gemm", "MatMul"}
        answers = []
        for each in (model, halves):
            session = onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"])
            inputs = {tensor.name: value_for(tensor, rng, values) for tensor in session.get_inputs()}
            values |= inputs
            names = [output.name for output in session.get_outputs()]
            answers.append(dict(zip(names, session.run(names, inputs), strict=True)))
        exact, rounded = answers
        for name, value in exact.items():
            np.testing.assert_allclose(rounded[name], value, atol=1e-3, err_msg=name)
        values |= {f"{time}_{name}": value for name, value in exact.items() for time in ("previous", "current")} | exact


def test_rounding_to_half_hardly_moves_the_motions(tiny_model_dir: Path) -> None:
    """The same roundings in torch: at most a centimetre, and a tenth of a degree, with weights that are noise."""
    torch = pytest.importorskip("torch")
    from lapose_core.model.lapose import LAPose
    from lapose_core.runtime.backends.torch import TorchBackend

    def half(value):
        return value.half().float()

    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 160, 3), np.uint8), (0, 0), 3.0)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    frames = [picture[:, 3 * i : 3 * i + 128].transpose(2, 0, 1) for i in range(8)]
    answers = []
    for rounding in (False, True):
        model = LAPose.load(tiny_model_dir)
        for module in model.modules():
            if rounding and isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                module.register_forward_pre_hook(lambda _, inputs: tuple(map(half, inputs)))
                module.register_forward_hook(lambda *arguments: half(arguments[2]))
        backend = TorchBackend(model)
        features = [backend.tokenize(frame) for frame in frames]
        actions = [backend.infer_steps(features[i : i + 2], np.array([0.25])).actions_SK[0] for i in range(7)]
        answers.append(backend.decode_motions(np.stack(actions), np.full(7, 0.25)))
    exact, rounded = answers
    np.testing.assert_allclose(rounded.translation_S3, exact.translation_S3, atol=1e-2)
    np.testing.assert_allclose(rounded.quaternion_S4, exact.quaternion_S4, atol=1e-3)
    np.testing.assert_allclose(rounded.scale_m, exact.scale_m, rtol=5e-3)


def value_for(tensor, rng: np.random.Generator, values: dict[str, np.ndarray]) -> np.ndarray:
    """What an earlier graph gave under this name; else frames, and quarters of a second."""
    shape = [size if isinstance(size, int) else 1 for size in tensor.shape]
    if tensor.name in values:
        return values[tensor.name]
    if tensor.type == "tensor(uint8)":
        return rng.integers(0, 256, shape).astype(np.uint8)
    return np.full(shape, 0.25, np.float32)


def test_what_cannot_be_built_is_told(rtx: ModuleType, model_dir: Path) -> None:
    with pytest.raises(LaposeError, match=r"compute capability 9\.0: it knows 7\.5, 8\.0, 8\.6"):
        build_engine(model_dir, GRAPHS[0], rtx, "9.0", "half", print)
    with pytest.raises(LaposeError, match="no precision 'int4': choose one of half, float32"):
        export_engines(model_dir, None, rtx, SOME_GPU, "int4", print)
    (model_dir / "pose_head.onnx").unlink()
    with pytest.raises(LaposeError, match=r"pose_head\.onnx"):
        build_engine(model_dir, "pose_head", rtx, "8.6", "half", print)


def test_tensorrt_builds_for_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LaposeError, match="add --rtx"):
        target_gpus(ModuleType("tensorrt"), ["8.6"])
    monkeypatch.setattr("lapose_core.export.tensorrt.find_gpu", lambda: None)
    with pytest.raises(LaposeError, match="no NVIDIA GPU here to build for: name a --compute-capability"):
        target_gpus(ModuleType("tensorrt_rtx"), [])


def test_a_library_that_is_missing_or_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    with pytest.raises(LaposeError, match=r"tensorrt cannot be loaded.*pip install tensorrt"):
        load_library("tensorrt")
    old = ModuleType("tensorrt")
    old.__version__ = "8.6.1"  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", old)
    with pytest.raises(LaposeError, match=r"8\.6\.1 is too old"):
        load_library("tensorrt")
