"""Pretraining: VQ-VAE, latent actions, and the pose head on top of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import pytest
import torch

from lapose_core.errors import LaposeError
from lapose_core.export.onnx import export_checkpoint
from lapose_core.model.config import preset
from lapose_core.training.checkpoint import load_checkpoint
from lapose_core.training.config import PretrainConfig, TrainConfig, VQVAETrainConfig
from lapose_core.training.pose import ENCODER, pose_engine, train_pose
from lapose_core.training.pretrain import pretrain_engine, train_pretrain
from lapose_core.training.vqvae import load_vqvae, train_vqvae

CONFIGS = Path(__file__).parents[2] / "config" / "train"
TINY = PretrainConfig.load(CONFIGS / "pretrain_tiny.yaml")


@pytest.fixture(scope="module")
def vqvae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = dataclasses.replace(VQVAETrainConfig.load(CONFIGS / "vqvae_tiny.yaml"), steps=60, validate_every=60)
    return train_vqvae(config, tmp_path_factory.mktemp("vqvae"))


@pytest.fixture(scope="module")
def pretrained(vqvae: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_pretrain(TINY, tmp_path_factory.mktemp("pretrained"), vqvae)


def figures(folder: Path, kind: str) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_the_vqvae_uses_its_codebook_and_shows_what_it_sees(vqvae: Path) -> None:
    last = figures(vqvae, "held out")[-1]
    assert last["codebook_use"] > 0.5
    assert last["psnr_db"] > 8
    sheet = cv2.imread(str(vqvae / "reconstructions-000060.png"))
    assert sheet.shape == (2 * 64, 2 * 128, 3)
    model = load_vqvae(vqvae)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_validation_tells_whether_actions_are_used_and_what_they_hold(pretrained: Path) -> None:
    last = figures(pretrained, "held out")[-1]
    assert {"loss", "loss_shuffled", "gap", "copied", "yaw_rate_r2", "speed_r2"} <= last.keys()
    assert last["gap"] == pytest.approx(last["loss_shuffled"] - last["loss"], abs=2e-3)
    assert "data_wait_share" in figures(pretrained, "train")[-1]


def test_a_run_cut_off_goes_on_to_the_very_same_weights(vqvae: Path, pretrained: Path, tmp_path: Path) -> None:
    engine = pretrain_engine(TINY, tmp_path / "run", vqvae)
    source = engine.stage.batches(engine.share, 0)
    for _ in range(3):
        engine.train_step(next(source))
        if engine.step == 2:
            engine.save()
    train_pretrain(TINY, tmp_path / "run", vqvae)
    weights, progress = load_checkpoint(tmp_path / "run", preset("tiny"))
    assert progress["runs"][-1]["steps"] == TINY.steps
    for name, value in load_checkpoint(pretrained, preset("tiny"))[0].items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=0)


def test_two_processes_learn_as_one_with_the_joined_batch(
    vqvae: Path, tmp_path: Path, write_config, start_training
) -> None:
    for processes in (1, 2):
        config = write_config(
            "pretrain_tiny", clips=4 // processes, augment=False, log_every=1, validate_every=100, gradient_clip=0.5
        )
        run = tmp_path / f"run{processes}"
        process = start_training("pretrain", "--config", config, "--vqvae", vqvae, "--output", run, processes=processes)
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
    one, two = (figures(tmp_path / f"run{n}", "train") for n in (1, 2))
    assert len(one) == len(two) == TINY.steps
    for a, b in zip(one, two, strict=True):
        assert a["forward"] == pytest.approx(b["forward"], rel=1e-3)
    # From the same weights. Later Adam's first steps, which are the gradient's signs, part where it is near zero.
    assert one[0]["gradient"] == pytest.approx(two[0]["gradient"], rel=1e-3)
    _, progress = load_checkpoint(tmp_path / "run2", preset("tiny"))
    assert progress["runs"][-1]["processes"] == 2


def test_what_finds_the_matches_is_taken_from_another_run_and_stays(vqvae: Path, tmp_path: Path) -> None:
    pose = TrainConfig.load(CONFIGS / "tiny.yaml", steps=2, task="matching")
    matching = train_pose(pose, tmp_path / "matching")
    config = dataclasses.replace(TINY, steps=2, action_width=7)
    run = train_pretrain(config, tmp_path / "run", vqvae, start_from=matching)
    sizes = dataclasses.replace(preset("tiny"), action_width=7)
    before, after = load_checkpoint(matching, preset("tiny"))[0], load_checkpoint(run, sizes)[0]
    for name in ("tokenizer.stem.to_fine.0.weight", "tokenizer.coarse.weight", "matching.coarse_sharpness"):
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)
    assert after["inverse_dynamics.squeeze.4.weight"].shape[0] == 7
    with pytest.raises(LaposeError, match="--from"):
        train_pretrain(dataclasses.replace(TINY, matching="frozen"), tmp_path / "other", vqvae)


def test_the_pose_head_learns_on_top_of_a_frozen_encoder(pretrained: Path, tmp_path: Path) -> None:
    run = train_pose(TrainConfig.load(CONFIGS / "tiny.yaml"), tmp_path / "pose", start_from=[pretrained])
    before, after = (load_checkpoint(folder, preset("tiny"))[0] for folder in (pretrained, run))
    for name, value in after.items():
        if name.startswith(ENCODER):
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert not any(name.startswith("forward_dynamics") for name in after)
    assert "rotation_deg" in figures(run, "held out")[-1]
    assert (export_checkpoint(run, tmp_path / "model")[0]).exists()
    # Going on with it leaves the encoder frozen; --finetune does not.
    again = pose_engine(TrainConfig.load(CONFIGS / "tiny.yaml"), run)
    assert not again.stage.model.inverse_dynamics.query_D.requires_grad
    config = TrainConfig.load(CONFIGS / "tiny.yaml", encoder="trained")
    tuned = pose_engine(config, tmp_path / "tuned", start_from=[pretrained])
    assert tuned.stage.model.inverse_dynamics.query_D.requires_grad


def test_few_labels_are_the_same_few_again(tmp_path: Path) -> None:
    config = TrainConfig.load(CONFIGS / "tiny.yaml", labelled_clips=4, steps=1)
    source = pose_engine(config, tmp_path).stage
    batches = source.batches(source_share(), 0)
    seen = {round(float(value), 4) for _ in range(4) for value in next(batches).translation_BS3[:, 0, 2]}
    assert len(seen) <= 4


def source_share():
    from lapose_core.training.stage import Share

    return Share()


def test_checkpoints_of_another_kind_are_refused(vqvae: Path, pretrained: Path, tmp_path: Path) -> None:
    with pytest.raises(LaposeError, match="preset 'tiny', the config says 'compact'"):
        train_pretrain(dataclasses.replace(TINY, preset="compact"), tmp_path, vqvae)
    with pytest.raises(LaposeError, match="no VQ-VAE config"):
        train_pretrain(TINY, tmp_path, pretrained)
    with pytest.raises(LaposeError, match="preset 'tiny', the config says 'compact'"):
        train_pose(TrainConfig(preset="compact", device="cpu"), tmp_path, start_from=[pretrained])
    with pytest.raises(LaposeError, match="no pose head yet"):
        export_checkpoint(pretrained, tmp_path / "model")
    with pytest.raises(LaposeError, match="other sizes"):
        train_pretrain(dataclasses.replace(TINY, action_width=9), pretrained, vqvae)
