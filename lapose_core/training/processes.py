"""One process a GPU: they draw clips of their own, and step with the mean of their gradients."""

from __future__ import annotations

import os

import torch
import torch.distributed as distributed
from torch import nn


class Processes:
    """The processes of a run, as torchrun starts them; one alone without it."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", 1))
        self.rank = int(os.environ.get("RANK", 0))
        self.local_rank = int(os.environ.get("LOCAL_RANK", 0))
        if self.count > 1 and not distributed.is_initialized():
            distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")

    @property
    def first(self) -> bool:
        """Whether this one speaks and saves for all."""
        return self.rank == 0

    def share(self, model: nn.Module) -> None:
        """Give every process the weights of the first."""
        if self.count > 1:
            for value in model.state_dict().values():
                distributed.broadcast(value, 0)

    def average_gradients(self, model: nn.Module) -> None:
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        pieces = flat.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [p.view_as(g) for p, g in zip(pieces, gradients, strict=True)])

    def agree(self, value: float) -> float:
        """The first process's value, for all."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared)

    def close(self) -> None:
        if self.count > 1 and distributed.is_initialized():
            distributed.destroy_process_group()
