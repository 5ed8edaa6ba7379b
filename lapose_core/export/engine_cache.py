"""Built engines on disk, each beside a note of what it was built from and for; one that does not fit is never run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapose_core.errors import LaposeError
from lapose_core.files import write_atomically


class EngineMismatchError(LaposeError):
    """A stored engine is not the one that is wanted; the message is the reason."""


@dataclass(frozen=True)
class EngineIdentity:
    """What an engine was built from, and what it runs on.

    Attributes:
        onnx_sha256: of the graph's file.
        library, library_version: tensorrt or tensorrt_rtx.
        gpu: name of the GPU that it was tuned on; None where it runs on all of its compute capability.
        compute_capability: such as "8.6".
        precision: see `export/precision.py`.
        shapes: input -> smallest and largest shape.
    """

    onnx_sha256: str
    library: str
    library_version: str
    gpu: str | None
    compute_capability: str
    precision: str
    shapes: dict[str, list[list[int]]]

    def file_name(self, graph: str) -> str:
        """One file for each purpose, so that a new model or version replaces the old one."""
        capability = self.compute_capability.replace(".", "")
        return f"{graph}.{self.library}.sm{capability}.{self.precision}.plan"


def cache_folder(model_dir: Path) -> Path:
    """Where the engines of a model folder are kept, below the user's cache folder (XDG_CACHE_HOME, else ~/.cache)."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = hashlib.sha256(str(model_dir.resolve()).encode()).hexdigest()[:8]
    return root / "lapose" / "engines" / f"{model_dir.resolve().name}-{place}"


def store_engine(path: Path, identity: EngineIdentity, plan: bytes) -> None:
    """Write the plan, then its note (`.json`), each in one go; raises LaposeError where that is not possible."""
    note = {**dataclasses.asdict(identity), "plan_sha256": hashlib.sha256(plan).hexdigest()}
    write_atomically(path, lambda temporary: temporary.write_bytes(plan))
    write_atomically(_note_path(path), lambda temporary: temporary.write_text(json.dumps(note, indent=2)))


def load_engine(path: Path, identity: EngineIdentity) -> bytes:
    """The stored plan; raises EngineMismatchError with the reason where there is none or it is another one."""
    if not path.is_file():
        raise EngineMismatchError("not built yet")
    try:
        note: dict[str, Any] = dict(json.loads(_note_path(path).read_text()))
        plan = path.read_bytes()
    except (OSError, ValueError, TypeError) as error:
        raise EngineMismatchError(f"what it was built for is not known ({error})") from None
    for name, wanted in dataclasses.asdict(identity).items():
        found = note.get(name)
        if found != wanted:
            raise EngineMismatchError(f"it was built for {name} {_short(found)}, and here it is {_short(wanted)}")
    if note.get("plan_sha256") != hashlib.sha256(plan).hexdigest():
        raise EngineMismatchError("the file is damaged")
    return plan


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
