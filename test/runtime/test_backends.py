"""What runs the model."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.models import GRAPHS
from lapose_core.runtime.backends.backend import InferredSteps
from lapose_core.runtime.backends.gpu import find_gpu
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.backends.open import open_backend

GRAPH_FILES = [f"{graph}.onnx" for graph in GRAPHS]
STEP_S = np.array([0.25])


@pytest.fixture
def model_dir(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


@pytest.mark.parametrize("steps", [1, 7, 15])
def test_backends_agree(tiny_model_dir: Path, backend: OnnxRuntimeBackend, frames: list[Frame], steps: int) -> None:
    pytest.importorskip("torch")
    torch_backend = open_backend(tiny_model_dir, "torch")
    answers = []
    for candidate in (backend, torch_backend):
        features = [candidate.tokenize(candidate.prepare(f.image_HWC)) for f in frames[: steps + 1]]
        inferred = InferredSteps.joined([candidate.infer_steps(features[i : i + 2], STEP_S) for i in range(steps)])
        answers.append((inferred, candidate.decode_motions(inferred.actions_SK, np.full(steps, 0.25))))
    (inferred_onnx, onnx), (inferred_torch, torch) = answers

    assert inferred_onnx.matches_S2NC.shape == (steps, 2, 4 * 8, 5)
    matches_apart = np.abs(inferred_onnx.matches_S2NC - inferred_torch.matches_S2NC)
    assert np.median(matches_apart) < 1e-4 and np.mean(matches_apart > 0.01) < 0.02
    apart_S = np.sort(np.abs(inferred_onnx.actions_SK - inferred_torch.actions_SK).max(axis=1))
    # A match on the edge of a cell may fall to either side, by rounding; that is rare, and moves an action a little.
    assert np.all(apart_S[:-1] < 1e-3) and apart_S[-1] < 3e-2
    for name in ("translation_S3", "quaternion_S4", "variance_S6", "fov_x_S", "scale_m"):
        np.testing.assert_allclose(getattr(onnx, name), getattr(torch, name), atol=5e-3, err_msg=name)


def test_only_a_full_window_is_compiled(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that fills would be compiled again for each of its lengths, and PyTorch gives up after eight."""
    torch = pytest.importorskip("torch")
    from lapose_core.runtime.backends.torch import TorchBackend

    called: list[str] = []

    def compile_graph(graph, dynamic):
        return lambda *inputs: called.append(graph.name) or graph(*inputs)

    monkeypatch.setattr(torch, "compile", compile_graph)
    backend, plain = TorchBackend(tiny_model_dir, compiled=True), TorchBackend(tiny_model_dir)
    called.clear()  # on a GPU they have been recorded already
    rng = np.random.default_rng(0)
    for steps in range(1, 16):
        actions_SK = rng.normal(size=(steps, backend.config.action_width)).astype(np.float32)
        intervals_S = np.full(steps, 0.25, np.float32)
        answers = [each.decode_motions(actions_SK, intervals_S) for each in (backend, plain)]
        for name in ("translation_S3", "quaternion_S4", "variance_S6", "fov_x_S", "scale_m"):
            np.testing.assert_array_equal(*(getattr(answer, name) for answer in answers), err_msg=name)
    assert called == ([] if backend.on_gpu else ["pose_head"])


def test_decoded_motions_are_what_the_interface_says(backend: OnnxRuntimeBackend) -> None:
    actions = np.random.default_rng(0).normal(size=(7, backend.config.action_width)).astype(np.float32)

    decoded = backend.decode_motions(actions, np.full(7, 0.25, np.float32))

    assert decoded.translation_S3.shape == (7, 3)
    assert decoded.variance_S6.shape == (7, 6)
    assert decoded.fov_x_S.shape == (7,)
    np.testing.assert_allclose(np.linalg.norm(decoded.quaternion_S4, axis=1), 1.0, atol=1e-5)
    assert np.all(decoded.quaternion_S4[:, 3] >= 0)
    assert np.all(decoded.variance_S6 > 0)
    assert decoded.scale_m > 0


def test_auto_takes_onnxruntime_where_its_files_are(model_dir: Path) -> None:
    assert open_backend(model_dir).name == "onnxruntime"


