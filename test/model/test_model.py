"""The model: shapes, what sees what, scale decoupling, and the matching on features with a known answer."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.errors import LaposeError
from lapose_core.model.config import PRESETS, ModelConfig, preset
from lapose_core.model.lapose import LAPose, load_weights
from lapose_core.model.losses import MotionTarget, couple_scale, decouple_scale, matching_losses, pose_losses
from lapose_core.model.matching import GlobalMatching, cell_centres
from lapose_core.model.tokenizer import COARSE_STRIDE, FINE_STRIDE

TINY = preset("tiny")


def frames(count: int, config: ModelConfig = TINY, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (1, count, 3, config.image_height, config.image_width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.fixture
def model() -> LAPose:
    torch.manual_seed(0)
    return LAPose(TINY).eval()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_turns_16_frames_into_15_motions(name: str) -> None:
    config = preset(name)
    with torch.device("meta"):
        model = LAPose(config)
        clip = torch.zeros(1, 16, 3, config.image_height, config.image_width)
        prediction, _ = model(clip, torch.zeros(1, 15))
    assert prediction["translation_BS3"].shape == (1, 15, 3)
    assert prediction["quaternion_BS4"].shape == (1, 15, 4)
    assert prediction["log_scale_B"].shape == (1,)


def test_paper_preset_has_the_papers_sizes() -> None:
    config = preset("paper")
    assert config.grid == (7, 15)
    assert (config.width, config.tokenizer_depth, config.action_width, config.clip_length) == (1536, 12, 50, 16)


def test_compact_preset_has_about_ten_million_parameters() -> None:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in LAPose(preset("compact")).parameters())
    assert 9e6 < count < 25e6


def test_latent_action_of_two_frames_does_not_depend_on_the_clip_around_them(model: LAPose) -> None:
    clip, intervals = frames(5), torch.full((1, 4), 0.25)
    with torch.no_grad():
        features = model.tokenize(clip[0])
        pairs = [{name: value[i : i + 1] for name, value in features.items()} for i in range(5)]
        streamed = torch.cat([model.infer_action(pairs[i], pairs[i + 1], intervals[:, i])[0] for i in range(4)])[None]
        decoded = model.decode_motions(streamed, intervals)
        whole, _ = model(clip, intervals)
    torch.testing.assert_close(decoded["quaternion_BS4"], whole["quaternion_BS4"], atol=1e-5, rtol=0)
    torch.testing.assert_close(decoded["scale_B"], whole["log_scale_B"].exp(), atol=1e-5, rtol=0)


def test_queries_of_a_long_context_see_no_later_frame() -> None:
    config = dataclasses.replace(TINY, context_frames=16, matching_width=0)
    model = LAPose(config).eval()
    early = frames(6, config)
    late = early.clone()
    late[:, 4:] = frames(2, config, seed=1)
    with torch.no_grad():
        actions = [
            model.inverse_dynamics(model.tokenize(clip[0])["tokens"][None], torch.full((1, 5), 0.25))
            for clip in (early, late)
        ]
    torch.testing.assert_close(actions[0][:, :3], actions[1][:, :3])
    assert not torch.allclose(actions[0][:, 3:], actions[1][:, 3:])


def test_rotations_are_unit_quaternions_with_positive_real_part(model: LAPose) -> None:
    with torch.no_grad():
        quaternion, *_ = model.decode_motions(torch.randn(3, 7, 50) * 30, torch.rand(3, 7))["quaternion_BS4"].unbind(0)
    torch.testing.assert_close(quaternion.norm(dim=-1), torch.ones(7))
    assert (quaternion[:, 3] >= 0).all()


@given(st.lists(st.floats(-50, 50), min_size=9, max_size=9))
def test_scale_decoupling_is_undone_by_coupling(values: list[float]) -> None:
    translation = torch.tensor(values, dtype=torch.float64).view(1, 3, 3)
    normalised, scale = decouple_scale(translation)
    torch.testing.assert_close(couple_scale(normalised, scale), translation)
    assert normalised.norm(dim=-1).mean() <= 1 + 1e-9


def test_the_four_losses_vanish_for_the_truth_and_a_parked_clip_is_finite() -> None:
    target = MotionTarget(torch.zeros(1, 4, 3), torch.tensor([0.0, 0, 0, 1]).expand(1, 4, 4), torch.tensor([1.1]))
    prediction = {
        "translation_BS3": torch.zeros(1, 4, 3),
        "quaternion_BS4": target.quaternion_BS4,
        "fov_x_BS": torch.full((1, 4), 1.1),
        "log_scale_B": torch.tensor([0.05]).log(),
    }
    losses = pose_losses(prediction, target)
    assert set(losses) == {"translation", "rotation", "fov", "scale"}
    assert all(value == 0 for value in losses.values())


def test_matching_follows_a_shift_below_the_size_of_its_cells() -> None:
    """Descriptors that are smooth functions of the place, moved by a known number of pixels."""
    config = dataclasses.replace(TINY, image_height=128, image_width=256, matching_width=32)
    matching = GlobalMatching(config)
    matching.coarse_sharpness.data.fill_(5.0)
    matching.fine_sharpness.data.fill_(5.0)
    generator = torch.Generator().manual_seed(0)
    shift = torch.tensor([13.0, -6.0])

    def descriptors(stride: int, channels: int, length_px: float, offset: torch.Tensor) -> torch.Tensor:
        generator.manual_seed(stride)
        wave = torch.randn(channels, 2, generator=generator) / length_px
        phase = torch.rand(channels, generator=generator) * 6.28
        at = cell_centres(config, stride) - offset
        rows, columns = config.image_height // stride, config.image_width // stride
        maps = torch.sin(at @ wave.T + phase).T.view(1, channels, rows, columns)
        return torch.nn.functional.normalize(maps, dim=1)

    earlier, later = (
        {"coarse": descriptors(COARSE_STRIDE, 32, 20.0, offset), "fine": descriptors(FINE_STRIDE, 16, 8.0, offset)}
        for offset in (torch.zeros(2), shift)
    )
    with torch.no_grad():
        matches = matching(earlier, later)
    inside = ((matching.queries_N2 + shift > 16) & (matching.queries_N2 + shift < torch.tensor([240.0, 112.0]))).all(-1)
    error = (matches.target_BN2[0] - matching.queries_N2 - shift)[inside].norm(dim=-1)
    assert error.median() < 1.0
    losses = matching_losses(matches, (matching.queries_N2 + shift)[None], inside[None], config)
    assert all(torch.isfinite(value) for value in losses.values())


def test_weights_of_another_preset_are_refused_with_a_reason(tiny_model_dir, tmp_path) -> None:
    with pytest.raises(LaposeError, match="another preset"):
        load_weights(LAPose(dataclasses.replace(TINY, width=64)), tiny_model_dir / "weights.safetensors")
    broken = tmp_path / "weights.safetensors"
    broken.write_bytes(b"not weights at all")
    with pytest.raises(LaposeError, match="not a whole safetensors file"):
        load_weights(LAPose(TINY), broken)


def test_unknown_preset_names_the_choices() -> None:
    with pytest.raises(LaposeError, match="paper, compact, tiny"):
        preset("huge")
