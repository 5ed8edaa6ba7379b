"""A thread that works on the newest item and lets the older ones go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestFirstWorker(Generic[Item]):
    """Calls `work` on items in its own thread; an item that waits is replaced when a newer one comes.

    Attributes:
        dropped: items replaced before `work` saw them.
    """

    def __init__(self, work: Callable[[Item], None]) -> None:
        self._work = work
        self._waiting: list[Item] = []  # none or one
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="odometer", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over an item; never waits for `work`."""
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting = [item]
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after the item in work; one that waits is let go, uncounted."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                item = self._waiting.pop()
            self._work(item)
