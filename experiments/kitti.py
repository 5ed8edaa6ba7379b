"""Zero-shot figures of the experiments' runs on KITTI: python -m experiments.kitti --data .../kitti_odometry

Adds `kitti` to each result: by sequence and rate, the report of the pose head alone, of the model as it runs (adjusted
to the matches), and of going straight ahead with the true step lengths. KITTI is only measured with.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from experiments.scores import Unadjusted
from lapose_core.data.kitti import KittiSource  # `open_source` wants rosbags, which a lent GPU machine has not
from lapose_core.errors import LaposeError
from lapose_core.evaluation.baselines import StraightAhead
from lapose_core.evaluation.measure import measure
from lapose_core.evaluation.method import LaPose
from lapose_core.evaluation.report import report_of
from lapose_core.files import write_atomically
from lapose_core.model.lapose import LAPose
from lapose_core.runtime.backends.torch import TorchBackend
from lapose_core.training.checkpoint import load_checkpoint, model_config_of

RATES_HZ = (4.8, 1.9, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--data", type=Path, required=True, help="folder with `sequences`")
    parser.add_argument("--only", nargs="*", default=None, help="names of runs")
    parser.add_argument("--rates", nargs="*", type=float, default=RATES_HZ)
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the work")
    options = parser.parse_args()
    results = {path: json.loads(path.read_text()) for path in (options.output / "results").glob("seed*/*.json")}
    results = {
        path: record
        for path, record in sorted(results.items())
        if record["kind"] == "pose" and "kitti" not in record and (not options.only or record["name"] in options.only)
    }
    sequences = sorted((options.data / "sequences").iterdir())
    # Not forked: the parent may have a GPU open.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        asked = {
            path: {
                f"{sequence.name}@{rate:g}": pool.submit(
                    evaluate, options.output / f"seed{record['seed']}" / record["name"], sequence, rate
                )
                for sequence in sequences
                for rate in options.rates
            }
            for path, record in results.items()
        }
        for path, answers in asked.items():
            record = results[path] | {"kitti": {at: answer.result() for at, answer in answers.items()}}
            write_atomically(path, lambda file, record=record: file.write_text(json.dumps(record, indent=1) + "\n"))
            print(path, flush=True)


def evaluate(checkpoint: Path, sequence: Path, rate_hz: float) -> dict | None:
    """The report; None where the sequence is too short for a window at that rate."""
    model = LAPose(model_config_of(checkpoint))
    model.load_state_dict(load_checkpoint(checkpoint, model.config)[0])
    backend = TorchBackend(model)
    head = Unadjusted(backend)
    methods = [head, LaPose(backend, shared=head), StraightAhead()]
    try:
        measured = measure(KittiSource(sequence), backend, rate_hz, progress=False, methods=methods)
    except LaposeError as error:
        print(f"{sequence.name} at {rate_hz:g} Hz: {error}", flush=True)
        return None
    return json.loads(report_of(measured).to_json())


if __name__ == "__main__":
    main()
