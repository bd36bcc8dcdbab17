"""`oddframe learn`: what it says where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from taught import fitted

import oddframe

Ask = Callable[..., Any]


@pytest.mark.slow
def test_without_a_mark_it_says_so_in_one_line(tmp_path: Path, ask: Ask) -> None:
    run = fitted(tmp_path)
    with oddframe.open_store(tmp_path / "events.db"):
        pass
    for words, said in (
        ((tmp_path / "run", "--store", tmp_path, "--out", tmp_path / "new"), "is marked as normal or abnormal"),
        ((tmp_path / "run", "--store", tmp_path, "--out", tmp_path / "run"), "already exists"),
        ((tmp_path / "run", "--store", tmp_path, "--out", tmp_path / "new", "--steps", "more"), "no step 'more'"),
        ((tmp_path / "run", "--store", tmp_path / "no.db", "--out", tmp_path / "new"), "there is no event store"),
    ):
        answer = ask("learn", *words)
        assert answer.status == 2 and said in answer.err and answer.err.count("\n") == 1, answer
    assert run.bundle.id and not (tmp_path / "new").exists()
