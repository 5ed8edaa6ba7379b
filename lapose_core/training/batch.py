"""What kinds of batches share."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from typing_extensions import Self


@dataclass
class Batch:
    """Tensors of B clips, clips first; what is not wanted is None."""

    def to(self, device: torch.device) -> Self:
        return type(self)(*(None if value is None else value.to(device, non_blocking=True) for value in self._values()))

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """The clips of all parts; what one of them lacks is None."""
        columns = zip(*(part._values() for part in parts), strict=True)
        return cls(*(None if any(value is None for value in column) else torch.cat(column) for column in columns))

    def _values(self) -> list[Tensor | None]:
        return [getattr(self, item.name) for item in fields(self)]
