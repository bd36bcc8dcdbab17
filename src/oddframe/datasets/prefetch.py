"""Prefetching: a generator runs ahead of its consumer on a background thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar, overload

T = TypeVar("T")
R = TypeVar("R")


@overload
def prefetch(items: Iterable[T], depth: int = 2) -> Generator[T]: ...


@overload
def prefetch(items: Iterable[T], depth: int = 2, *, work: Callable[[T], R]) -> Generator[tuple[T, R]]: ...


def prefetch(items: Iterable[Any], depth: int = 2, *, work: Callable[[Any], Any] | None = None) -> Generator[Any]:
    """Yield `items` in order while up to `depth` of them are made ahead; memory stays bounded.

    `work` is a function of an item that runs on the same thread; with it pairs of an item and its result are yielded.
    An exception of the producer is raised at its place in the sequence. Closing this generator stops the producer and
    closes it in turn, so that a video half read is released.
    """
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(message: tuple[bool, Any]) -> bool:
        while not stop.is_set():
            try:
                ready.put(message, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not put((True, item if work is None else (item, work(item)))):
                    break
            else:
                put((False, None))
        except BaseException as error:
            put((False, error))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=produce, name="oddframe-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if more:
                yield item
            elif isinstance(item, BaseException):
                raise item
            else:
                return
    finally:
        stop.set()
        thread.join()
