"""The renderer on the GPU: Triton kernels draw the same picture, from the same tables, as `render_cpu`.

Tolerance: pictures differ from those of `render_cpu` by less than 0.5 grey levels on average, and 99.5 % of the values
by 3 at most. Flow differs by less than 0.05 pixels where both see the point; visibility is the same in 99 % of cells.

With TRITON_INTERPRET=1 in the environment it runs on the CPU, slowly, for tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lapose_core.errors import LaposeError
from lapose_core.world.clips import Clips
from lapose_core.world.flow import FlowGrid
from lapose_core.world.tables import NOTHING
from lapose_core.world.textures import texture_atlas

try:
    import torch
    import triton

    from lapose_core.world.triton_kernels import compile_kernels
except ImportError as error:
    raise LaposeError("drawing on the GPU needs torch and triton: pip install 'lapose[train]'") from error

TILE = (8, 16)  # pixels, height and width; one for each thread of four warps
_CELLS = 128  # cells of flow that a program traces

_kernels = compile_kernels()
_atlas: dict[torch.device, torch.Tensor] = {}


class _Tables(NamedTuple):
    """A `Clips`' tables on the device, in the order in which the kernels take them."""

    cameras_BTC: torch.Tensor
    arcs_BAC: torch.Tensor
    looks_BC: torch.Tensor
    boxes_BTKC: torch.Tensor
    atlas: torch.Tensor


def render(
    clips: Clips, height: int, width: int, device: torch.device | str = "cuda", *, tile: tuple[int, int] = TILE
) -> torch.Tensor:
    """Draw all frames: `frames_BTCHW`, uint8 RGB, on the device."""
    return _draw(_upload(clips, device), height, width, tile)


def trace_flow(
    clips: Clips, height: int, width: int, stride: int = 16, device: torch.device | str = "cuda"
) -> FlowGrid:
    """Exact flow of the world points at the centres of stride x stride cells, as torch tensors on the device."""
    return _trace(_upload(clips, device), height, width, stride, with_depth=True)


def render_with_flow(
    clips: Clips,
    height: int,
    width: int,
    stride: int = 16,
    device: torch.device | str = "cuda",
    *,
    tile: tuple[int, int] = TILE,
) -> tuple[torch.Tensor, FlowGrid]:
    """`render` and `trace_flow` of the same clips, which go to the device once; no depth. For training."""
    tables = _upload(clips, device)
    return _draw(tables, height, width, tile), _trace(tables, height, width, stride, with_depth=False)


def _upload(clips: Clips, device: torch.device | str) -> _Tables:
    device = torch.device(device)
    if device not in _atlas:
        _atlas[device] = torch.from_numpy(texture_atlas()).to(device)
    parts = (np.ascontiguousarray(p) for p in (clips.cameras_BTC, clips.arcs_BAC, clips.looks_BC, clips.boxes_BTKC))
    return _Tables(*(torch.from_numpy(part).to(device, non_blocking=True) for part in parts), _atlas[device])


def _draw(tables: _Tables, height: int, width: int, tile: tuple[int, int]) -> torch.Tensor:
    cameras, arcs, _, boxes, _ = tables
    B, T, _ = cameras.shape
    frames = torch.empty((B, T, 3, height, width), dtype=torch.uint8, device=cameras.device)
    grid = (B * T, triton.cdiv(height, tile[0]) * triton.cdiv(width, tile[1]))
    _kernels["draw"][grid](*tables, frames, T, arcs.shape[1], boxes.shape[2], height, width, *tile)
    return frames


def _trace(tables: _Tables, height: int, width: int, stride: int, *, with_depth: bool) -> FlowGrid:
    cameras, _, looks, boxes, atlas = tables
    B, T, _ = cameras.shape
    N = (height // stride) * (width // stride)
    target = torch.zeros((B, T - 1, N, 2), device=cameras.device)
    visible = torch.zeros((B, T - 1, N), dtype=torch.int8, device=cameras.device)
    depth = torch.empty((B, T, N), device=cameras.device) if with_depth else None
    _kernels["trace"][(B * T, triton.cdiv(N, _CELLS))](
        cameras, looks, boxes, atlas, target, visible, depth, T, boxes.shape[2], height, width, stride, N, _CELLS
    )
    if depth is not None:
        depth[depth >= NOTHING] = torch.inf
        depth[depth == 0.0] = torch.nan
    return FlowGrid(target, visible.bool(), depth)
