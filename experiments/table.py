"""Which runs there are, what each starts from, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lapose_core.model.config import preset
from lapose_core.training.config import TASKS

CONFIGS = Path(__file__).parents[1] / "config" / "train"
#: Where the world has moved on since the first runs: theirs, so that those of later days compare with them.
WORLD = {"lateral_acceleration": (1.5, 4.5)}
#: Labels of the whole labelled set, at each share.
SHARES = {100: 1.0, 10: 0.1, 1: 0.01}


@dataclass(frozen=True)
class Budget:
    """How long each kind of run takes: optimiser steps, and clips in a batch.

    Attributes:
        labels: clips in the whole labelled set.
        clips: in a batch, where it is another than the kind's config says.
        compile_pose: compile pose runs too, which costs each of them a minute or two.
        validations: times that a run is validated.
    """

    matching: int
    vqvae: int
    pretrain: int
    pose: int
    labels: int
    clips: dict[str, int] = field(default_factory=dict)
    compile_pose: bool = True
    validations: int = 12

    def changes(self, kind: str) -> dict[str, Any]:
        """Settings of a kind of run that follow from the budget."""
        steps = getattr(self, kind)
        found: dict[str, Any] = {"steps": steps, "validate_every": max(1, steps // self.validations)}
        if kind in self.clips:
            found["clips"] = self.clips[kind]
        if kind == "pose" and not self.compile_pose:
            found["compile"] = False
        return found


#: `hours` on one H100, or a third of an hour on it, or seconds on a CPU to try the script with preset `tiny`.
BUDGETS = {
    "hours": Budget(3000, 5000, 6000, 3000, labels=20_480),
    "minutes": Budget(
        1000, 1000, 1000, 300, labels=4_800, clips={"pretrain": 16, "pose": 16}, compile_pose=False, validations=5
    ),
    "seconds": Budget(4, 6, 6, 4, labels=400, validations=2),
}


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: of its folder and its result.
        kind: `matching`, `vqvae`, `pretrain` or `pose`.
        start_from: the run whose folder it starts from.
        changes: settings that differ from the kind's config, those of the budget among them.
    """

    name: str
    kind: str
    start_from: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)


def runs(size: str, budget: Budget, real: str | None = None) -> list[Run]:
    """All runs of one seed, what others need first.

    Args:
        size: preset, `compact` or `tiny` (to try the script).
        budget: one of `BUDGETS`.
        real: shards of real unlabelled video; without them its rows are left out.
    """

    def pose(name: str, start_from: str, share: int, **changes: Any) -> Run:
        labelled = {"labelled_clips": round(budget.labels * SHARES[share]), "blind_share": 0.0}
        return Run(name, "pose", start_from, budget.changes("pose") | labelled | changes)

    def pretrain(name: str, **changes: Any) -> Run:
        return Run(name, "pretrain", "matching", budget.changes("pretrain") | changes)

    found_by = {"frozen": list(TASKS["matching"]), "encoder": "trained"}
    table = [
        Run("matching", "matching", changes=budget.changes("matching") | {"task": "matching"}),
        Run("vqvae", "vqvae", changes=budget.changes("vqvae")),
        pretrain("pretrain_50"),
        pretrain("pretrain_full", action_width=preset(size).width),
    ]
    if real:
        sources = [{"kind": "rendered", "weight": 0.75}, {"kind": "shards", "path": real, "weight": 0.25}]
        table.append(pretrain("pretrain_real", sources=sources))
    for share in SHARES:
        table += [
            pose(f"frozen_{share}", "pretrain_50", share, encoder="frozen"),
            pose(f"scratch_{share}", "matching", share, **found_by),
            pose(f"tuned_{share}", "pretrain_50", share, **found_by),
        ]
        if share == 100:
            table.append(pose("full_frozen_100", "pretrain_full", 100, encoder="frozen"))
            if real:
                table.append(pose("real_frozen_100", "pretrain_real", 100, encoder="frozen"))
    return table


def config_of(run: Run, size: str) -> Path:
    """The YAML file that a run's settings start from."""
    name = {"matching": "pose", "pose": "pose"}.get(run.kind, run.kind) + f"_{size}"
    return CONFIGS / ("tiny.yaml" if name == "pose_tiny" else f"{name}.yaml")
