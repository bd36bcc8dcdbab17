"""What the tests of whole commands share: asking as from a shell, and a small street."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from oddframe.cli import main
from oddframe.street import World, render_world


class Answer(NamedTuple):
    status: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command as the shell would."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["oddframe", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        text = capsys.readouterr()
        return Answer(int(left.value.code or 0), text.out, text.err)

    return run


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = World(seed=3, size=(72, 128))
    return render_world(tmp_path_factory.mktemp("street"), world, videos=5, test_videos=2, seconds=5)
