"""A model folder in int8: it runs, gives nearly the same motions, and is for ONNX Runtime alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest

pytest.importorskip("numba", reason="rendering needs numba: pip install 'lapose[world]'")

from lapose_core.errors import LaposeError
from lapose_core.export.int8 import LEAST_CLIPS, export_int8
from lapose_core.export.precision import is_quantised
from lapose_core.export.tensorrt import export_engines
from lapose_core.models import GRAPHS, find_model
from lapose_core.runtime.backends.backend import DecodedMotions, InferredSteps
from lapose_core.runtime.backends.gpu import Gpu
from lapose_core.runtime.backends.onnxruntime import OnnxRuntimeBackend
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.calibration import Calibration, weights_of
from lapose_core.world.conditions import condition_clips
from lapose_core.world.render_cpu import render


@pytest.fixture(scope="module")
def model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with a calibration of its own."""
    folder = shutil.copytree(tiny_model_dir, tmp_path_factory.mktemp("float") / "tiny")
    Calibration(factors=(2.0,) * 6, weights=weights_of(folder)).save(folder / "calibration.json")
    return folder


@pytest.fixture(scope="module")
def int8_dir(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8") / "new" / "tiny"
    paths = export_int8(model_dir, folder, clips=8, progress=False)
    assert {path.name for path in paths} == {"config.json", *(f"{graph}.onnx" for graph in GRAPHS)}
    return folder


def answers_of(folder: Path) -> tuple[InferredSteps, DecodedMotions]:
    """Of a rendered clip, in the size of the folder's model."""
    backend, clip = OnnxRuntimeBackend(folder), next(condition_clips("clear", 1, rate_hz=4.0, frames=6))
    intervals_S = clip.intervals_BS[0].astype(np.float32)
    features = list(map(backend.tokenize, render(clip, backend.config.image_height, backend.config.image_width)[0]))
    steps = [backend.infer_steps(features[i : i + 2], intervals_S[i : i + 1]) for i in range(len(intervals_S))]
    inferred = InferredSteps.joined(steps)
    return inferred, backend.decode_motions(inferred.actions_SK, intervals_S)


def test_it_is_smaller_and_runs(model_dir: Path, int8_dir: Path) -> None:
    """How far the numbers are apart says little here: with weights that are noise, matches jump."""
    for graph in ("tokenizer", "inverse_dynamics"):
        exact, rounded = (folder / f"{graph}.onnx" for folder in (model_dir, int8_dir))
        assert is_quantised(onnx.load(rounded)) and not is_quantised(onnx.load(exact))
    sizes = [sum(path.stat().st_size for path in folder.glob("*.onnx")) for folder in (model_dir, int8_dir)]
    assert sizes[1] < 0.6 * sizes[0]
    (exact_steps, exact), (rounded_steps, rounded) = map(answers_of, (model_dir, int8_dir))
    assert 0 < np.median(np.abs(rounded_steps.matches_S2NC - exact_steps.matches_S2NC)[..., :2]) < 0.5
    np.testing.assert_allclose(rounded.translation_S3, exact.translation_S3, atol=0.1)
    np.testing.assert_allclose(rounded.quaternion_S4, exact.quaternion_S4, atol=5e-3)


def test_the_shipped_model_gives_nearly_the_same_motions(tmp_path: Path) -> None:
    export_int8(find_model("compact"), tmp_path / "int8", clips=8, progress=False)
    (exact_steps, exact), (rounded_steps, rounded) = map(answers_of, (find_model("compact"), tmp_path / "int8"))
    pixels_apart = np.linalg.norm((rounded_steps.matches_S2NC - exact_steps.matches_S2NC)[..., :2], axis=-1)
    assert 0 < np.median(pixels_apart) < 0.3
    actions_apart = np.abs(rounded_steps.actions_SK - exact_steps.actions_SK)
    assert 0 < actions_apart.mean() < 0.03 * exact_steps.actions_SK.std()
    np.testing.assert_allclose(rounded.translation_S3, exact.translation_S3, atol=0.02 * exact.scale_m)
    np.testing.assert_allclose(rounded.quaternion_S4, exact.quaternion_S4, atol=1e-3)


def test_first_convolutions_and_what_decodes_the_action_stay_in_float(int8_dir: Path) -> None:
    tokenizer = onnx.load(int8_dir / "tokenizer.onnx").graph
    from_int8 = {node.output[0] for node in tokenizer.node if node.op_type == "DequantizeLinear"}
    convolutions = [from_int8.issuperset(node.input[:2]) for node in tokenizer.node if node.op_type == "Conv"]
    assert convolutions == [False] * 3 + [True] * (len(convolutions) - 3)
    inverse = onnx.load(int8_dir / "inverse_dynamics.onnx").graph
    from_int8 = {node.output[0] for node in inverse.node if node.op_type == "DequantizeLinear"}
    linear = [from_int8.issuperset(node.input[:2]) for node in inverse.node if node.op_type == "Gemm"]
    assert any(linear) and not any(linear[-3:])
    to_int8 = {node.input[0] for node in inverse.node if node.op_type == "QuantizeLinear"}
    assert not to_int8 & {node.output[0] for node in inverse.node if node.op_type == "Gemm"}


def test_the_calibration_comes_along_and_still_fits(
    model_dir: Path, int8_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert OnnxRuntimeBackend(int8_dir).calibration == OnnxRuntimeBackend(model_dir).calibration != Calibration()
    assert caplog.text == ""


def test_other_backends_refuse_it_and_auto_does_not(int8_dir: Path) -> None:
    assert open_backend(int8_dir).name == "onnxruntime"
    with pytest.raises(LaposeError, match=r"no weights at .*: train first, or give the folder of a trained model"):
        open_backend(int8_dir, "torch")
    with pytest.raises(LaposeError, match=r"tokenizer\.onnx is in int8, for ONNX Runtime: give the model that it was"):
        export_engines(int8_dir, None, ModuleType("tensorrt_rtx"), Gpu("any", "8.6"), "half", print)


def test_bad_input_is_told_and_nothing_is_left(model_dir: Path, int8_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(LaposeError, match=f"3 clips are too few .*: give {LEAST_CLIPS} or more"):
        export_int8(model_dir, tmp_path / "new", clips=3)
    with pytest.raises(LaposeError, match="in int8 already: give the model that it was made from"):
        export_int8(int8_dir, tmp_path / "new")
    with pytest.raises(LaposeError, match="exists already"):
        export_int8(model_dir, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(LaposeError, match="choose another place"):
        export_int8(model_dir, tmp_path / "file" / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_model_without_graphs_is_told(model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_dir, tmp_path / "model")
    (folder / "inverse_dynamics.onnx").unlink()
    with pytest.raises(LaposeError, match=r"no such file: .*inverse_dynamics\.onnx: export the model"):
        export_int8(folder, tmp_path / "new")
