"""The engine: a run that is killed goes on, checkpoints are whole at every moment, rotten batches do no harm."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from lapose_core.errors import LaposeError
from lapose_core.model.config import preset
from lapose_core.training import checkpoint
from lapose_core.training.average import average_runs
from lapose_core.training.checkpoint import RunState, load_checkpoint, load_state, save_checkpoint
from lapose_core.training.config import TrainConfig
from lapose_core.training.pose import pose_engine, train_pose

TINY = Path(__file__).parents[2] / "config" / "train" / "tiny.yaml"


def test_a_run_killed_at_a_random_moment_goes_on_from_its_last_checkpoint(
    tmp_path: Path, write_config, start_training
) -> None:
    config, run = write_config("tiny", steps=100_000, save_every=3, validate_every=1000), tmp_path / "run"
    process = start_training("pose", "--config", config, "--output", run)
    deadline = time.monotonic() + 120
    while not (run / "progress.json").exists():
        assert time.monotonic() < deadline and process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    time.sleep(random.uniform(0.0, 1.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = max(json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines())
    saved = load_state(run).numbers["step"]
    assert saved % 3 == 0
    assert saved >= seen - 3, "no more is lost than the steps since the last checkpoint"

    config = write_config("tiny", steps=saved + 2, save_every=3, validate_every=1000)
    process = start_training("pose", "--config", config, "--output", run)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert f"going on from {run}, step {saved}" in said
    _, progress = load_checkpoint(run, preset("tiny"))
    assert [(r["steps"], r["finished"]) for r in progress["runs"]] == [(saved + 2, True)]
    assert load_state(run) is None, "what is over needs no state"
    assert not list(run.glob("state-*"))


def test_what_was_saved_comes_back_whole(tmp_path: Path) -> None:
    config = dataclasses.replace(TrainConfig.load(TINY), steps=10)
    engine = pose_engine(config, tmp_path / "run")
    source = engine.stage.batches(engine.share, 0)
    for _ in range(3):
        engine.train_step(next(source))
    engine.save()
    again = pose_engine(config, tmp_path / "run")
    assert again.step == 3
    assert again.average.steps == 3
    for a, b in zip(engine.average.averages, again.average.averages, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    for (name, a), b in zip(engine.stage.named_parameters(), again.stage.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        moments, restored = engine.optimizer.state[a], again.optimizer.state[b]
        assert set(restored) == {"step", "exp_avg", "exp_avg_sq"}, name
        for key, value in moments.items():
            torch.testing.assert_close(value, restored[key], rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), load_state(tmp_path / "run").tensors["random/torch"][0])


def test_the_checkpoint_is_whole_whenever_the_run_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def save(value: float) -> None:
        tensors = {f"layer{i}": torch.full((1024, 1024), value) for i in range(5)}
        progress = {"runs": [{"steps": int(value)}]}
        save_checkpoint(tmp_path, tensors, preset("tiny"), progress, RunState(dict(tensors), {"step": int(value)}))

    save(1.0)
    replace = checkpoint._replace
    for fatal in range(6):
        calls = iter(range(100))

        def dying(path: Path, write, calls=calls, fatal=fatal) -> None:
            if next(calls) == fatal:
                path.with_name(path.name + ".part").write_bytes(b"half")
                raise Killed
            replace(path, write)

        monkeypatch.setattr(checkpoint, "_replace", dying)
        with pytest.raises(Killed):
            save(2.0)
        weights, _ = load_checkpoint(tmp_path, preset("tiny"))
        assert {float(value.mean()) for value in weights.values()} == {1.0}
        assert load_state(tmp_path).numbers["step"] == 1
    monkeypatch.setattr(checkpoint, "_replace", replace)
    save(2.0)
    assert load_state(tmp_path).numbers["step"] == 2
    names = {path.name for path in tmp_path.iterdir()}
    assert not any("00000001" in name or name.endswith(".part") for name in names)


@pytest.mark.parametrize(
    "weights",
    [
        {f"layer{i}": torch.full((1024, 1024), float(i)) for i in range(9)},
        {"wide": torch.arange(5 * 2**20, dtype=torch.float32).view(1024, -1), "small": torch.ones(3)},
    ],
    ids=["many tensors", "one larger than a piece"],
)
def test_a_checkpoint_is_split_into_pieces_and_comes_back_whole(tmp_path: Path, weights: dict) -> None:
    save_checkpoint(tmp_path, weights, preset("tiny"), {"runs": []})
    assert all(path.stat().st_size < 16 * 2**20 for path in tmp_path.iterdir())
    back, _ = load_checkpoint(tmp_path, preset("tiny"))
    assert all(torch.equal(back[name], value) for name, value in weights.items())


def test_true_motions_are_not_rounded_in_mixed_precision(tmp_path: Path) -> None:
    engine = pose_engine(dataclasses.replace(TrainConfig.load(TINY), precision="bf16"), tmp_path / "run")
    batch = next(engine.stage.batches(engine.share, 0))
    turned = torch.rad2deg(2 * torch.asin(batch.quaternion_BS4[..., :3].norm(dim=-1))).flatten()
    torch.testing.assert_close(engine.wrapped(batch, look=True)["still_deg"], turned, rtol=1e-5, atol=1e-6)


def test_a_rotten_batch_is_passed_over(tmp_path: Path) -> None:
    engine = pose_engine(TrainConfig.load(TINY), tmp_path)
    source = engine.stage.batches(engine.share, 0)
    engine.train_step(next(source))
    kept = {name: value.clone() for name, value in engine.stage.state_dict().items()}
    rotten = next(source)
    rotten.translation_BS3[0, 0, 0] = torch.nan
    engine.train_step(rotten)
    for name, value in engine.stage.state_dict().items():
        torch.testing.assert_close(value, kept[name], rtol=0, atol=0)
    assert float(engine.sums["skipped"]) == 1
    engine.train_step(next(source))
    assert all(value.isfinite().all() for value in engine.stage.state_dict().values())


def test_a_run_that_was_cut_off_is_not_gone_on_with_as_another_task(tmp_path: Path) -> None:
    config = dataclasses.replace(TrainConfig.load(TINY), task="motion")
    engine = pose_engine(config, tmp_path)
    engine.train_step(next(engine.stage.batches(engine.share, 0)))
    engine.save()
    with pytest.raises(LaposeError, match="trained other parts"):
        train_pose(dataclasses.replace(config, task="matching"), tmp_path)


def test_a_damaged_piece_of_a_checkpoint_is_told(tmp_path: Path) -> None:
    engine = pose_engine(TrainConfig.load(TINY), tmp_path)
    engine.train_step(next(engine.stage.batches(engine.share, 0)))
    engine.save()
    piece = next(tmp_path.glob("state-*"))
    piece.write_bytes(piece.read_bytes()[:1000])
    with pytest.raises(LaposeError, match="no whole checkpoint"):
        pose_engine(TrainConfig.load(TINY), tmp_path)


def test_the_mean_of_two_runs_lies_halfway_between_their_weights(tmp_path: Path) -> None:
    first, second = ({"weight": torch.full((3, 2), value), "sharpness": torch.tensor([2.0])} for value in (1.0, 4.0))
    first["sharpness"] = torch.tensor(1.0)  # as models exported long ago have it
    for name, weights in (("first", first), ("second", second)):
        save_checkpoint(tmp_path / name, weights, preset("tiny"), {"runs": [{"steps": 5, "stage": "pose"}]})
    average_runs([tmp_path / "first", tmp_path / "second"], tmp_path / "mean")
    weights, progress = load_checkpoint(tmp_path / "mean", preset("tiny"))
    torch.testing.assert_close(weights["weight"], torch.full((3, 2), 2.5))
    torch.testing.assert_close(weights["sharpness"], torch.tensor([1.5]))
    assert len(progress["runs"]) == 2


def test_runs_of_different_sizes_have_no_mean(tmp_path: Path) -> None:
    for name in ("tiny", "compact"):
        save_checkpoint(tmp_path / name, {"weight": torch.zeros(1)}, preset(name), {"runs": []})
    with pytest.raises(LaposeError, match="other sizes"):
        average_runs([tmp_path / "tiny", tmp_path / "compact"], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
