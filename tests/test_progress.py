"""Progress is shown on standard error, once, and not where it is not wanted."""

from __future__ import annotations

import errno
import io
import time
from functools import partial

import pytest
from rich.console import Console

from oddframe import progress
from oddframe.progress import progress_bars, shown


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1)


def test_without_a_terminal_a_line_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as bars:
        bars("decoding", 3, 10)
        bars("scoring", 4, None)
    assert capsys.readouterr() == ("", "decoding: 3 of 10\nscoring: 4\n")


def test_a_silent_block_keeps_what_is_inside_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(visible=False) as outer, progress_bars() as inner:
        inner("decoding", 3, 10)
    assert inner is outer
    assert capsys.readouterr() == ("", "")


def test_a_block_ends_with_its_bars_even_after_an_error() -> None:
    with pytest.raises(RuntimeError), progress_bars() as first:
        raise RuntimeError
    with progress_bars() as second:
        assert second is not first


def test_progress_goes_where_the_caller_wants_it() -> None:
    with shown(False) as nothing, shown(True) as bars:
        assert nothing is None and isinstance(bars, progress.Bars)
    calls: list[tuple[str, int, int | None]] = []
    with shown(lambda *call: calls.append(call)) as own:
        assert own is not None
        own("decoding", 3, 10)
    assert calls == [("decoding", 3, 10)]


def test_away_from_a_terminal_progress_is_a_line_after_ten_seconds_and_not_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 10)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress_bars() as bars:
        for seconds, done in ((0.0, 1), (9.0, 2), (2.0, 3), (9.0, 4), (2.0, 5)):
            now[0] += seconds
            bars("decoding", done, 8)
        bars("decoding", 8, 8)  # its end is told, however soon it comes
        bars("short", 3, 3)  # of what was never told, the end is not told either
        now[0] += 11
        bars("looking", 6, None)
    text = capsys.readouterr()
    assert text.err.splitlines() == ["decoding: 3 of 8", "decoding: 5 of 8", "decoding: 8 of 8", "looking: 6"]
    assert text.out == ""


def test_on_a_terminal_every_kind_of_work_has_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console.Console", partial(Console, force_terminal=True, quiet=True))
    with progress_bars() as bars:
        bars("decoding", 1, 8)
        bars("decoding", 5, 8)
        bars("training", 2, None)
    tasks = {task.description: (task.completed, task.total) for task in bars.bars.tasks}
    assert tasks == {"decoding": (5, 8), "training": (2, None)}


def test_work_goes_on_where_nobody_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    progress.say("anything", True)
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1.0)
    progress.Bars()("frames", 1, 2)
