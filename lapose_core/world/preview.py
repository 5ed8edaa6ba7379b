"""Contact sheets of rendered clips, to see what the world looks like."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lapose_core.files import write_atomically
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.conditions import CONDITIONS, condition_clips
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
    drawn = sample_clips(np.random.default_rng(seed), clips, config, frames=max(frames, 16))
    labels = [
        [f"{speed * 3.6:.0f} km/h, {1 / interval:.1f} Hz, {fov:.0f} deg" for speed, interval in zip(*row, strict=True)]
        for row, fov in zip(
            zip(_speeds(drawn), drawn.intervals_BS, strict=True), np.rad2deg(drawn.fov_x_B), strict=True
        )
    ]
    _write(Path(path), _sheet(drawn, labels, frames, width, height, flow))


def write_conditions_sheet(
    path: Path | str, *, columns: int = 3, frames: int = 2, width: int = 180, height: int = 84, rate_hz: float = 4.0
) -> None:
    """Write a PNG with `frames` frames of the first clip of each condition, `columns` conditions beside each other.

    Raises:
        LaposeError: numba is missing, or the picture cannot be written there.
    """
    strips = []
    for name in CONDITIONS:
        (drawn,) = condition_clips(name, 1, rate_hz)
        # Drawn larger than shown, as cameras see it: without steps at edges.
        strip = _sheet(drawn, None, frames, 2 * width, 2 * height, False)
        strip = cv2.resize(strip, (frames * width, height), interpolation=cv2.INTER_AREA)
        strips.append(_labelled(strip, name.replace("_", " ")))
    strips += [np.zeros_like(strips[0])] * (-len(strips) % columns)
    rows = [np.concatenate(strips[i : i + columns], 1) for i in range(0, len(strips), columns)]
    _write(Path(path), np.concatenate(rows))


def _speeds(clips: Clips) -> np.ndarray:
    """Metres a second (B, S)."""
    return np.linalg.norm(clips.motions_BS44[..., :3, 3], axis=-1) / clips.intervals_BS


def _sheet(
    clips: Clips, labels: list[list[str]] | None, frames: int, width: int, height: int, flow: bool
) -> np.ndarray:
    """Picture (H, W, 3) with a clip a row, `frames` frames spread over it."""
    from lapose_core.world.render_cpu import render, trace_flow

    B, length = clips.stamps_ns_BT.shape
    stride = max(width // 20, 1)
    grid = trace_flow(clips, height, width, stride) if flow else None
    sheet = np.empty((B, height, frames, width, 3), np.uint8)
    for column, frame in enumerate(np.linspace(0, length - 2, frames).astype(int)):
        pictures = render(clips.frames(frame, frame + 1), height, width)[:, 0]
        for row, picture in enumerate(pictures):
            image = np.ascontiguousarray(picture.transpose(1, 2, 0))
            if grid is not None:
                _draw_arrows(image, grid.target_BSN2[row, frame], grid.visible_BSN[row, frame], stride)
            sheet[row, :, column] = _labelled(image, labels[row][frame]) if labels else image
    return sheet.reshape(B * height, frames * width, 3)


def _labelled(image_HWC: np.ndarray, label: str) -> np.ndarray:
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image_HWC, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, thickness, cv2.LINE_AA)
    return image_HWC


def _write(path: Path, sheet_HWC: np.ndarray) -> None:
    _, data = cv2.imencode(".png", sheet_HWC[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_atomically(path, lambda temporary: temporary.write_bytes(data.tobytes()), cure="choose another place")


def _draw_arrows(image_HWC: np.ndarray, target_N2: np.ndarray, visible_N: np.ndarray, stride: int) -> None:
    columns = image_HWC.shape[1] // stride
    for n in np.flatnonzero(visible_N):
        column, row = n % columns, n // columns
        start = int((column + 0.5) * stride), int((row + 0.5) * stride)
        end = round(float(target_N2[n, 0])), round(float(target_N2[n, 1]))
        cv2.arrowedLine(image_HWC, start, end, (255, 220, 0), 1, cv2.LINE_AA, 0, 0.25)
