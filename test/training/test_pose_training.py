"""Training: a run writes weights that another run, and the exporter, can use; settings are checked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lapose_core.errors import LaposeError
from lapose_core.model.config import preset
from lapose_core.model.lapose import LAPose
from lapose_core.training.augment import augment, compress, smooth, windscreen
from lapose_core.training.batches import ClipBatch
from lapose_core.training.checkpoint import load_checkpoint
from lapose_core.training.config import TASKS, PretrainConfig, TrainConfig, VQVAETrainConfig
from lapose_core.training.engine import learning_rate
from lapose_core.training.pose import PoseStage, train_pose

TINY = Path(__file__).parents[2] / "config" / "train" / "tiny.yaml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny run of four steps on rendered clips."""
    return train_pose(TrainConfig.load(TINY), tmp_path_factory.mktemp("run"))


def test_a_run_logs_its_losses_and_saves_weights_that_changed(trained: Path) -> None:
    weights, progress = load_checkpoint(trained, preset("tiny"))
    torch.manual_seed(TrainConfig.load(TINY).seed)
    fresh = LAPose(preset("tiny")).state_dict()
    assert any(not torch.equal(weights[name], fresh[name]) for name in fresh)
    assert progress["runs"][0]["steps"] == 4
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    named = {name for line in lines if line["kind"] == "train" for name in line}
    assert {"translation", "rotation", "fov", "scale", "coarse", "fine"} <= named
    assert any(line["kind"] == "held out" and "rotation_deg" in line for line in lines)


def test_a_second_run_goes_on_from_the_weights_of_the_first(trained: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(TrainConfig.load(TINY), steps=2)
    train_pose(config, tmp_path / "more", start_from=[trained])
    _, progress = load_checkpoint(tmp_path / "more", preset("tiny"))
    assert [run["steps"] for run in progress["runs"]] == [4, 2]


def test_the_thirds_of_training_without_a_gpu_build_on_each_other(tmp_path: Path) -> None:
    tiny = dataclasses.replace(TrainConfig.load(TINY), steps=2, validate_every=2, token_share=0.5)
    matching = train_pose(dataclasses.replace(tiny, task="matching"), tmp_path / "1")
    motion = train_pose(dataclasses.replace(tiny, task="motion"), tmp_path / "2")
    frozen = [*TASKS["matching"]]
    both = train_pose(dataclasses.replace(tiny, frozen=frozen), tmp_path / "3", start_from=[motion, matching])
    weights = {folder: load_checkpoint(folder, preset("tiny"))[0] for folder in (matching, motion, both)}

    def same(a: Path, b: Path, name: str) -> bool:
        return torch.equal(weights[a][name], weights[b][name])

    assert same(both, matching, "tokenizer.stem.to_fine.0.weight"), "what finds the matches comes from its own run"
    assert not same(both, motion, "tokenizer.stem.to_fine.0.weight")
    assert not same(both, motion, "inverse_dynamics.query_D"), "the rest learns on"


def test_a_checkpoint_of_another_preset_is_refused(trained: Path) -> None:
    with pytest.raises(LaposeError, match="train that preset on"):
        load_checkpoint(trained, dataclasses.replace(preset("tiny"), head_depth=2))
    with pytest.raises(LaposeError, match="no whole checkpoint"):
        load_checkpoint(trained / "nowhere", preset("tiny"))


def test_an_exported_model_can_be_trained_on(tiny_model_dir: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(TrainConfig.load(TINY), steps=1, learning_rate=0.0, average_decay=0.0)
    train_pose(config, tmp_path / "on", start_from=[tiny_model_dir])
    weights, _ = load_checkpoint(tmp_path / "on", preset("tiny"))
    shipped, _ = load_checkpoint(tiny_model_dir, preset("tiny"))
    torch.testing.assert_close(weights["pose_head.enter.weight"], shipped["pose_head.enter.weight"].float())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stepz: 3", "no setting 'stepz'"),
        ("steps: many", "steps must be a int"),
        ("task: sleep", "task must be one of"),
        ("wrong_clock: 0.5", "wrong_clock must be 1"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    with pytest.raises(LaposeError, match=complaint):
        TrainConfig.load(path)


def test_a_wrong_clock_is_wrong_for_a_whole_clip_and_motions_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = PoseStage(LAPose(preset("tiny")), dataclasses.replace(TrainConfig.load(TINY), wrong_clock=4.0))
    seen: list[ClipBatch] = []
    monkeypatch.setattr(stage.task, "losses", lambda batch: seen.append(batch) or {})
    intervals_BS = torch.linspace(0.1, 1.0, 15).expand(200, -1)
    truth = torch.zeros(200, 15, 3), torch.zeros(200, 15, 4), torch.ones(200)
    stage.losses(ClipBatch(None, intervals_BS, *truth, None, None))
    wrong_BS = seen[0].intervals_BS / intervals_BS
    torch.testing.assert_close(wrong_BS, wrong_BS[:, :1].expand(-1, 15))
    assert 0.25 <= wrong_BS.min() < 0.3 and 3.3 < wrong_BS.max() <= 4.0
    assert 0.4 < (wrong_BS[:, 0] > 1).float().mean() < 0.6
    assert seen[0].translation_BS3 is truth[0]


def test_every_config_that_ships_can_be_read() -> None:
    kinds = {"vqvae": VQVAETrainConfig, "pretrain": PretrainConfig}
    for path in TINY.parent.glob("*.yaml"):
        assert kinds.get(path.stem.split("_")[0], TrainConfig).load(path).steps > 0


def test_augmentation_keeps_shape_and_range_and_lights_a_clip_alike() -> None:
    torch.manual_seed(0)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 4, 3, 32, 64), dtype=np.uint8))
    seen = augment(frames)
    assert seen.shape == frames.shape
    assert seen.min() >= 0
    assert seen.max() <= 1
    brightness_BT = seen.mean((2, 3, 4))
    assert (brightness_BT.std(1) < 0.1).all()


