"""The mixture of clips: weights are kept, rendered clips depend on the step alone, bad drives are left out."""

from __future__ import annotations

import dataclasses
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lapose_core.errors import LaposeError
from lapose_core.model.config import preset
from lapose_core.training.clip_streams import ClipMixture, held_out_clips
from lapose_core.training.config import ClipConfig, PretrainConfig
from lapose_core.training.sources import open_mixture
from lapose_core.training.stage import Share

CPU = torch.device("cpu")
CONFIG = ClipConfig(preset="tiny", clips=4, frames=4, draw_clips=2, draw_workers=0, read_workers=0)


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    """A video of six seconds, and a file that is none."""
    writer = cv2.VideoWriter(str(tmp_path / "drive.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (160, 96))
    for i in range(60):
        writer.write(np.full((96, 160, 3), 4 * i, np.uint8))
    writer.release()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    return tmp_path


def test_rendered_clips_depend_on_seed_step_and_place_alone() -> None:
    # Workers first: a process that has drawn with numba can't be forked any more.
    workers = dataclasses.replace(CONFIG, draw_workers=2)
    held_out_clips(workers, (64, 128), CPU, 2, seed=5)
    ahead = list(islice(ClipMixture(workers, (64, 128)).batches(Share(), 0, CPU), 2))
    first = list(islice(ClipMixture(CONFIG, (64, 128)).batches(Share(), 0, CPU), 3))
    third = next(ClipMixture(CONFIG, (64, 128)).batches(Share(), 2, CPU))
    assert torch.equal(first[2].frames_BTCHW, third.frames_BTCHW)
    two = dataclasses.replace(CONFIG, clips=2)
    parts = [next(ClipMixture(two, (64, 128)).batches(Share(rank, 2), 1, CPU)) for rank in (0, 1)]
    assert torch.equal(first[1].frames_BTCHW, torch.cat([part.frames_BTCHW for part in parts]))
    assert torch.equal(first[1].frames_BTCHW, ahead[1].frames_BTCHW)


def test_sources_are_mixed_by_their_weights(drives: Path) -> None:
    sources = [{"kind": "rendered", "weight": 1.0}, {"kind": "folder", "path": str(drives), "weight": 3.0}]
    config = dataclasses.replace(CONFIG, sources=sources)
    mixture = open_mixture(config, preset("tiny"))
    counts = [mixture.counts(Share(), step) for step in range(2000)]
    assert all(blocks * 2 + others[0] == 4 for blocks, others in counts)
    assert np.mean([blocks * 2 for blocks, _ in counts]) == pytest.approx(1.0, abs=0.08)
    batch = next(mixture.batches(Share(), 0, CPU))
    assert batch.frames_BTCHW.shape == (4, 4, 3, 64, 128)
    assert batch.intervals_BS.min() > 0.1


def test_a_drive_that_cannot_be_read_is_left_out_and_training_goes_on(
    drives: Path, capfd: pytest.CaptureFixture
) -> None:
    config = dataclasses.replace(CONFIG, sources=[{"kind": "folder", "path": str(drives)}], read_workers=2)
    mixture = open_mixture(config, preset("tiny"))
    assert len(list(islice(mixture.batches(Share(), 0, CPU), 20))) == 20
    assert mixture.left_out == 1
    assert "left out" in capfd.readouterr().err


def test_training_on_nothing_is_refused(drives: Path) -> None:
    (drives / "drive.avi").unlink()
    config = dataclasses.replace(CONFIG, sources=[{"kind": "folder", "path": str(drives)}], read_workers=1)
    with pytest.raises(LaposeError, match="nothing of it can be trained on"):
        next(open_mixture(config, preset("tiny")).batches(Share(), 0, CPU))


def test_drives_slower_than_the_slowest_rate_are_refused(drives: Path) -> None:
    config = dataclasses.replace(
        CONFIG, sources=[{"kind": "folder", "path": str(drives), "fps": 3.0}], rate_hz=[8.0, 12.0]
    )
    with pytest.raises(LaposeError, match="no 4 frames in a row at 8 to 12 Hz"):
        next(open_mixture(config, preset("tiny")).batches(Share(), 0, CPU))


def test_held_out_clips_can_share_one_rate() -> None:
    clips = held_out_clips(CONFIG, (64, 128), CPU, 6, seed=5, one_rate=True)
    assert sum(len(batch.frames_BTCHW) for batch in clips) == 6
    for batch in clips:
        torch.testing.assert_close(batch.intervals_BS, torch.full_like(batch.intervals_BS, 0.5))
        assert batch.speed_BS.shape == batch.intervals_BS.shape


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sources: [{kind: dream}]", "kind must be one of rendered, folder, shards"),
        ("sources: [{kind: folder}]", "needs a path"),
        ("sources: [{kind: rendered, wight: 2}]", "has no wight"),
        ("rate_hz: [1]", "rate_hz must be two numbers"),
        ("frames: 1", "frames must be 2 or more"),
    ],
)
def test_a_wrong_source_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    with pytest.raises(LaposeError, match=complaint):
        PretrainConfig.load(path)


@pytest.mark.parametrize("rates", [[0.0, 4.0], [4.0, 1.0]])
def test_a_frame_rate_of_nothing_is_refused(rates: list[float]) -> None:
    with pytest.raises(LaposeError, match="no range of frame rates"):
        open_mixture(dataclasses.replace(CONFIG, rate_hz=rates), preset("tiny"))
