"""The probe finds what is linear in the actions, and nothing where there is nothing."""

from __future__ import annotations

import pytest
import torch

from lapose_core.training.probe import probe


@pytest.mark.parametrize("width", [5, 50, 700])
def test_a_linear_trace_is_found_among_noise(width: int) -> None:
    torch.manual_seed(0)
    actions = torch.randn(800, width)
    actions[:, 1] *= 5
    turn = actions[:, 0] * 0.3 + 2.0
    found = probe(actions, {"yaw_rate": turn + 0.03 * torch.randn(800), "speed": torch.randn(800)})
    assert found["yaw_rate_r2"] > (0.95 if width <= 50 else 0.3)
    assert found["speed_r2"] < 0.1


def test_more_actions_than_steps_are_no_harm() -> None:
    torch.manual_seed(0)
    found = probe(torch.randn(12, 50), {"speed": torch.randn(12)})
    assert -3.0 < found["speed_r2"] < 1.0
