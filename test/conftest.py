"""Fixtures that several areas share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("lapose", deadline=None)
settings.load_profile("lapose")


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported `tiny` model with fixed random weights: real graphs, small and fast."""
    torch = pytest.importorskip("torch", reason="exporting a model needs torch: pip install 'lapose[train]'")

    from lapose_core.export.onnx import export_model
    from lapose_core.model.config import preset
    from lapose_core.model.lapose import LAPose

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    export_model(LAPose(preset("tiny")), folder)
    return folder
