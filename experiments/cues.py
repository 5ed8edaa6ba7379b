"""What the pose head reads field of view and scale off: clips of which one look is changed at a time.

    python -m experiments.cues --model compact --clips 24                   # rendered
    python -m experiments.cues --real ../shared/data/kitti_odometry/sequences/06 --starts 0 10 20 --rate 4.8

Rendered: straight drives through a camera of 58.5 degrees. A model that reads either off something that real roads do
not keep to shows it here: its figures move with that look. Figures move by a few hundredths between sets of 24 clips.
Real: parts of the pictures are hidden, or the clip is said to have taken another time. The head is asked alone: what
the matches and the road say later (`lapose_core/adjustment`) would cover what it does.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from lapose_core.data.open import open_source
from lapose_core.evaluation.metrics import log_ratio, mean_step
from lapose_core.evaluation.windows import CLIP_LENGTH
from lapose_core.models import find_model
from lapose_core.runtime.backends.backend import Backend, InferredSteps
from lapose_core.runtime.backends.open import open_backend
from lapose_core.world import tables as t
from lapose_core.world.clips import Clips, sample_clips
from lapose_core.world.config import WorldConfig
from lapose_core.world.render_cpu import render

SEED = 5_000_011
WORLD = WorldConfig(
    rate_hz=(4.8, 4.8), fov_x_deg=(58.0, 59.0), fov_x_usual_share=0.0, turning_share=0.0, reversing_share=0.0,
    standing_share=0.0, stopping_share=0.0, shake_share=0.0, bonnet_share=0.0, dense_share=0.0,
    weather_shares=(1.0, 0.0, 0.0, 0.0),
)  # fmt: skip

Look = Callable[[np.ndarray], dict[int, np.ndarray | float]]
Picture = Callable[[np.ndarray], np.ndarray]

#: Changes of the look table (B, columns), by name: column -> new values.
LOOKS: dict[str, Look] = {
    "as drawn": lambda looks: {},
    "road alike in all directions": lambda looks: {t.ROAD_STRETCH: 0.0},
    "road drawn out 4 times": lambda looks: {t.ROAD_STRETCH: 4.0},
    "road drawn out 12 times": lambda looks: {t.ROAD_STRETCH: 12.0},
    "wheel tracks, dirt at the kerb": lambda looks: {t.TRACKS: -0.2, t.GUTTER: -0.3},
    "fresh asphalt": lambda looks: {t.ROAD_CONTRAST: 0.02, t.STAIN_CONTRAST: 0.015, t.PATCHES: 0.0},
    "texture half as large": lambda looks: _texel(looks, 0.5),
    "texture twice as large": lambda looks: _texel(looks, 2.0),
    "no paint": lambda looks: {t.LANE_PAINT: 0.0, t.EDGE_PAINT: 0.0, t.CENTRE_PAINT: 0.0},
    "dashes twice as long": lambda looks: {column: 2 * looks[:, column] for column in (t.DASH_LENGTH, t.DASH_PERIOD)},
    "lanes four fifths as wide": lambda looks: {t.LANE_WIDTH: 0.8 * looks[:, t.LANE_WIDTH]},
}  # fmt: skip

#: Changes of the pictures (H, W, 3), by name.
PICTURES: dict[str, Picture] = {
    "dark": lambda image: (255 * 0.4 * (image / 255.0) ** 1.5).astype(np.uint8),
    "blurred by 1.5 pixels": lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
    "barrel distortion, k1 -0.2": lambda image: _barrel(image, -0.2),
}


#: What of a real picture is blurred beyond recognition.
HIDDEN: dict[str, Picture] = {
    "as it is": lambda image: image,
    "all blurred by 2.5 pixels": lambda image: cv2.GaussianBlur(image, (0, 0), 2.5),
    "brightness to the power of 0.6": lambda image: (255 * (image / 255.0) ** 0.6).astype(np.uint8),
    "no road": lambda image: _hide(image, lambda x, y: (y > 0) & (np.abs(x) < 1.8 * y + 0.02)),
    "nothing beside the road, below the horizon": lambda image: _hide(
        image, lambda x, y: (y > 0) & (np.abs(x) >= 1.8 * y + 0.02)
    ),
    "nothing below the horizon": lambda image: _hide(image, lambda x, y: y > 0),
    "nothing above the horizon": lambda image: _hide(image, lambda x, y: y < 0),
}  # fmt: skip
#: Times that a real clip is said to have taken, of the true one.
CLOCKS = (0.5, 2.0, 3.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--clips", type=int, default=24, help="rendered ones")
    parser.add_argument("--real", type=Path, help="a source of real frames, in place of rendered clips")
    parser.add_argument("--starts", type=int, nargs="+", default=[0], help="first frames of the real clips")
    parser.add_argument("--rate", type=float, default=4.8, help="frames a second of the real clips")
    options = parser.parse_args()
    backend = open_backend(find_model(options.model), options.backend)
    if options.real:
        show_real(backend, real_clips(options.real, options.starts, options.rate), 1 / options.rate)
    else:
        show_rendered(backend, options.clips)


def show_rendered(backend: Backend, count: int) -> None:
    clips = sample_clips(np.random.default_rng(SEED), count, WORLD)
    print("| what | field of view, median deg (58.5) | log scale, median | 10 %, 90 % |\n| --- | --- | --- | --- |")
    for name, change in LOOKS.items():
        looks_BC = clips.looks_BC.copy()
        for column, values in change(clips.looks_BC).items():
            looks_BC[:, column] = values
        _show(name, backend, replace(clips, looks_BC=looks_BC))
    for name, picture in PICTURES.items():
        _show(name, backend, clips, picture)


def _show(name: str, backend: Backend, clips: Clips, picture: Picture = lambda image: image) -> None:
    found = []
    size = backend.config.image_height, backend.config.image_width
    for frames_TCHW, intervals_S, truth_S44 in zip(
        render(clips, *size), clips.intervals_BS, clips.motions_BS44, strict=True
    ):
        frames_THWC = [picture(np.ascontiguousarray(frame.transpose(1, 2, 0))) for frame in frames_TCHW]
        fov_deg, step_m = guess(backend, frames_THWC, intervals_S)
        found.append((fov_deg, log_ratio(step_m, mean_step(truth_S44))))
    fov_deg, log_scale = np.array(found).T
    low, middle, high = np.quantile(log_scale, [0.1, 0.5, 0.9])
    print(f"| {name} | {np.median(fov_deg):.1f} | {middle:+.2f} | {low:+.2f}, {high:+.2f} |", flush=True)


def real_clips(path: Path, starts: list[int], rate_hz: float) -> list[list[np.ndarray]]:
    """Clips of a source from these frames on, near enough at that rate."""
    frames = list(open_source(path))
    every = max(1, round(1e9 / rate_hz / np.median(np.diff([frame.stamp_ns for frame in frames]))))
    last = len(frames) - 1 - every * (CLIP_LENGTH - 1)
    if max(starts) > last:
        raise SystemExit(
            f"{path} has {len(frames)} frames: start at frame {last} at the latest, or give a higher --rate"
        )
    return [[frame.image_HWC for frame in frames[start::every][:CLIP_LENGTH]] for start in starts]


def show_real(backend: Backend, clips: list[list[np.ndarray]], interval_s: float) -> None:
    intervals_S = np.full(CLIP_LENGTH - 1, interval_s)
    print("| what | of each clip: field of view of the model's input, deg; length of a step, m |\n| --- | --- |")
    for name, hide in HIDDEN.items():
        found = [guess(backend, [hide(image) for image in clip], intervals_S) for clip in clips]
        print(f"| {name} | {', '.join(f'{fov:.1f}; {step:.2f}' for fov, step in found)} |", flush=True)
    for factor in CLOCKS:
        found = [guess(backend, clip, intervals_S * factor) for clip in clips]
        print(f"| {factor:g} of the time | {', '.join(f'{fov:.1f}; {step:.2f}' for fov, step in found)} |", flush=True)


def guess(backend: Backend, frames_THWC: list[np.ndarray], intervals_S: np.ndarray) -> tuple[float, float]:
    """What the pose head alone says of a clip: field of view of the model's input, degrees; mean step, metres."""
    features = [backend.tokenize(backend.prepare(image_HWC)) for image_HWC in frames_THWC]
    steps = [backend.infer_steps(pair, intervals_S[i : i + 1]) for i, pair in enumerate(pairwise(features))]
    decoded = backend.decode_motions(InferredSteps.joined(steps).actions_SK, intervals_S)
    return math.degrees(float(np.mean(decoded.fov_x_S))), float(np.linalg.norm(decoded.translation_S3, axis=-1).mean())


def _hide(image: np.ndarray, where: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """The picture blurred where x (right) and y (below the horizon, taken for its middle) say so, in its heights."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    hidden_HW = where((x - width / 2) / height, y / height - 0.5)
    return np.where(hidden_HW[..., None], cv2.GaussianBlur(image, (0, 0), height / 40), image)


def _texel(looks: np.ndarray, factor: float) -> dict[int, np.ndarray | float]:
    return {t.TEXEL: factor * looks[:, t.TEXEL], t.LOG2_TEXEL: looks[:, t.LOG2_TEXEL] + np.log2(factor)}


def _barrel(image: np.ndarray, k1: float) -> np.ndarray:
    """The picture through a lens with radial distortion."""
    height, width = image.shape[:2]
    focal = width / (2 * np.tan(np.radians(58.5) / 2))
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
    source = cv2.undistortPoints(places, camera, np.array([k1, 0, 0, 0.0]), P=camera).reshape(height, width, 2)
    return cv2.remap(image, source.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


if __name__ == "__main__":
    main()