def test_auto_says_what_it_takes_and_why_not_the_faster_ones(model_dir: Path) -> None:
    said: list[str] = []
    assert open_backend(model_dir, report=said.append).name == "onnxruntime"
    (line,) = said
    assert line.startswith("backend onnxruntime (passed over: tensorrt: ")
    assert "; tensorrt_rtx: " in line and "; torch on a GPU: " in line


def test_auto_falls_back_on_torch_and_says_why(model_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("torch")
    (model_dir / "pose_head.onnx").unlink()

    with caplog.at_level(logging.INFO):
        assert open_backend(model_dir).name == "torch"
    assert "onnxruntime: no pose_head.onnx" in caplog.text


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
def test_an_engine_without_a_gpu_is_told(model_dir: Path, name: str) -> None:
    pytest.importorskip("torch")
    if find_gpu() is not None:
        pytest.skip("there is a GPU")
    with pytest.raises(LaposeError, match="no NVIDIA GPU") as caught:
        open_backend(model_dir, name)
    assert "\n" not in str(caught.value)


def test_auto_says_why_nothing_can_run(model_dir: Path) -> None:
    (model_dir / "pose_head.onnx").unlink()
    (model_dir / "weights.safetensors").unlink()

    with pytest.raises(LaposeError, match=r"onnxruntime: no pose_head\.onnx; torch: no weights\.safetensors"):
        open_backend(model_dir)


def test_an_unknown_backend_is_told(model_dir: Path) -> None:
    with pytest.raises(LaposeError, match="no backend 'cuda': choose one of auto, onnxruntime, torch, tensorrt"):
        open_backend(model_dir, "cuda")


@pytest.mark.parametrize("graph", GRAPH_FILES)
def test_a_missing_graph_is_named(model_dir: Path, graph: str) -> None:
    (model_dir / graph).unlink()

    with pytest.raises(LaposeError, match=graph):
        open_backend(model_dir, "onnxruntime")


@pytest.mark.parametrize("graph", GRAPH_FILES)
@pytest.mark.parametrize("content", [b"", b"not a graph", None])
def test_a_damaged_graph_is_named(model_dir: Path, graph: str, content: bytes | None) -> None:
    whole = (model_dir / graph).read_bytes()
    (model_dir / graph).write_bytes(whole[: len(whole) // 2] if content is None else content)

    with pytest.raises(LaposeError, match=graph) as caught:
        open_backend(model_dir)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("graph", "other"), zip(GRAPH_FILES, [*GRAPH_FILES[1:], GRAPH_FILES[0]], strict=True))
def test_a_graph_in_the_wrong_place_is_named(model_dir: Path, graph: str, other: str) -> None:
    shutil.copy(model_dir / other, model_dir / graph)

    with pytest.raises(LaposeError, match=graph):
        open_backend(model_dir)


def test_a_config_of_another_model_is_told(model_dir: Path) -> None:
    config = model_dir / "config.json"
    config.write_text(config.read_text().replace('"image_width": 128', '"image_width": 256'))

    with pytest.raises(LaposeError, match=r"tokenizer\.onnx is not of the model in config\.json"):
        open_backend(model_dir)


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", '{"preset": "tiny"}'])
@pytest.mark.parametrize("name", ["onnxruntime", "torch"])
def test_a_wrong_config_is_named(model_dir: Path, name: str, content: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    (model_dir / "config.json").write_text(content)

    with pytest.raises(LaposeError, match=r"config\.json"):
        open_backend(model_dir, name)


def test_damaged_weights_are_named(model_dir: Path) -> None:
    pytest.importorskip("torch")
    weights = model_dir / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    with pytest.raises(LaposeError, match=r"weights\.safetensors"):
        open_backend(model_dir, "torch")


@pytest.mark.parametrize("library", ["torch", "safetensors"])
def test_a_library_that_is_missing_is_named(model_dir: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "lapose_core.runtime.backends.torch", raising=False)

    with pytest.raises(LaposeError, match=f"{library}.*pip install") as caught:
        open_backend(model_dir, "torch")
    assert "\n" not in str(caught.value)
