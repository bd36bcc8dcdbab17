"""Progress is shown on standard error, once, and not where it is not wanted."""

from __future__ import annotations

import pytest

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
