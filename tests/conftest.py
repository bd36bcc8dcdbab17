"""Fixtures that every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from colour_network import write_colour_network
from postgres_server import NoServer, emptied, postgres

from oddframe.cli import main
from oddframe.street import World, render_world


class Answer(NamedTuple):
    """What a command left: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """A test does not outlive the machine: fsync only sees to it that there is such a file, and does not wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


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
    """A small street: 5 normal videos and 2 with planted anomalies, 5 s each."""
    world = World(seed=3, size=(72, 128))
    return render_world(tmp_path_factory.mktemp("street"), world, videos=5, test_videos=2, seconds=5)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test data that lies beside the checkout; tests that ask for it are skipped without it."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real test data not found: ../shared/data does not exist beside the checkout")
    return folder


@pytest.fixture(scope="session")
def colour_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX network with its YAML: the mean red, green and blue of a 16 x 16 picture, 0..1."""
    pytest.importorskip("onnx")
    return write_colour_network(tmp_path_factory.mktemp("colour network") / "colours.onnx")


@pytest.fixture(scope="module")
def short_check() -> Iterator[None]:
    """The self-check of a fit sees eight seconds of video instead of thirty, which take half of the time of a fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oddframe.workflow.passes.CHECKED_SECONDS", 8.0)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server of PostgreSQL; tests that ask for it are skipped where there is none."""
    started = postgres()
    try:
        url = started.__enter__()
    except NoServer as error:
        pytest.skip(str(error))
    yield url
    started.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an event store may be made: once in each database."""
    if request.param == "sqlite":
        return str(tmp_path / "events.db")
    return emptied(request.getfixturevalue("server"))
