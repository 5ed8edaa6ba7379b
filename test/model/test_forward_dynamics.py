"""Forward dynamics: sees the past and the actions so far, and nothing that comes later."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lapose_core.model.config import FORWARD_PRESETS
from lapose_core.model.forward_dynamics import ForwardDynamics


@pytest.fixture
def model() -> ForwardDynamics:
    torch.manual_seed(0)
    return ForwardDynamics(FORWARD_PRESETS["tiny"], codes=16, places=6, steps=5, action_width=8).eval()


def test_logits_depend_on_nothing_later(model: ForwardDynamics) -> None:
    codes, actions = torch.randint(0, 16, (2, 5, 6)), torch.randn(2, 5, 8)
    intervals = torch.full((2, 5), 0.5)
    before = model(codes, actions, intervals)
    assert before.shape == (2, 5, 6, 16)
    codes[:, 3:], actions[:, 3:] = 0, 0.0
    after = model(codes, actions, intervals)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3], before[:, 3])


def test_every_place_hears_of_the_action(model: ForwardDynamics) -> None:
    codes, intervals = torch.randint(0, 16, (1, 5, 6)), torch.full((1, 5), 0.5)
    logits = model(codes, torch.zeros(1, 5, 8), intervals), model(codes, torch.ones(1, 5, 8), intervals)
    assert ((logits[0] - logits[1]).abs().amax(-1) > 1e-3).all()


def test_a_shorter_clip_is_the_beginning_of_a_longer_one(model: ForwardDynamics) -> None:
    codes, actions, intervals = torch.randint(0, 16, (1, 5, 6)), torch.randn(1, 5, 8), torch.full((1, 5), 0.5)
    whole = model(codes, actions, intervals)
    torch.testing.assert_close(model(codes[:, :2], actions[:, :2], intervals[:, :2]), whole[:, :2])


def test_it_learns_what_only_the_action_tells() -> None:
    """The next frame's code is a number that nothing but the action says."""
    torch.manual_seed(0)
    model = ForwardDynamics(FORWARD_PRESETS["tiny"], codes=4, places=6, steps=2, action_width=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    intervals = torch.full((16, 2), 0.5)

    def losses() -> tuple[torch.Tensor, torch.Tensor]:
        told_BS = torch.randint(0, 4, (16, 2))
        codes_BTN = torch.cat([torch.randint(0, 4, (16, 1)), told_BS], 1)[..., None].expand(-1, -1, 6)
        actions_BSD = F.one_hot(told_BS, 4).float()
        logits = [model(codes_BTN[:, :-1], actions, intervals) for actions in (actions_BSD, actions_BSD.roll(1, 0))]
        own, shuffled = (F.cross_entropy(x.flatten(0, 2), codes_BTN[:, 1:].flatten()) for x in logits)
        return own, shuffled

    for _ in range(40):
        own, _ = losses()
        optimizer.zero_grad()
        own.backward()
        optimizer.step()
    own, shuffled = losses()
    assert own < 0.5
    assert shuffled > own + 0.5
