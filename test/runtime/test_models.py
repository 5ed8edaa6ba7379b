"""Where models are found."""

from __future__ import annotations

import site
import sysconfig
from pathlib import Path

import pytest

from lapose_core import models
from lapose_core.errors import LaposeError
from lapose_core.models import find_model, model_folders


def test_a_folder_is_taken_as_it_is(tiny_model_dir: Path) -> None:
    assert find_model(tiny_model_dir) == tiny_model_dir
    assert find_model(str(tiny_model_dir)) == tiny_model_dir


def test_installed_models_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "share" / "lapose" / "models" / "special"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/opt/nothing:{tmp_path}")

    assert find_model("special") == model


@pytest.mark.parametrize("way", ["user", "data", "package"])
def test_models_that_pip_installed_elsewhere_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    model = tmp_path / "share" / "lapose" / "models" / "special"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    if way == "user":  # pip install --user
        monkeypatch.setattr(site, "getuserbase", lambda: str(tmp_path))
    elif way == "data":  # Debian: /usr/local, where sys.prefix is /usr
        monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path) if name == "data" else "")
    else:  # pip install --prefix
        package = tmp_path / "lib" / "python3.12" / "site-packages" / "lapose_core"
        monkeypatch.setattr(models, "__file__", str(package / "models.py"))

    assert find_model("special") == model


def test_the_checkout_comes_first() -> None:
    assert model_folders()[0] == Path(__file__).resolve().parents[2] / "models"


def test_an_unknown_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(LaposeError, match=r"no model 'enormous': give .*a folder with a config\.json"):
        find_model("enormous")
    with pytest.raises(LaposeError, match="no model"):
        find_model(tmp_path)
