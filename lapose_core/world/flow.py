"""Exact optical flow of the rendered world, on a grid of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FlowGrid:
    """Where the world points seen at the cell centres of each frame go in the next one; numpy arrays, or torch's.

    Attributes:
        target_BSN2: pixel coordinates (x, y) in the next frame, pixel centres at +0.5; float32.
        visible_BSN: in view there, and nothing in front of it.
        depth_BTN: along the optical axis (that of the row, where a camera reads row by row), metres, in every frame;
            inf for sky, nan for the own bonnet. None where it was not asked for.
    """

    target_BSN2: Any
    visible_BSN: Any
    depth_BTN: Any
