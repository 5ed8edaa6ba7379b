"""The worker, which has room for one item."""

from __future__ import annotations

import threading

from lapose_ros.worker import NewestFirstWorker

from .drive import wait_until


def test_newest_item_wins_and_the_others_are_counted():
    seen, may_work = [], threading.Event()

    def work(item: int) -> None:
        seen.append(item)
        may_work.wait(10)

    worker = NewestFirstWorker(work)
    worker.start()
    worker.put(0)
    wait_until(lambda: seen == [0])
    for item in range(1, 10):
        worker.put(item)
    may_work.set()
    wait_until(lambda: len(seen) == 2)
    worker.stop()
    assert seen == [0, 9]
    assert worker.dropped == 8


def test_stop_waits_for_the_item_in_work():
    done = []
    started = threading.Event()

    def work(item: int) -> None:
        started.set()
        threading.Event().wait(0.1)
        done.append(item)

    worker = NewestFirstWorker(work)
    worker.start()
    worker.put(1)
    started.wait(10)
    worker.stop()
    assert done == [1]
