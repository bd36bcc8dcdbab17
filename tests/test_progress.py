"""Progress is shown on standard error, once, and not where it is not wanted."""

from __future__ import annotations

import pytest

from oddframe import progress
from oddframe.progress import progress_bars


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1)


def test_without_a_terminal_a_line_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as bars:
        bars("decoding", 3, 10)
        bars("scoring", 4, None)
    assert capsys.readouterr() == ("", "decoding: 3 of 10\nscoring: 4\n")


def test_a_silent_block_keeps_what_is_inside_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(shown=False) as outer, progress_bars() as inner:
        inner("decoding", 3, 10)
    assert inner is outer
    assert capsys.readouterr() == ("", "")


def test_a_block_ends_with_its_bars_even_after_an_error() -> None:
    with pytest.raises(RuntimeError), progress_bars() as first:
        raise RuntimeError
    with progress_bars() as second:
        assert second is not first
