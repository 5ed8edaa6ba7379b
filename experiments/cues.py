"""What a model reads field of view and scale off: rendered clips, one look of theirs changed at a time.

    python -m experiments.cues --model compact --clips 24

Straight drives through a camera of 58.5 degrees. A model that reads either off something that real roads do not keep to
shows it here: its figures move with that look. Figures move by a few hundredths between sets of 24 clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from lapose_core.evaluation.clips import estimate_clip
from lapose_core.evaluation.method import LaPose
from lapose_core.evaluation.metrics import log_ratio, mean_step
from lapose_core.models import find_model
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--clips", type=int, default=24)
    options = parser.parse_args()
    backend = open_backend(find_model(options.model), options.backend)
    size = backend.config.image_height, backend.config.image_width
    method = LaPose(backend)
    clips = sample_clips(np.random.default_rng(SEED), options.clips, WORLD)
    print("| what | field of view, median deg (58.5) | log scale, median | 10 %, 90 % |\n| --- | --- | --- | --- |")
    for name, change in LOOKS.items():
        looks_BC = clips.looks_BC.copy()
        for column, values in change(clips.looks_BC).items():
            looks_BC[:, column] = values
        _show(name, method, replace(clips, looks_BC=looks_BC), size)
    for name, picture in PICTURES.items():
        _show(name, method, clips, size, picture)


def _show(
    name: str, method: LaPose, clips: Clips, size: tuple[int, int], picture: Picture = lambda image: image
) -> None:
    found = []
    for frames_TCHW, intervals_S, truth_S44 in zip(
        render(clips, *size), clips.intervals_BS, clips.motions_BS44, strict=True
    ):
        frames_THWC = np.stack([picture(np.ascontiguousarray(frame.transpose(1, 2, 0))) for frame in frames_TCHW])
        (estimate,) = estimate_clip([method], frames_THWC, intervals_S, truth_S44)
        found.append((np.degrees(estimate.fov_x_rad), log_ratio(mean_step(estimate.motions_S44), mean_step(truth_S44))))
    fov_deg, log_scale = np.array(found).T
    low, middle, high = np.quantile(log_scale, [0.1, 0.5, 0.9])
    print(f"| {name} | {np.median(fov_deg):.1f} | {middle:+.2f} | {low:+.2f}, {high:+.2f} |", flush=True)


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
