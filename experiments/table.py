"""Which runs there are, what each starts from, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lapose_core.model.config import preset
from lapose_core.training.config import TASKS

CONFIGS = Path(__file__).parents[1] / "config" / "train"
#: Labels of the whole labelled set, at each share.
SHARES = {100: 1.0, 10: 0.1, 1: 0.01}
WARM = 0.05


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: of its folder and its result.
        kind: `matching`, `vqvae`, `pretrain` or `pose`.
        steps: optimiser steps at scale 1.
        start_from: the run whose folder it starts from.
        changes: settings that differ from the kind's config.
    """

    name: str
    kind: str
    steps: int
    start_from: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)


def runs(size: str, real: str | None = None) -> list[Run]:
    """All runs of one seed, what others need first.

    Args:
        size: preset, `compact` or `tiny` (to try the script).
        real: shards of real unlabelled video; without them its row is left out.
    """
    found_by = {"frozen": list(TASKS["matching"]), "encoder": "trained"}
    table = [
        Run("matching", "matching", 3000, changes={"task": "matching"}),
        Run("vqvae", "vqvae", 5000),
        Run("pretrain_50", "pretrain", 6000, "matching"),
    ]
    for share in SHARES:
        table += [
            Run(f"frozen_{share}", "pose", 3000, "pretrain_50", _labels(size, share) | {"encoder": "frozen"}),
            Run(f"tuned_{share}", "pose", 3000, "pretrain_50", _labels(size, share) | found_by),
            Run(f"scratch_{share}", "pose", 3000, "matching", _labels(size, share) | found_by),
        ]
    full = {"action_width": preset(size).width}
    table += [
        Run("pretrain_full", "pretrain", 6000, "matching", full),
        Run("full_frozen_100", "pose", 3000, "pretrain_full", _labels(size, 100) | {"encoder": "frozen"}),
    ]
    if real:
        sources = [{"kind": "rendered", "weight": 0.75}, {"kind": "shards", "path": real, "weight": 0.25}]
        table += [
            Run("pretrain_real", "pretrain", 6000, "matching", {"sources": sources}),
            Run("real_frozen_100", "pose", 3000, "pretrain_real", _labels(size, 100) | {"encoder": "frozen"}),
        ]
    return table


def config_of(run: Run, size: str) -> Path:
    """The YAML file that a run's settings start from."""
    name = {"matching": "pose", "pose": "pose"}.get(run.kind, run.kind) + f"_{size}"
    return CONFIGS / ("tiny.yaml" if name == "pose_tiny" else f"{name}.yaml")


def _labels(size: str, share: int) -> dict[str, Any]:
    whole = 20_480 if size == "compact" else 400
    return {"labelled_clips": round(whole * SHARES[share]), "blind_share": 0.0}
