"""Engines are built once; one that was built from or for something else is never run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from lapose_core.errors import LaposeError
from lapose_core.export.engine_cache import (
    EngineIdentity,
    EngineMismatchError,
    cache_folder,
    load_engine,
    store_engine,
)

IDENTITY = EngineIdentity(
    onnx_sha256="a" * 64,
    library="tensorrt",
    library_version="11.4.0",
    gpu="NVIDIA RTX A2000",
    compute_capability="8.6",
    precision="half",
    shapes={"frame_1CHW": [[1, 3, 64, 128], [1, 3, 64, 128]]},
)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "engines" / IDENTITY.file_name("tokenizer")
    store_engine(path, IDENTITY, b"a plan")
    return path


def test_an_engine_is_found_again(plan: Path) -> None:
    assert load_engine(plan, IDENTITY) == b"a plan"
    assert {path.name for path in plan.parent.iterdir()} == {plan.name, f"{plan.name}.json"}, (
        "no temporary file is left"
    )
    assert json.loads(plan.with_name(f"{plan.name}.json").read_text())["gpu"] == "NVIDIA RTX A2000"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"onnx_sha256": "b" * 64}, "built for onnx_sha256 aaaaaaaaaaaa..., and here it is bbbbbbbbbbbb..."),
        ({"library": "tensorrt_rtx"}, "library"),
        ({"library_version": "11.5.0"}, "built for library_version 11.4.0, and here it is 11.5.0"),
        ({"gpu": "NVIDIA H100"}, "built for gpu NVIDIA RTX A2000, and here it is NVIDIA H100"),
        ({"compute_capability": "9.0"}, "compute_capability 8.6, and here it is 9.0"),
        ({"precision": "float32"}, "precision"),
        ({"shapes": {"frame_1CHW": [[1, 3, 224, 480], [1, 3, 224, 480]]}}, "shapes"),
    ],
)
def test_any_mismatch_is_refused_with_the_reason(plan: Path, change: dict, reason: str) -> None:
    with pytest.raises(EngineMismatchError) as caught:
        load_engine(plan, dataclasses.replace(IDENTITY, **change))
    assert reason in str(caught.value)


def test_a_damaged_engine_is_refused(plan: Path) -> None:
    plan.write_bytes(b"a pl")
    with pytest.raises(EngineMismatchError, match="damaged"):
        load_engine(plan, IDENTITY)


@pytest.mark.parametrize("note", [None, "", "{}", "[]"])
def test_an_engine_from_elsewhere_without_its_note_is_refused(plan: Path, note: str | None) -> None:
    path = plan.with_name(f"{plan.name}.json")
    path.unlink() if note is None else path.write_text(note)
    with pytest.raises(EngineMismatchError, match=r"is not known|built for"):
        load_engine(plan, IDENTITY)


def test_a_new_engine_replaces_the_old_one(plan: Path) -> None:
    newer = dataclasses.replace(IDENTITY, library_version="11.5.0")
    assert newer.file_name("tokenizer") == plan.name
    store_engine(plan, newer, b"another plan")
    assert load_engine(plan, newer) == b"another plan"
    with pytest.raises(EngineMismatchError):
        load_engine(plan, IDENTITY)


def test_an_engine_whose_write_was_cut_off_is_refused(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is new, its note still the old one."""
    newer = dataclasses.replace(IDENTITY, onnx_sha256="b" * 64)
    monkeypatch.setattr("json.dumps", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store_engine(plan, newer, b"another plan")
    for identity in (IDENTITY, newer):
        with pytest.raises(EngineMismatchError):
            load_engine(plan, identity)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaposeError, match="cannot write"):
        store_engine(tmp_path / "file" / "a.plan", IDENTITY, b"a plan")


def test_the_cache_is_the_users_and_apart_for_each_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one, other = cache_folder(Path("/models/compact")), cache_folder(Path("/other/compact"))
    assert one.is_relative_to(tmp_path / "lapose" / "engines")
    assert one != other
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder(Path("/models/compact")).is_relative_to(tmp_path / "home" / ".cache" / "lapose")
