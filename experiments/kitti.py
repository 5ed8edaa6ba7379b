"""Zero-shot figures of the experiments' runs on KITTI, on a CPU: python -m experiments.kitti --data .../kitti_odometry

Adds `kitti` to each result: by sequence and rate, the report of `lapose evaluate`. KITTI is only measured with.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from lapose_core.export.onnx import export_checkpoint
from lapose_core.files import write_atomically

RATES_HZ = ("4.8", "1.9", "1.0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--data", type=Path, required=True, help="folder with `sequences`")
    parser.add_argument("--only", nargs="*", default=None)
    options = parser.parse_args()
    for result in sorted((options.output / "results").glob("seed*/*.json")):
        record = json.loads(result.read_text())
        if record["kind"] != "pose" or "kitti" in record or (options.only and record["name"] not in options.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            export_checkpoint(options.output / f"seed{record['seed']}" / record["name"], model)
            record["kitti"] = {
                f"{sequence.name}@{rate}": _evaluate(sequence, rate, model)
                for sequence in sorted((options.data / "sequences").iterdir())
                for rate in RATES_HZ
            }
        write_atomically(result, lambda path, record=record: path.write_text(json.dumps(record, indent=1) + "\n"))
        print(result, flush=True)


def _evaluate(sequence: Path, rate: str, model: Path) -> dict | None:
    """The report; None where the sequence is too short for a window at that rate."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, "-m", "lapose_core.cli", "evaluate", sequence, "--rate", rate, "--model", model]
        ended = subprocess.run([*map(str, command), "--quiet", "--json", file.name], capture_output=True, text=True)
        if ended.returncode:
            print(f"{sequence.name} at {rate} Hz: {ended.stderr.strip()}", flush=True)
            return None
        return json.loads(Path(file.name).read_text())


if __name__ == "__main__":
    main()
