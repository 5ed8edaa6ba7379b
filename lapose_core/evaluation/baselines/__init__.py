"""Methods to beat: each is a row of every report."""

from __future__ import annotations

from lapose_core.data.source import Intrinsics
from lapose_core.evaluation.baselines.orb import orb_methods
from lapose_core.evaluation.baselines.straight_ahead import StraightAhead
from lapose_core.evaluation.method import Method


def baselines(intrinsics: Intrinsics | None) -> list[Method]:
    """All of them; those that need to know the camera only where it is known."""
    return [StraightAhead(), *orb_methods(intrinsics)]
