"""Run the model and the baselines over real and rendered drives, and write docs/accuracy.md with its plots."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.accuracy.document import write_document
from benchmarks.accuracy.measurements import measure_all
from benchmarks.accuracy.plots import draw_plots
from lapose_core.errors import LaposeError
from lapose_core.models import find_model

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="see shared/data/README.md")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "accuracy.md")
    parser.add_argument("--clips", type=int, default=16, help="rendered clips of each condition")
    parser.add_argument("--seconds", type=float, default=45.0, help="length of the rendered drives")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that share the work")
    options = parser.parse_args()
    try:
        found = measure_all(
            find_model(options.model),
            options.data,
            backend=options.backend,
            clips=options.clips,
            seconds=options.seconds,
            jobs=options.jobs,
        )
        write_document(found, options.output)
        draw_plots(found, options.output.parent)
    except LaposeError as error:
        print(f"lapose: {error}", file=sys.stderr)
        return 2
    print(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
