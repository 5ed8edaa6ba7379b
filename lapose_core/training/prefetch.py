"""Results of a function of 0, 1, 2, ... in order, computed ahead by worker processes."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(function: Callable[[int], T], workers: int, ahead: int = 4) -> Iterator[T]:
    """Yield function(0), function(1), ... for ever; forked workers, so the function may close over its settings."""
    context = multiprocessing.get_context("fork")
    _Call.function = function
    with ProcessPoolExecutor(max(1, workers), mp_context=context) as pool:
        pending = deque(pool.submit(_Call.call, i) for i in range(workers * ahead))
        index = len(pending)
        while True:
            yield pending.popleft().result()
            pending.append(pool.submit(_Call.call, index))
            index += 1


class _Call:
    function: Callable[[int], object]

    @classmethod
    def call(cls, index: int) -> object:
        return cls.function(index)
