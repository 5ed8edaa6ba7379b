"""A contact sheet of rendered clips, to see what the world looks like."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lapose_core.files import write_atomically
from lapose_core.world.clips import sample_clips
from lapose_core.world.config import WorldConfig


def write_contact_sheet(
    path: Path | str,
    *,
    clips: int = 6,
    frames: int = 5,
    seed: int = 0,
    width: int = 480,
    height: int = 224,
    flow: bool = False,
    config: WorldConfig | None = None,
) -> None:
    """Write a PNG with one clip a row, `frames` frames spread over it; `flow` draws the exact flow to the next frame.

    Raises:
        LaposeError: numba is missing, or the picture cannot be written there.
    """
    from lapose_core.world.render_cpu import render, trace_flow

    length = max(frames, 16)
    shown = np.linspace(0, length - 2, frames).astype(int)
    drawn = sample_clips(np.random.default_rng(seed), clips, config, frames=length)
    stride = max(width // 20, 1)
    grid = trace_flow(drawn, height, width, stride)
    sheet = np.empty((clips, height, frames, width, 3), np.uint8)
    for column, frame in enumerate(shown):
        pictures = render(drawn.frames(frame, frame + 1), height, width)[:, 0]
        for row, picture in enumerate(pictures):
            image = np.ascontiguousarray(picture.transpose(1, 2, 0))
            if flow:
                _draw_arrows(image, grid.target_BSN2[row, frame], grid.visible_BSN[row, frame], stride)
            interval, fov = drawn.intervals_BS[row, frame], np.rad2deg(drawn.fov_x_B[row])
            step = np.linalg.norm(drawn.motions_BS44[row, frame, :3, 3])
            label = f"{step / interval * 3.6:.0f} km/h, {1 / interval:.1f} Hz, {fov:.0f} deg"
            cv2.putText(image, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(image, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
            sheet[row, :, column] = image
    _, data = cv2.imencode(".png", sheet.reshape(clips * height, frames * width, 3)[..., ::-1])
    write_atomically(Path(path), lambda temporary: temporary.write_bytes(data.tobytes()), cure="choose another place")


def _draw_arrows(image_HWC: np.ndarray, target_N2: np.ndarray, visible_N: np.ndarray, stride: int) -> None:
    columns = image_HWC.shape[1] // stride
    for n in np.flatnonzero(visible_N):
        column, row = n % columns, n // columns
        start = int((column + 0.5) * stride), int((row + 0.5) * stride)
        end = round(float(target_N2[n, 0])), round(float(target_N2[n, 1]))
        cv2.arrowedLine(image_HWC, start, end, (255, 220, 0), 1, cv2.LINE_AA, 0, 0.25)
