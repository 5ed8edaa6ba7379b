"""Calibrates a model folder: rendered clips, the fit, the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lapose_core.calibration.fit import LEAST_CLIPS, coverage_of, fit_calibration
from lapose_core.calibration.samples import draw_samples
from lapose_core.errors import LaposeError
from lapose_core.evaluation.coverage import NOMINAL, Coverage
from lapose_core.files import write_atomically
from lapose_core.runtime.backends.open import open_backend
from lapose_core.runtime.calibration import CALIBRATION_FILE, Calibration, weights_of


@dataclass(frozen=True)
class CalibrationSummary:
    """What a calibration did, on the clips that it was fitted to; `print(summary)` gives a few lines of text.

    Attributes:
        path: the file written.
        calibration: what is in it.
        before, after, known_camera: coverage without it, with it, and with it where the camera is known.
    """

    path: Path
    calibration: Calibration
    before: Coverage
    after: Coverage
    known_camera: Coverage

    def __str__(self) -> str:
        lines = [
            f"{self.path}: fitted to {self.after.steps} steps; % of their errors inside, before -> after (camera known)"
        ]
        for part in ("motion", "translation", "rotation"):
            shares = zip(
                NOMINAL, *(getattr(each, part) for each in (self.before, self.after, self.known_camera)), strict=True
            )
            lines.append(
                f"{part:12s}"
                + "   ".join(f"{100 * n:g} %: {100 * b:.1f} -> {100 * a:.1f} ({100 * k:.1f})" for n, b, a, k in shares)
            )
        return "\n".join(lines)


def calibrate(
    model_dir: Path, *, clips: int = 200, seed: int = 0, backend: str = "auto", progress: bool = True
) -> CalibrationSummary:
    """Fit a model's calibration on rendered clips, and write it into its folder.

    Half of the clips are as a good camera gives them; the rest are dark, blurred, noisy or partly covered. Every tenth
    is slower, and every tenth faster, than those of training. Cameras that are known have numbers of their own.

    Raises LaposeError for too few clips, or a model that cannot run here.
    """
    if clips < LEAST_CLIPS:
        raise LaposeError(f"{clips} clips are too few to calibrate with: give {LEAST_CLIPS} or more")
    samples, told = draw_samples(open_backend(model_dir, backend), clips, seed, progress=progress)
    weights = weights_of(model_dir)
    known_camera = replace(fit_calibration(told), weights=weights)
    calibration = replace(fit_calibration(samples), known_camera=known_camera, weights=weights)
    path = model_dir / CALIBRATION_FILE
    write_atomically(path, calibration.save)
    return CalibrationSummary(
        path,
        calibration,
        coverage_of(Calibration(), samples),
        coverage_of(calibration, samples),
        coverage_of(known_camera, told),
    )
