"""Where the trained models are, and the graphs in their folders."""

from __future__ import annotations

import hashlib
import os
import site
import sys
import sysconfig
from pathlib import Path

from lapose_core.errors import LaposeError

DEFAULT_MODEL = "compact"

#: A model's graphs, in the order in which they run (`lapose_core/model/graphs.py`); each is NAME.onnx in its folder.
GRAPHS = ("tokenizer", "inverse_dynamics", "pose_head")


def find_model(name_or_path: str | Path = DEFAULT_MODEL) -> Path:
    """The folder of a model: a path to it, or the name of one that ships with the project.

    Names are looked up in the repository's `models/`, then where `pip install` and `cmake --install` put them.
    Raises LaposeError naming the models that are there.
    """
    if is_model(Path(name_or_path)):
        return Path(name_or_path)
    folders = model_folders()
    for folder in folders:
        if is_model(folder / name_or_path):
            return folder / name_or_path
    names = sorted(
        {model.name for folder in folders if folder.is_dir() for model in folder.iterdir() if is_model(model)}
    )
    known = f"one of {', '.join(names)}, or " if names else ""
    raise LaposeError(f"no model {str(name_or_path)!r}: give {known}a folder with a config.json and weights")


def model_folders() -> list[Path]:
    """Folders that may hold models, in the order in which they are searched."""
    repository = Path(__file__).resolve().parents[1]
    prefixes = [
        *Path(__file__).resolve().parents[4:5],  # of PREFIX/lib/pythonX.Y/site-packages/lapose_core
        Path(sys.prefix),
        Path(sysconfig.get_path("data")),  # on Debian /usr/local, where sys.prefix is /usr
        Path(site.getuserbase()),
        *map(Path, filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))),
    ]
    return [repository / "models", *(prefix / "share" / "lapose" / "models" for prefix in dict.fromkeys(prefixes))]


def is_model(path: Path) -> bool:
    """Whether a folder holds a model."""
    return (path / "config.json").is_file()


def digest(model_dir: Path) -> str:
    """Twelve hexadecimal digits that tell this model from another or another version of it."""
    hashed = hashlib.sha256()
    for file in sorted(file for file in model_dir.iterdir() if file.suffix in (".json", ".onnx", ".safetensors")):
        hashed.update(file.name.encode() + file.read_bytes())
    return hashed.hexdigest()[:12]