def test_smoothing_takes_weak_detail_and_keeps_edges() -> None:
    torch.manual_seed(0)
    frames = 0.3 + 0.01 * torch.rand(1, 2, 3, 64, 64)
    frames[..., 32:] += 0.4
    seen = smooth(frames, torch.full((1, 1, 1, 1, 1), 0.02))
    assert seen[..., 24:40, 2:12].std() < 0.1 * frames[..., 24:40, 2:12].std()
    assert (seen[..., 36] - seen[..., 27]).mean() > 0.3
    assert torch.allclose(smooth(frames, torch.zeros(1, 1, 1, 1, 1)), frames, atol=1e-6)


def test_what_is_on_the_windscreen_stands_still() -> None:
    frames = torch.rand(2, 3, 3, 64, 128)
    seen = windscreen(frames, torch.tensor([0.05, 0.0]).reshape(2, 1, 1, 1, 1))
    assert seen.shape == (2, 1, 1, 64, 128), "one pattern for all frames and colours of a clip"
    assert 0.02 < seen[0].std() < 0.15
    assert not seen[1].any()


def test_compression_keeps_what_jpeg_keeps() -> None:
    ramp = torch.linspace(0.2, 0.8, 44).expand(2, 3, 3, 20, 44)
    noisy = (ramp + 0.02 * torch.randn(ramp.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    strength = torch.tensor([0.25, 2.8]).reshape(2, 1, 1, 1, 1)
    seen = compress(noisy, strength)
    assert seen.shape == noisy.shape
    light, heavy = (seen - noisy).abs().mean((1, 2, 3, 4))
    assert 0 < light < heavy < 0.05
    # The strong one also smooths: what varied from pixel to pixel is gone, the ramp is not.
    assert (seen[1] - ramp[1]).abs().mean() < (noisy[1] - ramp[1]).abs().mean() * 1.2
    flat = torch.full((1, 1, 3, 16, 16), 0.5)
    assert torch.equal(compress(flat, strength[:1]), flat)


def test_learning_rate_warms_up_and_decays() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=10)
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 50, 0.0) == pytest.approx(1.0)
    assert learning_rate(config, 50, 1.0) == pytest.approx(0.01)
