"""Two processes on the CPU under FSDP, which Lightning only starts on GPUs; there: scripts/check_fsdp.py."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from lapose_core.training.processes import forget_gathered


def test_weights_that_have_changed_since_a_forward_pass_are_gathered_anew() -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["0.0"] * 2


@torch.no_grad()
def _run_as_one_of_two() -> None:
    torch.distributed.init_process_group("gloo")
    module = FullyShardedDataParallel(nn.Linear(4, 4), device_id=torch.device("cpu"), use_orig_params=True)
    module(torch.ones(1, 4))
    for parameter in module.parameters():
        parameter.zero_()
    forget_gathered(module)
    sys.stdout.write(f"{module(torch.ones(1, 4)).abs().max().item()}\n")
    sys.stdout.flush()
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    _run_as_one_of_two()
