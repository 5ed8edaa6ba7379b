"""What a run says: a progress bar and lines for the eye, `log.jsonl` for scripts, TensorBoard for curves."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

_missing_told = False


class RunLog:
    """Writes figures wherever they are wanted; only the first of several processes says anything."""

    def __init__(self, folder: Path, steps: int, first: bool) -> None:
        self.first = first
        self.bar = tqdm(total=steps, unit="step", disable=not (first and sys.stderr.isatty()), dynamic_ncols=True)
        self.file = self.board = None
        if first:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = (folder / "log.jsonl").open("a")
            self.board = self._tensorboard(folder)

    def figures(self, kind: str, step: int, seconds: float, figures: dict[str, float]) -> None:
        """One line of `kind` ("train" or "held out")."""
        if not self.first:
            return
        line = {"kind": kind, "step": step, "seconds": round(seconds, 1)}
        line |= {name: float(f"{value:.4g}") for name, value in figures.items()}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        if self.board is not None:
            self.board.log_metrics({f"{kind}/{name}": value for name, value in figures.items()}, step)
        numbers = "  ".join(f"{name} {value:.3g}" for name, value in figures.items())
        self.say(f"{kind:8} step {step:6}  {seconds / 60:6.1f} min  {numbers}")

    def say(self, line: str) -> None:
        if self.first:
            with self.bar.external_write_mode(file=sys.stdout):
                print(line, flush=True)

    def advance(self, step: int) -> None:
        self.bar.update(step - self.bar.n)

    def close(self) -> None:
        self.bar.close()
        if self.file is not None:
            self.file.close()
        if self.board is not None:
            self.board.finalize("success")

    def _tensorboard(self, folder: Path):
        global _missing_told
        if find_spec("tensorboard") is None:
            if not _missing_told:
                self.say("no TensorBoard here (pip install tensorboard): figures go to log.jsonl alone")
            _missing_told = True
            return None
        from lightning_fabric.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name="", version="tensorboard")
