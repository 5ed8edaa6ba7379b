"""Whether pictures and flow say the same."""

from __future__ import annotations

import cv2
import numpy as np

from lapose_core.world.flow import FlowGrid


def cell_centres(height: int, width: int, stride: int) -> np.ndarray:
    """Pixels (N, 2) of the centres of the flow's cells."""
    x, y = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
    return ((np.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride).astype(np.float32)


def differences(frames_BTCHW: np.ndarray, flow: FlowGrid, stride: int) -> tuple[float, float]:
    """Grey levels by which visible points differ from the next frame: at the same place, and where the flow says."""
    centres_N2 = cell_centres(*frames_BTCHW.shape[3:], stride)

    def look_up(frame_CHW: np.ndarray, points_N2: np.ndarray) -> np.ndarray:
        smooth = cv2.GaussianBlur(frame_CHW.transpose(1, 2, 0).astype(np.float32), (0, 0), 1.0)
        return cv2.remap(smooth, points_N2[None, :, 0] - 0.5, points_N2[None, :, 1] - 0.5, cv2.INTER_LINEAR)[0]

    still, warped = [], []
    for clip, target_SN2, visible_SN in zip(frames_BTCHW, flow.target_BSN2, flow.visible_BSN, strict=True):
        for now, later, target, visible in zip(clip[:-1], clip[1:], target_SN2, visible_SN, strict=True):
            here = look_up(now, centres_N2[visible])
            still.append(np.abs(here - look_up(later, centres_N2[visible])).mean())
            warped.append(np.abs(here - look_up(later, target[visible])).mean())
    return float(np.mean(still)), float(np.mean(warped))


def assert_flow_fits(frames_BTCHW: np.ndarray, flow: FlowGrid, stride: int) -> None:
    """The next frame, warped by the flow, looks like this one."""
    still, warped = differences(frames_BTCHW, flow, stride)
    assert warped < 0.3 * still
    assert warped < 5.0
