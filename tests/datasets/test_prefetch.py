"""A generator that runs ahead on a thread: order, work, faults and an early end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from oddframe.datasets.prefetch import prefetch


def test_items_come_in_order_and_with_their_results() -> None:
    assert list(prefetch(range(20))) == list(range(20))
    assert list(prefetch(iter(range(5)), depth=1, work=lambda n: n * n)) == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]


def test_the_work_is_done_on_the_thread_that_makes_the_items() -> None:
    here = threading.get_ident()
    makers: list[int] = []

    def items() -> Iterator[int]:
        makers.append(threading.get_ident())
        yield 1

    ((_, worker),) = prefetch(items(), work=lambda _: threading.get_ident())
    assert worker == makers[0] != here


def test_a_fault_of_the_work_is_raised_at_its_place() -> None:
    seen = []
    with pytest.raises(ZeroDivisionError):
        for pair in prefetch([2, 1, 0, 4], work=lambda n: 4 // n):
            seen.append(pair)
    assert seen == [(2, 2), (1, 4)]


def test_leaving_early_ends_what_lies_below() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    ahead = prefetch(prefetch(items()), depth=1, work=lambda n: n)
    assert next(ahead) == (0, 0)
    ahead.close()
    assert closed.wait(60), "the inner producer is closed in turn"
