"""torch takes the cores that nobody else uses, and scores do not depend on how many those are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from oddframe import threads
from oddframe.models.catalogue import ModelEntry
from oddframe.models.registry import create, entries
from oddframe.runtime import torch as runtime
from oddframe.runtime.fitted import FittedRuntime
from oddframe.testing.check import cases
from oddframe.testing.windows import make, scores, video
from oddframe.threads import Load, TorchThreads, beside

WINDOWS = [about for about in entries()[0] if about.kind == "windows"]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class GivenLoad:
    """The load that a test says, on a machine of four cores."""

    def __init__(self) -> None:
        self.cpus = {f"cpu{number}" for number in range(4)}
        self.used: float | None = None

    def cores(self) -> float | None:
        return self.used


def beside_load(monkeypatch: pytest.MonkeyPatch, most: int) -> tuple[TorchThreads, GivenLoad]:
    torch.set_num_threads(most)
    load = GivenLoad()
    monkeypatch.setattr(threads, "Load", lambda: load)
    return TorchThreads(), load


@pytest.mark.parametrize(
    ("others", "most", "expected"),
    [(0.0, 2, 2), (0.2, 2, 2), (0.5, 2, 1), (1.0, 2, 1), (2.0, 2, 1), (9.0, 2, 1), (0.0, 1, 1), (6.6, 16, 9)],
)  # fmt: skip
def test_a_core_that_others_use_is_left_to_them(others: float, most: int, expected: int) -> None:
    assert beside(others, most) == expected


def test_threads_go_and_come_back_with_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    settled, load = beside_load(monkeypatch, 4)
    found = []
    for load.used in (None, 0.0, 2.0, None, 4.0, 0.1):
        settled.settle()
        found.append(torch.get_num_threads())
    assert found == [4, 4, 2, 2, 1, 4]


def test_cores_that_torch_may_not_use_are_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two of four cores are torch's: others find the two that are left.
    settled, load = beside_load(monkeypatch, 2)
    found = []
    for load.used in (2.0, 3.0):
        settled.settle()
        found.append(torch.get_num_threads())
    assert found == [2, 1]


def test_one_thread_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settled, load = beside_load(monkeypatch, 1)
    load.used = 0.0
    settled.settle()
    assert torch.get_num_threads() == 1


def test_every_thread_that_computes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    settled, load = beside_load(monkeypatch, 4)
    found: list[int] = []

    def compute() -> None:
        torch.get_num_threads()  # the number of a thread stays what it is when it first asks
        began.set()
        assert told.wait(60)
        settled.settle()
        found.append(torch.get_num_threads())

    began, told = threading.Event(), threading.Event()
    thread = threading.Thread(target=compute)
    thread.start()
    assert began.wait(60)
    load.used = 3.0
    settled.settle()
    told.set()
    thread.join()
    assert found == [torch.get_num_threads()] == [1]


def test_neighbours_are_what_is_neither_idle_nor_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stat, clock = tmp_path / "stat", {"monotonic": 100.0, "process_time": 5.0}
    monkeypatch.setattr(threads, "STAT", stat)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(threads.os, "sysconf", lambda _: 100)
    for name in clock:
        monkeypatch.setattr(threads.time, name, lambda name=name: clock[name])

    def passes(seconds: float, own: float, idle: tuple[int, int], waiting: int = 0) -> None:
        clock["monotonic"] += seconds
        clock["process_time"] += own
        rows = ["cpu  1 1 1 1 1 0 0 0 0 0"]
        rows += [f"cpu{n} 9 9 9 {idle} {waiting} 0 0 0 0 0" for n, idle in enumerate((*idle, 7))]  # cpu2 is not ours
        stat.write_text("\n".join([*rows, "intr 5"]), "ascii")

    passes(0, 0, (1000, 2000))
    found = Load()
    passes(0.1, 0.1, (1000, 2000))
    assert found.cores() is None  # too soon
    passes(1.9, 1.9, (1100, 2000))  # of 4 core seconds 1 was idle, and 2 were ours
    assert found.cores() == pytest.approx(0.5)
    passes(1.0, 1.0, (1100, 2000), waiting=50)  # waiting for a disk is idle, on both cores
    assert found.cores() == pytest.approx(0.0)
    passes(1.0, 0.0, (1100, 2000), waiting=50)
    assert found.cores() == pytest.approx(2.0)


def test_where_nobody_tells_the_load_nothing_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(threads, "STAT", tmp_path / "absent")
    torch.set_num_threads(3)
    settled = TorchThreads()
    settled.settle()
    assert torch.get_num_threads() == 3


@pytest.mark.slow
@pytest.mark.parametrize("about", WINDOWS, ids=lambda about: about.name)
def test_scores_are_the_same_bits_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch, about: ModelEntry) -> None:
    detector = make(cases(about)[0])
    images, found = video(detector.window), []
    for count, batch in ((1, 4), (1, 8), (3, 12), (4, 16)):
        torch.set_num_threads(count)
        monkeypatch.setattr(runtime, "_streams", lambda count=count: ThreadPoolExecutor(count))
        found.append(scores(detector, images, batch))
        assert torch.get_num_threads() == count, "what the caller set is set again"
    for again in found[1:]:
        for name, values in found[0].items():
            np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_a_detector_that_remembers_takes_its_windows_in_order_on_the_free_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settled, load = beside_load(monkeypatch, 4)
    monkeypatch.setattr(threads, "torch_threads", lambda: settled)
    detector: Any = create("mnad", "code", size=(16, 32), width=4, test_update="carried")
    load.used = 3.0
    scores(detector, video(detector.window))
    assert settled.number == 1 and not runtime.TorchRuntime(detector, "cpu").in_parts


def test_fitted_detectors_multiply_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Detector:
        signature = None

        def score(self, chunk: object) -> list[int]:
            return blas_threads()

    def blas_threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        inside: Any = FittedRuntime(Detector(), "torch", "fp32").score(None)  # type: ignore[arg-type]
        assert inside == [1] * len(before) and blas_threads() == before and before
