"""Pretraining's throughput as a share of the machine's matrix peak: python -m benchmarks.pretrain_step [CONFIG]

Peak: an 8192 x 8192 x 8192 bf16 matrix product, the best of several in the same run. FLOPs: counted over one step,
forward and backward, codes and actions included. Target: 35 % of the peak for `compact` on an H100. Prints the time of
a step's parts, what the largest kernels take, and a JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.floor import best_rate
from benchmarks.measure import device_name, time_calls, wait_for
from lapose_core.model.config import VQVAE_PRESETS, preset
from lapose_core.model.vqvae import VQVAE
from lapose_core.training.checkpoint import save_checkpoint
from lapose_core.training.config import PretrainConfig
from lapose_core.training.engine import Engine
from lapose_core.training.pretrain import pretrain_engine

#: Clips that FLOPs are counted on; they are the same for every clip.
COUNTED_CLIPS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=Path("config/train/pretrain_compact.yaml"))
    parser.add_argument("--clips", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--kernels", type=int, default=20, help="how many kernels to list")
    parser.add_argument("--matching", default="frozen", help="frozen, as after --from, or random")
    options = parser.parse_args()
    config = PretrainConfig.load(options.config, clips=options.clips)
    folder = Path(tempfile.mkdtemp())
    _save_vqvae(folder / "vqvae", config.preset)
    flops = _count_flops(config, folder, options.matching) * config.clips

    engine = _engine(config, folder, options.matching)
    device = engine.fabric.device
    repeats = options.repeats if device.type == "cuda" else 2
    drawn = engine.stage.mixture.batches(engine.share, 0, device)
    source = engine.stage.batches(engine.share, 0)
    clips = next(drawn)
    batch = engine.stage._tokenized(clips)

    def median_ms(action: Callable[[], object]) -> float:
        return time_calls(action, count=repeats, warm_up=5, device=device).p50

    times = {
        "draw": median_ms(lambda: next(drawn)),
        "codes": median_ms(lambda: engine.stage._tokenized(clips)),
        "step without drawing": median_ms(lambda: engine.train_step(batch)),
        "whole step": median_ms(lambda: engine.train_step(next(source))),
    }
    peak = best_rate(device, torch.bfloat16, 8192 if device.type == "cuda" else 512)
    rate = flops / (times["whole step"] * 1e-3)
    name = device_name(device)
    size = preset(config.preset)
    print(f"{name}: {config.clips} clips of {config.frames} frames at {size.image_width}x{size.image_height}")
    for part, milliseconds in times.items():
        print(f"{part:24} {milliseconds:9.1f} ms")
    print(f"{flops / 1e12:.2f} TFLOP a step, {rate / 1e12:.1f} TFLOP/s of {peak / 1e12:.1f}: {rate / peak:.1%}")
    print(_profile(lambda: engine.train_step(next(source)), device, options.kernels))
    figures = {"machine": name, "torch": torch.__version__, "clips": config.clips, "tflop": round(flops / 1e12, 3)}
    figures |= {f"{part} ms": round(value, 2) for part, value in times.items()}
    figures |= {"tflop_s": round(rate / 1e12, 2), "peak_tflop_s": round(peak / 1e12, 1), "share": round(rate / peak, 4)}
    if device.type == "cuda":
        figures["memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    print(json.dumps(figures))


def _save_vqvae(folder: Path, name: str) -> None:
    """Random weights: the time is the same."""
    model = VQVAE(preset(name, VQVAE_PRESETS))
    save_checkpoint(folder, model.state_dict(), model.config, {"runs": []})


def _engine(config: PretrainConfig, folder: Path, matching: str) -> Engine:
    output = Path(tempfile.mkdtemp())
    config = replace(config, matching="random")
    engine = pretrain_engine(config, output, folder / "vqvae")
    if matching == "frozen":
        for name, parameter in engine.stage.model.named_parameters():
            if name.startswith("tokenizer.stem"):
                parameter.requires_grad_(False)
    return engine


def _count_flops(config: PretrainConfig, folder: Path, matching: str) -> float:
    """FLOPs of a step for each clip, counted without compilation, which would hide them."""
    few = replace(config, clips=COUNTED_CLIPS, draw_clips=min(config.draw_clips, COUNTED_CLIPS), compile=False)
    engine = _engine(replace(few, draw_workers=0), folder, matching)
    source = engine.stage.batches(engine.share, 0)
    engine.train_step(next(source))
    with FlopCounterMode(display=False) as counter:
        engine.train_step(next(source))
    return counter.get_total_flops() / COUNTED_CLIPS


def _profile(action: Callable[[], object], device: torch.device, kernels: int) -> str:
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities) as profiler:
        for _ in range(3):
            action()
        wait_for(device)
    order = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return profiler.key_averages().table(sort_by=order, row_limit=kernels, max_name_column_width=90)


if __name__ == "__main__":
    main()
