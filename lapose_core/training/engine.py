"""The training engine, on Lightning Fabric: one process or many, the same loop for every stage."""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from lapose_core.errors import LaposeError
from lapose_core.training.average import AveragedWeights
from lapose_core.training.checkpoint import RunState, save_checkpoint
from lapose_core.training.config import RunConfig
from lapose_core.training.log import RunLog
from lapose_core.training.processes import forget_gathered
from lapose_core.training.stage import Share, Stage

#: With several processes, the first one's clock counts; the others hear of it every so many steps.
CLOCK_EVERY = 10
_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class Engine:
    """One run: batch in, losses, step, and now and then a word about it."""

    def __init__(
        self,
        config: RunConfig,
        stage: Stage,
        output: Path,
        *,
        fabric: Fabric,
        history: list[dict],
        state: RunState | None = None,
    ) -> None:
        """Set up a run in `output`, at its start or where `state` was saved.

        Args:
            stage: its model has the weights to start from, and the parameters that learn require gradients.
            history: earlier runs that led to those weights.
        """
        self.config, self.output, self.fabric, self.history = config, output, fabric, history
        self.stage = stage
        self.share = Share(fabric.global_rank, fabric.world_size)
        decayed = {name for name, p in stage.named_parameters() if p.requires_grad and p.ndim > 1}
        if config.compile and fabric.device.type == "cuda":
            stage.compile_parts()
        if config.strategy == "fsdp":
            # It shards memory as it lies, and takes what comes from a file for contiguous.
            stage.to(memory_format=torch.contiguous_format)
        self.wrapped = fabric.setup_module(stage)
        self.optimizer = _optimizer(self.wrapped, decayed, config)
        self.stepper = fabric.setup_optimizers(self.optimizer)
        self.average = AveragedWeights(stage.model, config.average_decay)
        self.sums: dict[str, Tensor | float] = defaultdict(float)
        self.step, self.waited_s, self.before_s = 0, 0.0, 0.0
        random.seed(config.seed + self.share.rank)
        torch.manual_seed(config.seed * 1_000_003 + self.share.rank)
        if state is not None:
            self._restore(state)
        self.started = time.monotonic()
        self.log = RunLog(output, config.steps, fabric.global_rank == 0)
        self.reported = (self.step, self.started)
        self._progress = 0.0

    def run(self, deadline: float | None = None) -> bool:
        """Train to the end of the config's steps or minutes; returns whether it was reached.

        Args:
            deadline: of `time.monotonic`; once it has passed, the run is saved as it is, to be gone on with.
        """
        held_out = self.stage.held_out()
        source = self.stage.batches(self.share, self.step)
        while self.progress < 1.0:
            self.train_step(self._next(source))
            if self.step % self.config.log_every == 0:
                self._report()
            if self.step % self.config.validate_every == 0:
                self._validate(held_out)
            if self.step % self.config.save_every == 0:
                self.save()
            self.log.advance(self.step)
            if deadline is not None and time.monotonic() > deadline and self.progress < 1.0:
                self.save()
                self.log.close()
                return False
        if self.step % self.config.validate_every:
            self._validate(held_out)
        self.save(over=True)
        self.log.close()
        return True

    @property
    def seconds(self) -> float:
        """Time that the run took, before it was cut off as well."""
        return self.before_s + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by minutes, whichever is further."""
        limit = self.config.minutes * 60
        if limit and (self.share.world == 1 or self.step % CLOCK_EVERY == 0):
            by_time = self.seconds / limit
            self._progress = by_time if self.share.world == 1 else self.fabric.broadcast(by_time)
        return max(self.step / self.config.steps, self._progress)

    def train_step(self, batch: Any) -> None:
        """One optimiser step. Nothing here waits for the GPU."""
        rate = learning_rate(self.config, self.step, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.wrapped.train()
        losses = self.wrapped(batch)
        total = sum(self.stage.loss_weights.get(name, 1.0) * value for name, value in losses.items())
        self.stepper.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        norm = self.fabric.clip_gradients(
            self.wrapped, self.stepper, max_norm=self.config.gradient_clip, error_if_nonfinite=False
        )
        # One rotten batch must not poison the weights: the fused optimiser skips the step, without anybody asking.
        self.optimizer.found_inf = (~torch.isfinite(norm)).float()
        self.stepper.step()
        self.average.update()
        self.step += 1
        for name, value in {**losses, "gradient": norm, "skipped": self.optimizer.found_inf}.items():
            self.sums[name] = self.sums[name] + torch.nan_to_num(value.detach().float(), 0.0, 0.0, 0.0)

    def save(self, over: bool = False) -> None:
        """Write a checkpoint; the state to go on from only while the run is not over."""
        state = None if over else self._state()
        with self.average.in_place():
            weights = self._whole_model()
        if self.fabric.global_rank == 0:
            run = {
                "stage": self.config.STAGE,
                "config": asdict(self.config),
                "steps": self.step,
                "device": self._device_name(),
                "processes": self.share.world,
                "minutes": round(self.seconds / 60, 2),
                "finished": over,
            }
            progress = {"runs": [*self.history, run]}
            save_checkpoint(self.output, weights, self.stage.model.config, progress, state)
        self.fabric.barrier()

    def _next(self, source: Iterator[Any]) -> Any:
        begun = time.perf_counter()
        batch = next(source)
        self.waited_s += time.perf_counter() - begun
        return batch

    def _report(self) -> None:
        steps, now = self.step - self.reported[0], time.monotonic()
        if not steps:
            return
        figures = {name: float(value) / steps for name, value in self.sums.items()}
        if self.share.world > 1:
            names = sorted(figures)
            mean = self.fabric.all_reduce(torch.tensor([figures[name] for name in names], device=self.fabric.device))
            figures = dict(zip(names, mean.tolist(), strict=True))
        if not figures["skipped"]:
            del figures["skipped"]
        elapsed = now - self.reported[1]
        figures |= {"step_ms": elapsed / steps * 1e3, "data_wait_share": self.waited_s / max(elapsed, 1e-9)}
        self.log.figures("train", self.step, self.seconds, figures | self.stage.data_report())
        self.sums.clear()
        self.waited_s, self.reported = 0.0, (self.step, time.monotonic())

    @torch.no_grad()
    def _validate(self, held_out: list[Any]) -> None:
        """Figures of the averaged weights on held-out batches."""
        self.wrapped.eval()
        # A compiled part would be compiled once more to be run without gradients.
        with self.average.in_place(), torch.compiler.set_stance("force_eager"):
            looks = [{name: value.detach() for name, value in self.wrapped(b, look=True).items()} for b in held_out]
        forget_gathered(self._forwarded())
        figures = self.stage.summarise(looks, self.output, self.step) if self.fabric.global_rank == 0 else {}
        self.log.figures("held out", self.step, self.seconds, figures)
        self.fabric.barrier()

    def _whole_model(self) -> dict[str, Tensor]:
        """The model's weights, on the CPU, gathered where they are sharded."""
        state = get_model_state_dict(self._forwarded(), options=_WHOLE)
        # A clone: on a CPU these are the very weights that go on changing.
        return {name.removeprefix("model."): value.clone() for name, value in state.items()}

    def _state(self) -> RunState:
        tensors = {f"model/{name}": value for name, value in self._whole_model().items()}
        with self.average.in_place():
            tensors |= {f"average/{name}": value for name, value in self._whole_model().items()}
        saved = get_optimizer_state_dict(self._forwarded(), self.optimizer, options=_WHOLE)
        for name, moments in saved.get("state", {}).items():  # only the first process is told
            tensors |= {f"optimizer/{name}/{key}": torch.as_tensor(value) for key, value in moments.items()}
        tensors |= {f"random/{name}": value for name, value in self._random_states().items()}
        numbers = {"step": self.step, "seconds": round(self.seconds, 2), "average_steps": self.average.steps}
        return RunState(tensors, numbers)

    def _restore(self, state: RunState) -> None:
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, value in state.tensors.items():
            kind, name = name.split("/", 1)
            parts[kind][name] = value
        learning = {_clean(name) for name, p in self.wrapped.named_parameters() if p.requires_grad}
        moments: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, value in parts["optimizer"].items():
            parameter, key = name.rsplit("/", 1)
            moments[parameter][key] = value
        if set(moments) != learning:
            raise LaposeError(
                f"{self.output} holds a run that was cut off while it trained other parts: "
                "go on with its own config, or choose another --output"
            )
        for kind in ("average", "model"):
            named = {f"model.{name}": value for name, value in parts[kind].items()}
            set_model_state_dict(self._forwarded(), named, options=StateDictOptions(full_state_dict=True))
            if kind == "average":
                self.average.averages = [p.detach().clone() for p in self.average.parameters]
        groups = get_optimizer_state_dict(self._forwarded(), self.optimizer)["param_groups"]
        saved = {"state": dict(moments), "param_groups": groups}
        set_optimizer_state_dict(
            self._forwarded(), self.optimizer, saved, options=StateDictOptions(full_state_dict=True)
        )
        for parameter, moments in self.optimizer.state.items():
            for key, value in moments.items():
                # Files know no channels_last, and the fused optimiser walks through memory, not through axes.
                if value.shape == parameter.shape and value.stride() != parameter.stride():
                    moments[key] = torch.empty_like(parameter).detach().copy_(value)
        self.step, self.before_s = state.numbers["step"], state.numbers["seconds"]
        self.average.steps = state.numbers["average_steps"]
        if len(parts["random"]["torch"]) == self.share.world:
            # A clone is aligned; bytes out of the middle of a file need not be, and torch falls over those.
            self._set_random_states({name: value[self.share.rank].clone() for name, value in parts["random"].items()})

    def _random_states(self) -> dict[str, Tensor]:
        """States of each process's generators, (processes, bytes)."""
        _, numbers, _ = random.getstate()
        states = {"torch": torch.get_rng_state(), "python": torch.tensor(numbers)}
        if self.fabric.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        if self.share.world == 1:
            return {name: value[None] for name, value in states.items()}
        return {name: self.fabric.all_gather(value.to(self.fabric.device)).cpu() for name, value in states.items()}

    def _set_random_states(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["torch"])
        random.setstate((3, tuple(states["python"].tolist()), None))
        if "cuda" in states and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self.fabric.device)

    def _forwarded(self) -> torch.nn.Module:
        """The module as the strategy wrapped it."""
        return self.wrapped._forward_module

    def _device_name(self) -> str:
        device = self.fabric.device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def learning_rate(config: RunConfig, step: int, progress: float) -> float:
    """Linear warm-up, then a cosine over all legs down to a hundredth."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    done = (config.leg - 1 + min(1.0, progress)) / config.legs
    return config.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def _clean(name: str) -> str:
    """A parameter's name without what wrappers put before it."""
    parts = ("_forward_module", "module", "_fsdp_wrapped_module", "_orig_mod")
    return ".".join(part for part in name.split(".") if part not in parts)


def _optimizer(module: torch.nn.Module, decayed: set[str], config: RunConfig) -> torch.optim.Optimizer:
    learning = [(_clean(name), p) for name, p in module.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in learning if name in decayed], "weight_decay": config.weight_decay},
        {"params": [p for name, p in learning if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)
