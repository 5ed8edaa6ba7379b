"""Processes, devices and precision of a run."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.distributed.fsdp import FullyShardedDataParallel

from lapose_core.errors import LaposeError
from lapose_core.model.layers import Block
from lapose_core.model.st_transformer import STBlock
from lapose_core.training.config import RunConfig


def start_fabric(config: RunConfig) -> Fabric:
    """Processes, devices and precision as the config and torchrun or SLURM say; raises LaposeError without a GPU."""
    kind = config.device
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise LaposeError("no CUDA GPU here: set device: cpu in the training config, or leave it at auto")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 0))  # torchrun's word counts
    devices = here or config.devices or (torch.cuda.device_count() if kind == "cuda" else 1)
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", config.nodes))
    strategy: Any = "auto"
    if config.strategy == "fsdp":
        if kind != "cuda":
            raise LaposeError("strategy: fsdp needs CUDA GPUs: set strategy: ddp")
        from lightning_fabric.strategies import FSDPStrategy

        strategy = FSDPStrategy(auto_wrap_policy={Block, STBlock}, state_dict_type="full")
    elif devices * nodes > 1:
        strategy = "ddp"
    # Not Fabric's own mixed precision: it rounds what goes in as well, the true motions and pixels among it.
    fabric = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy=strategy, precision="32-true")
    fabric.launch()
    return fabric


def forget_gathered(module: torch.nn.Module) -> None:
    """Let FSDP gather its parameters anew for the next pass.

    It keeps those of the root after a forward pass that no backward pass follows, and goes on with them although the
    shards have changed since, from averaged weights to the run's own.
    """
    for part in FullyShardedDataParallel.fsdp_modules(module):
        if part._handle is not None and not part._handle.needs_unshard():
            part._handle.reshard(free_unsharded_flat_param=True)


def mixed_precision(config: RunConfig, device: torch.device) -> AbstractContextManager:
    """In which the model runs: `bf16` where that is accurate enough, or `fp32`, as the config says."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
