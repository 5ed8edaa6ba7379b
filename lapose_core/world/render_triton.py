"""The renderer on the GPU: one Triton kernel draws the same picture, from the same tables, as `render_cpu`.

With TRITON_INTERPRET=1 in the environment it runs on the CPU, slowly, for tests.
"""

from __future__ import annotations

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


def _tables(clips: Clips, device: torch.device) -> list[torch.Tensor]:
    if device not in _atlas:
        _atlas[device] = torch.from_numpy(texture_atlas()).to(device)
    parts = (np.ascontiguousarray(p) for p in (clips.cameras_BTC, clips.arcs_BAC, clips.looks_BC, clips.boxes_BTKC))
    return [*(torch.from_numpy(part).to(device, non_blocking=True) for part in parts), _atlas[device]]


def render(
    clips: Clips, height: int, width: int, device: torch.device | str = "cuda", *, tile: tuple[int, int] = TILE
) -> torch.Tensor:
    """Draw all frames: `frames_BTCHW`, uint8 RGB, on the device."""
    device = torch.device(device)
    B, T = clips.stamps_ns_BT.shape
    frames = torch.empty((B, T, 3, height, width), dtype=torch.uint8, device=device)
    grid = (B * T, triton.cdiv(height, tile[0]) * triton.cdiv(width, tile[1]))
    _kernels["draw"][grid](
        *_tables(clips, device), frames, T, clips.arcs_BAC.shape[1], clips.boxes_BTKC.shape[2],
        height, width, *tile,
    )  # fmt: skip
    return frames


def trace_flow(
    clips: Clips, height: int, width: int, stride: int = 16, device: torch.device | str = "cuda"
) -> FlowGrid:
    """Exact flow of the world points at the centres of stride x stride cells, as torch tensors on the device."""
    device = torch.device(device)
    B, T = clips.stamps_ns_BT.shape
    N = (height // stride) * (width // stride)
    target = torch.zeros((B, T - 1, N, 2), device=device)
    visible = torch.zeros((B, T - 1, N), dtype=torch.int8, device=device)
    depth = torch.empty((B, T, N), device=device)
    cameras, _, looks, boxes, atlas = _tables(clips, device)
    _kernels["trace"][(B * T, triton.cdiv(N, _CELLS))](
        cameras, looks, boxes, atlas, target, visible, depth, T, clips.boxes_BTKC.shape[2],
        height, width, stride, N, _CELLS,
    )  # fmt: skip
    depth[depth >= NOTHING] = torch.inf
    depth[depth == 0.0] = torch.nan
    return FlowGrid(target, visible.bool(), depth)
