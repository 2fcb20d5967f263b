"""Reading overlaps with work: one background thread stays a few items ahead of its consumer.

Owed to callers: order is kept; at most `depth` items wait beside the one in each hand; an exception of the producer
is raised in the consumer, after the items that came before it; when the consumer stops early, by `close()` or because
it is collected, the thread ends.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from queue import Empty, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

# How long to wait for a thread that sits in a read which nothing can interrupt (an idle pipe). It is a daemon.
_PATIENCE_SECONDS = 2.0


class _End(Generic[T]):
    """The last thing in the queue: no more items, and perhaps why."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(make: Callable[[], Generator[T, None, None]], depth: int) -> Generator[T, None, None]:
    """The items of `make()`, which runs in a background thread from the first `next` on. `depth` >= 1."""
    queue: Queue[T | _End[T]] = Queue(maxsize=depth)
    stopped = threading.Event()

    def produce() -> None:
        end: _End[T] = _End(None)
        try:
            with contextlib.closing(make()) as items:
                for item in items:
                    queue.put(item)
                    if stopped.is_set():
                        break
        except BaseException as error:
            end = _End(error)
        queue.put(end)

    thread = threading.Thread(target=produce, name="sternpost-read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        _drain(queue, thread)


def _drain(queue: Queue[T | _End[T]], thread: threading.Thread) -> None:
    """Empty the queue until the thread has seen that nobody listens any more."""
    waited = 0.0
    while thread.is_alive() and waited < _PATIENCE_SECONDS:
        with contextlib.suppress(Empty):
            while True:
                queue.get_nowait()
        thread.join(0.02)
        waited += 0.02
