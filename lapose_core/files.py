"""Files and folders that are put in place as a whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from lapose_core.errors import LaposeError


def write_atomically(
    path: Path, write: Callable[[Path], object], cure: str = "give an --output folder to write to"
) -> None:
    """Let `write` fill a temporary file beside `path`, then, once it is on the disk, put it in place.

    Raises LaposeError, which ends with `cure`, where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            temporary = Path(folder) / path.name
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())  # else a machine that loses power may keep the name without the bytes
            temporary.replace(path)
    except OSError as error:
        raise LaposeError(f"cannot write {path} ({error.strerror}): {cure}") from None


def write_folder_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary folder beside `path`, then, once its files are on the disk, put it in place.

    Raises LaposeError where there is something already, or it cannot be written; both before `write` is called, where
    that can be told.
    """
    if path.exists():
        raise LaposeError(f"{path} exists already: give another name or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            temporary = Path(folder) / path.name
            temporary.mkdir()
            write(temporary)
            for written in temporary.iterdir():
                with written.open("rb") as file:
                    os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        raise LaposeError(f"cannot write {path} ({error.strerror}): choose another place") from None
