"""The application of the review page on a stored folder, asked without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from shown import HERE, OpenPage, Page, write_scored, write_video
from starlette.testclient import TestClient

import oddframe
from oddframe.server.access import access_for
from oddframe.server.app import make_app
from oddframe.server.library import open_library
from oddframe.store.store import Store


@pytest.fixture
def open_page() -> Iterator[OpenPage]:
    """Opens the page of a folder or a store."""
    with ExitStack() as stack:

        def opened(place: Path | str, run: Path | None = None) -> Page:
            library, _ = open_library(str(place), run)
            access = access_for("127.0.0.1", (), None, "ann")
            return Page(stack.enter_context(TestClient(make_app(library, access), base_url=HERE)), library)

        yield opened


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A folder of scores of one video, with two events, of which the later one is higher."""
    write_scored(tmp_path / "scores", {"door": write_video(tmp_path / "videos" / "door.mp4")})
    return tmp_path / "scores"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty event store, in either database."""
    with oddframe.open_store(url) as opened:
        yield opened
