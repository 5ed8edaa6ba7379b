"""The experiments' table holds together, and their plots and tables come out of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import plot
from experiments.table import BUDGETS, Budget, config_of, runs
from lapose_core.training.config import PretrainConfig, TrainConfig, VQVAETrainConfig

KINDS = {"vqvae": VQVAETrainConfig, "pretrain": PretrainConfig, "pose": TrainConfig, "matching": TrainConfig}


@pytest.mark.parametrize("size", ["compact", "tiny"])
@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
def test_every_run_comes_after_what_it_starts_from_and_its_settings_are_known(size: str, budget: Budget) -> None:
    seen: set[str] = set()
    for run in runs(size, budget, real="shards"):
        assert run.start_from is None or run.start_from in seen
        assert run.name not in seen
        seen.add(run.name)
        KINDS[run.kind].load(config_of(run, size), **run.changes)
    assert "pretrain_real" in seen
    assert "pretrain_real" not in {run.name for run in runs(size, budget)}


def test_curves_and_a_table_come_out_of_results(tmp_path: Path, monkeypatch, capsys) -> None:
    figures = {"auc_signed": 0.5, "ate_m": 1.0, "median_rotation_error_deg": 0.4, "median_fov_error_deg": 5.0}
    for seed in (0, 1):
        folder = tmp_path / "results" / f"seed{seed}"
        folder.mkdir(parents=True)
        curve = [{"step": s, "loss": 4.0 / s, "gap": 0.1, "yaw_rate_r2": 0.5, "speed_r2": 0.4} for s in (1, 2)]
        (folder / "pretrain_50.json").write_text(json.dumps({"name": "pretrain_50", "curve": curve}))
        for share in (1, 10):
            at = {"model": {k: v + seed for k, v in figures.items()}, "straight": figures}
            summary = {"auc_signed": 0.2 + seed, "median_rotation_error_deg": 0.3, "median_log_scale_error": 0.1}
            rows = [{"method": method, "summary": summary} for method in ("head alone", "lapose")]
            kitti = {"00@4.8": {"rows": rows}, "01@1.9": None}
            record = {"name": f"frozen_{share}", "rendered": {"4": at, "2": at}, "kitti": kitti}
            (folder / f"frozen_{share}.json").write_text(json.dumps(record))
    monkeypatch.setattr("sys.argv", ["plot", "--output", str(tmp_path), "--figures", str(tmp_path / "docs")])
    plot.main()
    assert (tmp_path / "docs" / "experiments_pretraining.png").stat().st_size > 5000
    assert (tmp_path / "docs" / "experiments_labels.png").stat().st_size > 5000
    said = capsys.readouterr().out
    assert "| frozen_10 | 2 | 4 | 1.000 [0.500, 1.500] |" in said
    assert "| frozen_10 | 2 | 00@4.8 | 0.700 [0.200, 1.200] | 0.300 [0.300, 0.300] |" in said
    assert "01@1.9" not in said
