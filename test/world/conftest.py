"""Clips of the rendered world that several tests look at."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.world.clips import Clips, sample_clips


@pytest.fixture(scope="session")
def clips() -> Clips:
    return sample_clips(np.random.default_rng(3), 12, frames=6)
